/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair eval: how good the lists are that the service would give, beside the two baselines.
 *
 * The store is loaded into live tables as `stair serve` does it, and every list comes from
 * core/serve/query/recommend.h: what is measured here is what is served.
 */
#include <jansson.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/eval.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/base.h"
#include "core/serve/update/live.h"
#include "core/train/eval/baseline.h"
#include "server/cli/command.h"
#include "server/cli/print_json.h"
#include "server/commands/generation_expect.h"
#include "server/commands/tsv_field.h"
#include "server/jobs/train_arguments.h"
#include "server/jobs/train_report.h"
#include "server/load/dataset_load.h"
#include "server/load/live_load.h"
#include "server/runtime/generation_refit.h"
#include "storage/maintenance/recover.h"

typedef struct eval_arguments {
    const char *store;
    int64_t generation, threads;
    int on, protocol;
    const char *at, *per_user, *topk;
    bool json;
} eval_arguments;

static const option table[] = {
    OPTION_STORE(eval_arguments),
    {.name = "generation",
     .type = OPTION_INT,
     .offset = offsetof(eval_arguments, generation),
     .min = 0,
     .max = UINT32_MAX,
     .help = "which model; 0: the active one"},
    {.name = "on",
     .type = OPTION_CHOICE,
     .offset = offsetof(eval_arguments, on),
     .choices = "test|valid",
     .help = "which interactions are to be found"},
    {.name = "protocol",
     .type = OPTION_CHOICE,
     .offset = offsetof(eval_arguments, protocol),
     .choices = "stair|mmrec",
     .help = "who is evaluated and what is masked: the authors', or MMRec's"},
    {.name = "at",
     .type = OPTION_TEXT,
     .offset = offsetof(eval_arguments, at),
     .initial = "1,10,20",
     .value = "K,...",
     .help = "lengths of the lists"},
    {.name = "per-user",
     .type = OPTION_TEXT,
     .offset = offsetof(eval_arguments, per_user),
     .value = "FILE",
     .help = "writes every user's metrics, tab-separated"},
    {.name = "topk",
     .type = OPTION_TEXT,
     .offset = offsetof(eval_arguments, topk),
     .value = "FILE",
     .help = "writes every user's list with scores as JSON lines"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = offsetof(eval_arguments, threads),
     .min = 0,
     .max = TRAIN_THREADS_MAX,
     .help = "0: one for each processor that affinity and control group allow"},
    OPTION_JSON(eval_arguments),
    OPTION_END};

/* The service's scorer as a lister, and where its lists are written. */
typedef struct served {
    const view *v;
    recommend_scratch **scratch; /* (threads) */
    int threads;
    size_t k;
    uint32_t users[EVAL_BLOCK];
    size_t next;   /* of the block, for per_user */
    float *scores; /* (EVAL_BLOCK, k) */
    FILE *per_user, *topk;
    const eval_options *options;
} served;

static err_code list_one(served *s, const eval_ask *ask, size_t index, uint32_t *rows,
                         size_t *found, err *e)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result result;
    q.user = ask->user;
    q.k = s->k;
    q.exclude = ask->exclude;
    q.exclude_count = ask->exclude_count;
    q.include_seen = true; /* the protocol's mask stands in for it */
    q.exact = true;        /* figures are of the model, not of an approximate search */
    err_code code = recommend(s->v, &q, s->scratch[omp_get_thread_num()], &result, e);
    if (code != ERR_OK) {
        return code;
    }
    *found = result.count;
    for (size_t i = 0; i < result.count; i++) {
        rows[i] = result.hits[i].row;
        s->scores[index * s->k + i] = result.hits[i].score;
    }
    return ERR_OK;
}

static err_code list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e)
{
    served *s = ctx;
    err_code failed = ERR_OK;
    s->next = 0;
#pragma omp parallel for schedule(dynamic, 8) num_threads(s->threads)
    for (size_t i = 0; i < count; i++) {
        err own = ERR_INIT;
        s->users[i] = asks[i].user;
        if (list_one(s, &asks[i], i, rows + i * k, &found[i], &own) != ERR_OK) {
#pragma omp critical
            failed = err_set(e, own.code, "%s", own.text);
        }
    }
    return failed;
}

