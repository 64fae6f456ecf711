/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair demo: writes the synthetic shop as the files that import reads.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/demo/demo_shop.h"
#include "server/commands/commands.h"
#include "server/jobs/progress.h"

typedef struct demo_options {
    const char *out;
    int64_t users, items, interactions;
    int64_t text_dim, image_dim;
    int64_t seed;
    bool json;
} demo_options;

static const option table[] = {
    {.name = "out",
     OPTION_FIELD(demo_options, out, OPTION_TEXT),
     .required = true,
     .value = "DIR",
     .help = "folder for interactions.inter, items.jsonl, text.npy and image.npy; made if missing"},
    {.name = "users",
     .key = "demo-users",
     OPTION_FIELD(demo_options, users, OPTION_INT),
     .initial = "2000",
     .min = 1,
     .max = 100000000,
     .help = "number of users"},
    {.name = "items",
     .key = "demo-items",
     OPTION_FIELD(demo_options, items, OPTION_INT),
     .initial = "1000",
     .min = 50,
     .max = 100000000,
     .help = "number of items"},
    {.name = "interactions",
     .key = "demo-interactions",
     OPTION_FIELD(demo_options, interactions, OPTION_INT),
     .initial = "30000",
     .min = 1,
     .max = 10000000000,
     .help = "number of purchases, at most items/8 per user"},
    {.name = "text-dim",
     OPTION_FIELD(demo_options, text_dim, OPTION_INT),
     .initial = "64",
     .min = 0,
     .max = 65536,
     .help = "width of the text features; 0: write none"},
    {.name = "image-dim",
     OPTION_FIELD(demo_options, image_dim, OPTION_INT),
     .initial = "128",
     .min = 0,
     .max = 65536,
     .help = "width of the image features; 0: write none"},
    {.name = "seed",
     OPTION_FIELD(demo_options, seed, OPTION_INT),
     .initial = "1",
     .min = 0,
     .max = 9007199254740992,
     .help = "seed of the random numbers; the same seed and sizes give the same shop"},
    OPTION_JSON(demo_options),
    OPTION_END,
};

typedef struct story {
    progress bar;
    const char *phase;
    bool quiet;
} story;

static void tell(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    story *s = ctx;
    if (s->phase == NULL || strcmp(s->phase, phase) != 0) {
        if (s->phase != NULL) {
            progress_finish(&s->bar, NULL);
        }
        s->phase = phase;
        progress_start(&s->bar, phase, strstr(phase, "interactions") ? "users" : "items", total,
                       s->quiet);
    }
    progress_update(&s->bar, done, NULL, false);
}

static err_code run(const command_call *call, err *e)
{
    const demo_options *o = call->options;
    if (o->interactions < o->users || o->interactions > o->users * (o->items / 8)) {
        return command_usage(call, e,
                             "--interactions: expected 1 to %lld for each of %lld users, not %lld "
                             "in all",
                             (long long)o->items / 8, (long long)o->users,
                             (long long)o->interactions);
    }
    if (mkdir(o->out, 0777) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "%s: cannot make the folder: %s", o->out, strerror(errno));
    }
    demo_shop_options options = {.dir = o->out,
                                 .users = (uint32_t)o->users,
                                 .items = (uint32_t)o->items,
                                 .interactions = (uint64_t)o->interactions,
                                 .text_width = (uint32_t)o->text_dim,
                                 .image_width = (uint32_t)o->image_dim,
                                 .seed = (uint64_t)o->seed};
    story s = {.quiet = o->json};
    demo_shop_hooks hooks = {.ctx = &s, .progress = tell, .cancelled = interrupt_requested};
    demo_shop_report report;
    err_code code = demo_shop_write(&options, &hooks, &report, e);
    if (s.phase != NULL) {
        progress_finish(&s.bar, NULL);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (o->json) {
        printf("{\"users\":%llu,\"items\":%llu,\"interactions\":%llu,\"bytes\":%llu}\n",
               (unsigned long long)report.users, (unsigned long long)report.items,
               (unsigned long long)report.interactions, (unsigned long long)report.bytes);
    } else {
        printf("%s: %llu users, %llu items, %llu interactions, %.1f MiB\n", o->out,
               (unsigned long long)report.users, (unsigned long long)report.items,
               (unsigned long long)report.interactions, (double)report.bytes / 1048576.0);
    }
    return ERR_OK;
}

const command cmd_demo = {.name = "demo",
                          .summary = "write a synthetic shop as files that import reads",
                          .options = table,
                          .options_bytes = sizeof(demo_options),
                          .run = run};
