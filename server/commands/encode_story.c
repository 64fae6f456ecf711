/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/encode_story.h"

#include <stdio.h>
#include <string.h>

#include "server/cli/command.h"
#include "server/jobs/progress.h"

typedef struct story {
    progress bar;
    bool begun, quiet;
    char problem[128]; /* the last problem printed */
} story;

static void tell(void *ctx, uint64_t done, uint64_t total, const char *problem)
{
    story *s = ctx;
    if (!s->begun) {
        progress_start(&s->bar, "encoding", "items", total, s->quiet);
        s->begun = true;
    }
    progress_update(&s->bar, done, NULL, false);
    if (problem != NULL && strcmp(problem, s->problem) != 0) {
        progress_line(&s->bar, "the encoder fails: %s; trying again", problem);
        snprintf(s->problem, sizeof s->problem, "%s", problem);
    }
}

static bool is_interrupted(void *ctx)
{
    return interrupt_requested(ctx);
}

err_code encode_story_run(store *s, const encoder_options *o, bool replace, bool quiet,
                          encode_report *out, err *e)
{
    story tale = {.quiet = quiet};
    encode_hooks hooks = {tell, is_interrupted, &tale};
    err_code code = encode_store(s, o, replace, &hooks, out, e);
    if (tale.begun) {
        progress_finish(&tale.bar, NULL);
    }
    if (!quiet && (code == ERR_OK || out->encoded > 0)) {
        printf("encoded %llu items, %llu refused, %llu wait\n", (unsigned long long)out->encoded,
               (unsigned long long)out->refused, (unsigned long long)out->pending);
    }
    return code;
}
