/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair eval: measures the lists that the service would return, and compares them with baselines.
 *
 * Every list comes from server/jobs/judge.h: what is measured here is what is served, over a view
 * without what is held out.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/eval.h"
#include "core/train/eval/given.h"
#include "core/train/eval/next_item.h"
#include "server/cli/result.h"
#include "server/commands/commands.h"
#include "server/commands/eval_report.h"
#include "server/commands/generation_expect.h"
#include "server/commands/tsv_field.h"
#include "server/jobs/judge.h"
#include "server/jobs/train_arguments.h"
#include "server/jobs/train_report.h"
#include "server/load/dataset_load.h"
#include "server/runtime/generation_refit.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"

typedef struct eval_arguments {
    const char *store;
    int64_t generation, threads, given;
    int on, protocol;
    const char *at, *per_user, *topk, *baselines;
    bool served, json;
} eval_arguments;

static const option table[] = {
    OPTION_STORE(eval_arguments),
    {.name = "generation",
     OPTION_FIELD(eval_arguments, generation, OPTION_INT),
     .min = 0,
     .max = UINT32_MAX,
     .help = "generation to evaluate; 0: the active one"},
    {.name = "on",
     OPTION_FIELD(eval_arguments, on, OPTION_CHOICE),
     .choices = "test|valid",
     .help = "held-out interactions to predict"},
    {.name = "protocol",
     OPTION_FIELD(eval_arguments, protocol, OPTION_CHOICE),
     .choices = "stair|mmrec|next",
     .help = "evaluation protocol, which defines the evaluated users and the masked "
             "items: that of the STAIR authors, of MMRec, or next: predict each user's "
             "next item by time from everything before it"},
    {.name = "given",
     OPTION_FIELD(eval_arguments, given, OPTION_INT),
     .min = 0,
     .max = GIVEN_MAX,
     .help = "evaluate sessions: the query is the N earliest held-out items of each "
             "user (test and valid), and the later ones are to be predicted; 1 also "
             "evaluates the lists of similar items; 0: evaluate users"},
    {.name = "at",
     OPTION_FIELD(eval_arguments, at, OPTION_TEXT),
     .initial = "1,10,20",
     .value = "K,...",
     .help = "list lengths K of the metrics"},
    {.name = "baselines",
     OPTION_FIELD(eval_arguments, baselines, OPTION_TEXT),
     .value = "NAME,...",
     .help = "further baselines besides popular and itemknn: content (nearest by "
             "features), itemknn+content, or ease (dense; for up to 20000 items with "
             "interactions; takes 4 bytes per pair of items)"},
    {.name = "per-user",
     OPTION_FIELD(eval_arguments, per_user, OPTION_TEXT),
     .value = "FILE",
     .help = "write every user's metrics to this file, tab-separated"},
    {.name = "topk",
     OPTION_FIELD(eval_arguments, topk, OPTION_TEXT),
     .value = "FILE",
     .help = "write every user's list with scores to this file, as JSON lines"},
    {.name = "served",
     OPTION_FIELD(eval_arguments, served, OPTION_BOOL),
     .help = "compute no metrics; write to --topk the lists that the service would "
             "answer: held-out interactions count and seen items are left out"},
    {.name = "threads",
     OPTION_FIELD(eval_arguments, threads, OPTION_INT),
     .min = 0,
     .max = TRAIN_THREADS_MAX,
     .help = "threads of the evaluation; 0: one for each processor that CPU affinity "
             "and control group allow"},
    OPTION_JSON(eval_arguments),
    OPTION_END,
};

typedef struct job {
    const eval_arguments *a;
    store *s;
    int threads;
    dataset *d; /* the data as in the store */
    /* derived for the protocol next or --given; NULL if the data is used as it is */
    dataset *derived;
    const dataset *judged; /* `derived` if it is set, otherwise `d` */
    judge *judge;
    size_t next; /* place of the present user in the block, for per_user */
    FILE *per_user, *topk;
    eval_report report;
} job;