static void write_list(const served *s, uint32_t user, size_t index, const uint32_t *rows,
                       size_t found)
{
    slice id = view_user_id(s->v, user);
    json_t *items = json_array(), *scores = json_array();
    for (size_t i = 0; i < found; i++) {
        slice item = view_item_id(s->v, rows[i]);
        json_array_append_new(items, json_stringn(item.at, item.length));
        json_array_append_new(scores, json_real((double)s->scores[index * s->k + i]));
    }
    json_t *line = json_pack("{s:o, s:o, s:o}", "user", json_stringn(id.at, id.length), "items",
                             items, "scores", scores);
    json_dumpf(line, s->topk, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', s->topk);
    json_decref(line);
}

static void per_user(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                     const double *recall, const double *ndcg)
{
    served *s = ctx;
    size_t index = s->next++;
    if (s->topk != NULL) {
        write_list(s, user, index, rows, found);
    }
    if (s->per_user == NULL) {
        return;
    }
    slice id = view_user_id(s->v, user);
    tsv_field_write(s->per_user, id);
    for (size_t i = 0; i < s->options->at_count; i++) {
        fprintf(s->per_user, "\t%.6f\t%.6f", recall[i], ndcg[i]);
    }
    fputc('\n', s->per_user);
}

typedef struct job {
    const eval_arguments *a;
    store *s;
    store_info info;
    uint32_t generation;
    dataset *d;
    live *l;
    live_feature_source features;
    live_hold hold;
    bool held;
    bool refit; /* the generation was trained on the validation interactions too */
    served served;
    eval_options options;
    eval_metrics stair, popular, itemknn;
} job;

static err_code parse_at(job *j, const command_call *call, err *e)
{
    eval_options *o = &j->options;
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
    return o->at_count > 0 ? ERR_OK : command_usage(call, e, "--at: expected numbers, not nothing");
}

static err_code load(job *j, err *e)
{
    store_options so = {.mode = STORE_READ, .now = clock_now()};
    err_code code = recover_open(&j->s, j->a->store, &so, e);
    if (code == ERR_OK) {
        code = dataset_load(j->s, NULL, &j->d, NULL, e);
    }
    if (code == ERR_OK) {
        live_feature_source_init(&j->features, j->s);
        live_options lo = {.features = live_stored_features, .ctx = &j->features};
        code = live_new(&j->l, &lo, e);
    }
    if (code == ERR_OK) {
        code = live_load(j->s, j->l, &j->info, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    j->generation = j->a->generation > 0 ? (uint32_t)j->a->generation : j->info.generation;
    if (j->generation == 0) {
        return err_set(e, ERR_NOT_FOUND,
                       "%s: no generation is active; stair train makes one, or "
                       "name one by --generation",
                       j->a->store);
    }
    base *b = NULL;
    code = generation_expect(j->s, j->generation, e);
    if (code == ERR_OK) {
        code = generation_read_refitted(j->s, j->generation, &j->refit, e);
    }
    if (code == ERR_OK) {
        code = base_load(j->s, j->generation, (unsigned)j->served.threads, &b, e);
    }
    if (code == ERR_OK) {
        code = live_activate(j->l, b, j->info.seq, e);
    }
    if (code == ERR_OK) {
        live_acquire(j->l, &j->hold);
        j->held = true;
        j->served.v = j->hold.view;
    }
    return code;
}

static err_code open_output(FILE **out, const char *path, err *e)
{
    if (path == NULL) {
        return ERR_OK;
    }
    *out = fopen(path, "w");
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
    served *s = &j->served;
    j->options.on = j->a->on == 1 ? EVAL_VALID : EVAL_TEST;
    j->options.protocol = j->a->protocol == 1 ? PROTOCOL_MMREC : PROTOCOL_STAIR;
    j->options.cancelled = interrupt_requested;
    s->options = &j->options;
    s->k = j->options.at[j->options.at_count - 1];
    s->scores = mem_array(EVAL_BLOCK * s->k, sizeof *s->scores);
    s->scratch = mem_array((size_t)s->threads, sizeof(recommend_scratch *));
    if (s->scores == NULL || s->scratch == NULL) {
        return err_nomem(e, "an evaluation");
    }
    for (int t = 0; t < s->threads; t++) {
        err_code code = recommend_scratch_new(&s->scratch[t], e);
        if (code != ERR_OK) {
            return code;
        }
    }
    err_code code = open_output(&s->per_user, j->a->per_user, e);
    if (code == ERR_OK) {
        code = open_output(&s->topk, j->a->topk, e);
    }
    if (code == ERR_OK && s->per_user != NULL) {
        fprintf(s->per_user, "user");
        for (size_t i = 0; i < j->options.at_count; i++) {
            fprintf(s->per_user, "\tRecall@%u\tNDCG@%u", j->options.at[i], j->options.at[i]);
        }
        fputc('\n', s->per_user);
    }
    return code;
}

static err_code baselines(job *j, err *e)
{
    eval_options o = j->options;
    baseline *popular = NULL, *itemknn = NULL;
    err_code code = baseline_popular_new(&popular, j->d, e);
    if (code == ERR_OK) {
        eval_lister lists = baseline_lister(popular);
        code = eval_run(&j->popular, j->d, &o, &lists, e);
    }
    if (code == ERR_OK) {
        code = baseline_itemknn_new(&itemknn, j->d, j->served.threads, e);
    }
    if (code == ERR_OK) {
        eval_lister lists = baseline_lister(itemknn);
        code = eval_run(&j->itemknn, j->d, &o, &lists, e);
    }
    baseline_free(popular);
    baseline_free(itemknn);
    return code;
}

static err_code measure(job *j, err *e)
{
    eval_options o = j->options;
    o.per_user = per_user;
    o.per_user_ctx = &j->served;
    eval_lister lists = {list, &j->served};
    err_code code = eval_run(&j->stair, j->d, &o, &lists, e);
    if (code == ERR_OK && j->stair.users == 0) {
        code = err_set(e, ERR_NOT_FOUND, "%s: no interaction of the %s split to be found",
                       j->a->store, o.on == EVAL_TEST ? "test" : "validation");
    }
    return code == ERR_OK ? baselines(j, e) : code;
}

static err_code tell(const job *j, err *e)
{
    const char *protocol = eval_protocol_name(j->options.protocol);
    const char *mask = eval_protocol_mask(j->options.protocol, j->options.on);
    const char *on = j->options.on == EVAL_TEST ? "test" : "valid";
    fprintf(stderr, "generation %u on %s: %zu users (%zu dropped), protocol %s, masked: %s\n",
            j->generation, on, j->stair.users, j->stair.dropped, protocol, mask);
    report_judged(stderr, &j->stair);
    if (j->refit && j->options.on == EVAL_VALID) {
        fprintf(stderr,
                "warning: generation %u is a refit: it was trained on the validation interactions, "
                "so these figures say nothing of how good it is\n",
                j->generation);
    }
    report_line(stderr, "stair", &j->stair);
    report_line(stderr, "popular", &j->popular);
    report_line(stderr, "itemknn", &j->itemknn);
    if (!j->a->json) {
        return ERR_OK;
    }
    json_t *out =
        json_pack("{s:I, s:s, s:b, s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "generation",
                  (json_int_t)j->generation, "on", on, "trained_on_valid", j->refit, "protocol",
                  protocol, "mask", mask, "users", (json_int_t)j->stair.users, "users_dropped",
                  (json_int_t)j->stair.dropped, "stair", report_metrics(&j->stair), "popular",
                  report_metrics(&j->popular), "itemknn", report_metrics(&j->itemknn));
    report_judged_json(out, &j->stair);
    err_code code = print_json(out, JSON_REAL_PRECISION(9), "the report", e);
    json_decref(out);
    return code;
}

static void job_fini(job *j)
{
    for (int t = 0; j->served.scratch != NULL && t < j->served.threads; t++) {
        recommend_scratch_free(j->served.scratch[t]);
    }
    mem_free(j->served.scratch);
    mem_free(j->served.scores);
    if (j->held) {
        live_release(j->l, &j->hold);
    }
    if (j->l != NULL) {
        live_free(j->l);
        live_feature_source_fini(&j->features);
    }
    dataset_free(j->d);
    store_close(j->s);
}

static err_code run(const command_call *call, err *e)
{
    job *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        return err_nomem(e, "an evaluation");
    }
    j->a = call->options;
    j->served.threads = train_threads(j->a->threads);
    blas_threads(1);
    err_code code = parse_at(j, call, e);
    if (code == ERR_OK) {
        code = load(j, e);
    }
    if (code == ERR_OK) {
        code = prepare(j, e);
    }
    if (code == ERR_OK) {
        code = measure(j, e);
    }
    err_code closed = close_output(j->served.per_user, j->a->per_user, e);
    code = code == ERR_OK ? closed : code;
    closed = close_output(j->served.topk, j->a->topk, e);
    code = code == ERR_OK ? closed : code;
    if (code == ERR_OK) {
        code = tell(j, e);
    }
    job_fini(j);
    mem_free(j);
    return code;
}

const command cmd_eval = {
    .name = "eval",
    .summary = "Recall and NDCG of a generation beside popular and itemknn",
    .options = table,
    .options_bytes = sizeof(eval_arguments),
    .parallel = true,
    .run = run,
};
