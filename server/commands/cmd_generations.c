/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair generations: lists, activates, prunes and plots the trained models of a store.
 *
 * Listing works beside a live service. Changes do not, because the service would not see them: this
 * command then says to use the service's API.
 */
#include <jansson.h>
#include <stdio.h>

#include "core/common/timestamp.h"
#include "core/model/model.h"
#include "server/cli/result.h"
#include "server/commands/commands.h"
#include "server/commands/generation_expect.h"
#include "server/jobs/curve_plot.h"
#include "server/runtime/generation_json.h"
#include "server/runtime/generation_refit.h"
#include "server/telemetry/clock.h"
#include "storage/log/generation_ops.h"
#include "storage/maintenance/recover.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"

typedef struct generations_arguments {
    const char *store;
    int64_t activate, prune, of;
    const char *plot;
    bool json;
} generations_arguments;

static const option table[] = {
    OPTION_STORE(generations_arguments),
    {.name = "activate",
     .key = "generations-activate",
     OPTION_FIELD(generations_arguments, activate, OPTION_INT),
     .initial = "-1",
     .min = -1,
     .max = UINT32_MAX,
     .value = "N",
     .help = "activate this generation, so that it is served; 0: serve none; -1: change nothing"},
    {.name = "prune",
     .key = "generations-prune",
     OPTION_FIELD(generations_arguments, prune, OPTION_INT),
     .initial = "-1",
     .min = -1,
     .max = GENERATIONS_KEEP_MAX,
     .value = "KEEP",
     .help = "remove all generations except the active one and the newest KEEP others; -1: remove "
             "none"},
    {.name = "plot",
     .key = "generations-plot",
     OPTION_FIELD(generations_arguments, plot, OPTION_TEXT),
     .value = "FILE.svg",
     .help = "draw the learning curve of a generation into this file"},
    {.name = "of",
     .key = "generations-of",
     OPTION_FIELD(generations_arguments, of, OPTION_INT),
     .min = 0,
     .max = UINT32_MAX,
     .value = "N",
     .help = "generation whose curve --plot draws; 0: the active one, or the newest if "
             "none is active"},
    OPTION_JSON(generations_arguments),
    OPTION_END,
};

enum { LIST_BYTES_MAX = 256 * 1024 * 1024, SHOWN_AT = 20 };

static err_code alter(const generations_arguments *a, err *e)
{
    store *s = NULL;
    store_options how = {.mode = STORE_OWNER, .now = clock_now()};
    err_code code = recover_open(&s, a->store, &how, e);
    if (code == ERR_CONFLICT) {
        return err_context(e, a->prune >= 0 ? "while a service runs, use POST /model/prune"
                                            : "while a service runs, use POST /model/activate");
    }
    if (code == ERR_OK && a->activate >= 0) {
        code = generation_switch(s, (uint32_t)a->activate, clock_now(), e);
    }
    if (code == ERR_OK && a->prune >= 0) {
        uint32_t removed = 0;
        code = generation_prune(s, (uint32_t)a->prune, clock_now(), &removed, e);
        if (code == ERR_OK) {
            fprintf(result_stream(a->json), "removed %u\n", removed);
        }
    }
    store_close(s);
    return code;
}

/* Metrics are printed with their protocol, so that nobody compares figures that mean different
 * things. */
static void print_figures(const model *m, const eval_metrics *shown)
{
    eval_on on = shown == &m->test ? EVAL_TEST : EVAL_VALID;
    char recall[TRAIN_METRIC_TEXT], ndcg[TRAIN_METRIC_TEXT];
    train_metric_text(recall, TRAIN_RECALL, SHOWN_AT);
    train_metric_text(ndcg, TRAIN_NDCG, SHOWN_AT);
    printf("  %s %s %.4f %s %.4f, protocol %s, masked: %s, %zu users dropped",
           on == EVAL_TEST ? "test" : "valid", recall, eval_metric(shown, TRAIN_RECALL, SHOWN_AT),
           ndcg, eval_metric(shown, TRAIN_NDCG, SHOWN_AT), eval_protocol_name(m->options.protocol),
           eval_protocol_mask(m->options.protocol, on), shown->dropped);
}