static void write_list(const job *j, uint32_t user, size_t index, const uint32_t *rows,
                       size_t found)
{
    const view *v = judge_view(j->judge);
    const float *score = judge_scores(j->judge, index);
    slice id = view_user_id(v, user);
    json_t *items = json_array(), *scores = json_array();
    for (size_t i = 0; i < found; i++) {
        slice item = view_item_id(v, rows[i]);
        json_array_append_new(items, json_stringn(item.at, item.length));
        json_array_append_new(scores, json_real((double)score[i]));
    }
    json_t *line = json_pack("{s:o, s:o, s:o}", "user", json_stringn(id.at, id.length), "items",
                             items, "scores", scores);
    json_dumpf(line, j->topk, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', j->topk);
    json_decref(line);
}

/* per_user writes one user's list. Lists come in blocks; `next` finds the scores of a list in its
 * block. */
static void per_user(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                     const double *recall, const double *ndcg)
{
    job *j = ctx;
    size_t index = j->next++ % EVAL_BLOCK;
    if (j->topk != NULL) {
        write_list(j, user, index, rows, found);
    }
    if (j->per_user == NULL) {
        return;
    }
    tsv_field_write(j->per_user, view_user_id(judge_view(j->judge), user));
    for (size_t i = 0; i < j->report.options.at_count; i++) {
        fprintf(j->per_user, "\t%.6f\t%.6f", recall[i], ndcg[i]);
    }
    fputc('\n', j->per_user);
}

static err_code parse_at(job *j, const command_call *call, err *e)
{
    eval_options *o = &j->report.options;
    o->at_count = 0;
    for (const char *at = j->a->at; at != NULL && *at != '\0';) {
        char *end = NULL;
        unsigned long k = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        bool rises = o->at_count == 0 || k > o->at[o->at_count - 1];
        if (k == 0 || k > EVAL_K_MAX || !rises || o->at_count == EVAL_AT_MAX ||
            (*end != ',' && *end != '\0')) {
            return command_usage(call, e,
                                 "--at: expected up to %d ascending numbers of 1 to %d, not "
                                 "\"%.64s\"",
                                 EVAL_AT_MAX, EVAL_K_MAX, j->a->at);
        }
        o->at[o->at_count++] = (uint32_t)k;
        at = *end == ',' ? end + 1 : end;
    }
    return o->at_count > 0 ? ERR_OK : command_usage(call, e, "--at: expected at least one number");
}

static bool is_next(const job *j)
{
    return j->a->protocol == 2;
}

static bool is_given(const job *j)
{
    return j->a->given > 0;
}

/* derive makes the dataset to evaluate from the store's data. */
static err_code derive(job *j, err *e)
{
    err_code code = ERR_OK;
    if (is_given(j)) {
        code = given_new(&j->derived, j->d, (size_t)j->a->given, e);
    } else if (is_next(j)) {
        code = next_item_new(&j->derived, j->d, j->a->on == 1 ? EVAL_VALID : EVAL_TEST, e);
    }
    j->judged = j->derived != NULL ? j->derived : j->d;
    return code;
}

static err_code load(job *j, err *e)
{
    store_options so = {.mode = STORE_READ, .now = clock_now()};
    store_info info = {0};
    err_code code = recover_open(&j->s, j->a->store, &so, e);
    if (code == ERR_OK) {
        code = dataset_load(j->s, NULL, &j->d, &info, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    j->report.generation = j->a->generation > 0 ? (uint32_t)j->a->generation : info.generation;
    if (j->report.generation == 0) {
        return err_set(
            e, ERR_NOT_FOUND,
            "%s: no generation is active; make one with stair train, or name one with --generation",
            j->a->store);
    }
    code = generation_expect(j->s, j->report.generation, e);
    if (code == ERR_OK) {
        code = generation_read_refitted(j->s, j->report.generation, &j->report.refit, e);
    }
    if (code == ERR_OK) {
        code = derive(j, e);
    }
    judge_options o = {.s = j->s,
                       .d = j->judged,
                       .generation = j->report.generation,
                       .threads = j->threads,
                       .served = j->a->served};
    return code == ERR_OK ? judge_new(&j->judge, &o, e) : code;
}

static err_code open_output(FILE **out, const char *path, err *e)
{
    if (path == NULL) {
        return ERR_OK;
    }
    /* readable only by its owner, because it contains users' lists */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0 && *out == NULL) {
        close(fd);
    }
    return *out != NULL ? ERR_OK : err_set(e, ERR_IO, "%s: cannot be written: %m", path);
}

static err_code close_output(FILE *f, const char *path, err *e)
{
    if (f == NULL) {
        return ERR_OK;
    }
    bool failed = ferror(f) != 0;
    failed = fclose(f) != 0 || failed;
    return failed ? err_set(e, ERR_IO, "%s: writing failed: %m", path) : ERR_OK;
}

static err_code prepare(job *j, err *e)
{
    j->report.options.on = j->a->on == 1 && j->derived == NULL ? EVAL_VALID : EVAL_TEST;
    j->report.options.protocol = j->a->protocol == 1 ? PROTOCOL_MMREC : PROTOCOL_STAIR;
    j->report.options.cancelled = interrupt_requested;
    err_code code = open_output(&j->per_user, j->a->per_user, e);
    if (code == ERR_OK) {
        code = open_output(&j->topk, j->a->topk, e);
    }
    if (code == ERR_OK && j->per_user != NULL) {
        fprintf(j->per_user, "user");
        for (size_t i = 0; i < j->report.options.at_count; i++) {
            char recall[TRAIN_METRIC_TEXT], ndcg[TRAIN_METRIC_TEXT];
            train_metric_text(recall, TRAIN_RECALL, j->report.options.at[i]);
            train_metric_text(ndcg, TRAIN_NDCG, j->report.options.at[i]);
            fprintf(j->per_user, "\t%s\t%s", recall, ndcg);
        }
        fputc('\n', j->per_user);
    }
    return code;
}

/* measure_similar evaluates the items similar to each user's one given item. */
static err_code measure_similar(job *j, err *e)
{
    eval_lister lists;
    err_code code = judge_lister_given(&lists, j->judge, j->judged, true, e);
    return code == ERR_OK ? eval_run(&j->report.similar, j->judged, &j->report.options, &lists, e)
                          : code;
}

static const char *split_judged(const job *j)
{
    return is_given(j) ? "held-out" : j->a->on == 1 ? "validation" : "test";
}

static err_code measure(job *j, err *e)
{
    eval_options o = j->report.options;
    o.per_user = per_user;
    o.per_user_ctx = j;
    eval_lister lists = judge_lister(j->judge);
    err_code code =
        is_given(j) ? judge_lister_given(&lists, j->judge, j->judged, false, e) : ERR_OK;
    if (code == ERR_OK) {
        code = eval_run(&j->report.stair, j->judged, &o, &lists, e);
    }
    if (code == ERR_OK && j->report.stair.users == 0) {
        code = err_set(e, ERR_NOT_FOUND, "%s: nothing to evaluate: no interactions of the %s split",
                       j->a->store, split_judged(j));
    }
    if (code == ERR_OK && j->a->given == 1) {
        code = measure_similar(j, e);
    }
    baselines_ask ask = {
        .d = j->judged, .options = &j->report.options, .threads = j->threads, .given = is_given(j)};
    memcpy(ask.wanted, j->report.wanted, sizeof ask.wanted);
    return code == ERR_OK ? baselines_run(&j->report.beside, &ask, e) : code;
}

/* answer_all writes what the service would answer every user, in row order. */
static err_code answer_all(job *j, err *e)
{
    const view *v = judge_view(j->judge);
    size_t k = j->report.options.at[j->report.options.at_count - 1], rows = view_user_rows(v);
    uint32_t *lists = mem_array(EVAL_BLOCK * k, sizeof *lists), users[EVAL_BLOCK];
    size_t found[EVAL_BLOCK], written = 0;
    err_code code = lists != NULL ? ERR_OK : err_nomem(e, "the lists");
    for (size_t row = 0; code == ERR_OK && row < rows;) {
        size_t count = 0;
        for (; row < rows && count < EVAL_BLOCK; row++) {
            users[count] = (uint32_t)row;
            count += view_user_id(v, (uint32_t)row).at != NULL;
        }
        code = interrupt_requested(NULL) ? err_set(e, ERR_CANCELLED, "stopped") : code;
        if (code == ERR_OK) {
            code = judge_answers(j->judge, users, count, k, lists, found, e);
        }
        for (size_t i = 0; code == ERR_OK && i < count; i++) {
            write_list(j, users[i], i, lists + i * k, found[i]);
        }
        written += count;
    }
    mem_free(lists);
    if (code == ERR_OK) {
        fprintf(result_stream(j->a->json),
                "generation %u: wrote the lists of %zu users as the service would answer them\n",
                j->report.generation, written);
    }
    return code;
}

static void job_fini(job *j)
{
    judge_free(j->judge);
    dataset_free(j->derived);
    dataset_free(j->d);
    store_close(j->s);
}

static err_code parse_baselines(job *j, const command_call *call, err *e)
{
    j->report.wanted[BASELINE_POPULAR] = j->report.wanted[BASELINE_ITEMKNN] = true;
    slice wrong = baselines_parse(j->a->baselines, j->report.wanted);
    return wrong.at == NULL
               ? ERR_OK
               : command_usage(
                     call, e,
                     "--baselines: expected popular, itemknn, content, itemknn+content or "
                     "ease, not \"%.*s\"",
                     (int)(wrong.length < 64 ? wrong.length : 64), wrong.at);
}

static err_code check_served(const job *j, const command_call *call, err *e)
{
    if (!j->a->served || (j->a->topk != NULL && j->a->per_user == NULL && !j->a->json)) {
        return ERR_OK;
    }
    return command_usage(call, e,
                         "--served: expected --topk FILE for the lists, and neither --per-user nor "
                         "--json, because these lists hold no held-out item to measure by");
}

static err_code check_given(const job *j, const command_call *call, err *e)
{
    if (is_given(j) && (is_next(j) || j->a->served || j->report.wanted[BASELINE_EASE])) {
        return command_usage(call, e,
                             "--given: cannot be combined with --protocol next, --served or the "
                             "baseline ease, which evaluate users");
    }
    return ERR_OK;
}

static err_code run(const command_call *call, err *e)
{
    job *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        return err_nomem(e, "an evaluation");
    }
    j->a = call->options;
    j->threads = train_threads(j->a->threads);
    j->report.on_valid = j->a->on == 1;
    j->report.next = is_next(j);
    j->report.given = j->a->given;
    j->report.json = j->a->json;
    err_code code = parse_at(j, call, e);
    if (code == ERR_OK) {
        code = check_served(j, call, e);
    }
    if (code == ERR_OK) {
        code = parse_baselines(j, call, e);
    }
    /* Buffers come first, because the store's map takes what is left of a limited address space. */
    if (code == ERR_OK) {
        code = blas_reserve(j->threads, e);
    }
    if (code == ERR_OK) {
        code = check_given(j, call, e);
    }
    if (code == ERR_OK) {
        code = load(j, e);
    }
    if (code == ERR_OK) {
        code = prepare(j, e);
    }
    if (code == ERR_OK) {
        code = j->a->served ? answer_all(j, e) : measure(j, e);
    }
    err_code closed = close_output(j->per_user, j->a->per_user, e);
    if (code == ERR_OK) {
        code = closed;
    }
    closed = close_output(j->topk, j->a->topk, e);
    if (code == ERR_OK) {
        code = closed;
    }
    if (code == ERR_OK && !j->a->served) {
        code = eval_report_tell(&j->report, e);
    }
    job_fini(j);
    mem_free(j);
    return code;
}

const command cmd_eval = {
    .name = "eval",
    .summary = "measure Recall and NDCG of a generation and of simple baselines",
    .options = table,
    .options_bytes = sizeof(eval_arguments),
    .parallel = true,
    .run = run,
};