static void print_line(const generation_info *info, const model *m)
{
    char created[TIMESTAMP_TEXT_MAX];
    timestamp_format(info->created, created);
    printf("%10u  %-8s  %s  %9u  %9u  %8.1f", info->number,
           info->active ? "active"
           : info->held ? "ready"
                        : "absent",
           created, info->users, info->items, (double)info->bytes / (1024 * 1024));
    if (m != NULL) {
        const eval_metrics *shown = model_judged(m);
        printf("  %5u", m->best_epoch);
        if (shown->users > 0) {
            print_figures(m, shown);
        }
        fputs(generation_refitted(info) ? ", refit" : "", stdout);
    }
    fputc('\n', stdout);
}

static err_code read_list(store *s, arena *memory, const generation_info **out, size_t *count,
                          err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_list(r, memory, out, count, e);
        store_read_end(r);
    }
    return code;
}

/* plotted returns the generation that --plot draws, 0 if there is none. */
static uint32_t plotted(const generations_arguments *a, const generation_info *infos, size_t count)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < count && a->of == 0; i++) {
        if (infos[i].active) {
            return infos[i].number;
        }
        newest = infos[i].held ? infos[i].number : newest;
    }
    return a->of > 0 ? (uint32_t)a->of : newest;
}

static err_code plot(const generations_arguments *a, store *s, const generation_info *infos,
                     size_t count, err *e)
{
    uint32_t number = plotted(a, infos, count);
    model *m = NULL;
    if (number == 0) {
        return err_set(e, ERR_NOT_FOUND, "no generation to plot; make one with stair train");
    }
    err_code code = generation_expect(s, number, e);
    if (code == ERR_OK) {
        code = model_describe(s, number, &m, e);
    }
    if (code == ERR_OK) {
        code = curve_plot_write(a->plot, number, m, e);
    }
    model_free(m);
    return code;
}

static err_code show(const generations_arguments *a, err *e)
{
    store *s = NULL;
    arena memory;
    const generation_info *infos = NULL;
    size_t count = 0;
    store_options how = {.mode = STORE_READ, .now = clock_now()};
    json_t *all = json_array();
    arena_init(&memory, LIST_BYTES_MAX);
    err_code code = recover_open(&s, a->store, &how, e);
    if (code == ERR_OK) {
        code = read_list(s, &memory, &infos, &count, e);
    }
    if (code == ERR_OK && !a->json) {
        printf("generation  state     created                   users      items       MiB"
               "   best\n");
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        model *m = NULL;
        if (infos[i].held) {
            code = model_describe(s, infos[i].number, &m, e);
            code = code == ERR_NOT_FOUND ? ERR_OK : code;
        }
        if (code == ERR_OK && !a->json) {
            print_line(&infos[i], m);
        } else if (code == ERR_OK) {
            json_array_append_new(all, generation_json_new(&infos[i], m));
        }
        model_free(m);
    }
    if (code == ERR_OK && a->plot != NULL) {
        code = plot(a, s, infos, count, e);
    }
    if (code == ERR_OK && a->json) {
        json_t *document = json_pack("{s:O}", "generations", all);
        code = result_json(document, JSON_COMPACT, "the list", e);
        json_decref(document);
    }
    json_decref(all);
    arena_fini(&memory);
    store_close(s);
    return code;
}

static err_code run(const command_call *call, err *e)
{
    const generations_arguments *a = call->options;
    err_code code = a->activate >= 0 || a->prune >= 0 ? alter(a, e) : ERR_OK;
    return code == ERR_OK ? show(a, e) : code;
}

const command cmd_generations = {.name = "generations",
                                 .summary = "list, activate and prune the trained models",
                                 .options = table,
                                 .options_bytes = sizeof(generations_arguments),
                                 .run = run};
