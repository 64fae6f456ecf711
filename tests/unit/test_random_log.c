/* SPDX-License-Identifier: Apache-2.0 */
/* One random log is applied to stores that differ in everything else: quota, configuration, clock,
 * threads, grouping, generations, restarts, and a start from a snapshot. In the end they have the
 * same content and have given the same answers. Dependencies on each of these are planted, and must
 * be found. TORTURE=1 makes the log ten times as long and uses several seeds. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/resources/write.h"
#include "storage/log/message.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/digest.h"
#include "storage/maintenance/recover.h"
#include "storage/maintenance/snapshot.h"
#include "storage/models/model_private.h"
#include "tests/support/random_log.h"
#include "tests/support/store_fixture.h"

enum {
    OPS = 20000,
    OPS_PLANTED = 2500,
    GROUP_MAX = 300,
    GROUP_OPS_MAX = GROUP_MAX * 6,
    OP_KINDS = 12
};

/* The configuration of a store, and how the log is applied to it. */
typedef struct variant {
    const char *name;
    uint64_t quota_bytes, oplog_bytes;
    int64_t oplog_seconds, now;
    size_t group;    /* messages in one transaction */
    size_t restarts; /* restart after this many messages; 0: never */
    bool holds;      /* it has the tables of the generations */
    bool threads;    /* another thread applies, beside readers */
    bool snapshot;   /* continue from a copy made in the middle */
} variant;

static const variant variants[] = {
    {.name = "plain", .group = 1},
    {.name = "grouped by 7, an hour of log", .group = 7, .oplog_seconds = 3600, .now = 1},
    {.name = "grouped by 300, with a quota", .group = GROUP_MAX, .quota_bytes = 8 << 20},
    {.name = "with generations, and a short log", .group = 7, .holds = true, .oplog_bytes = 65536},
    {.name = "restarted", .group = 5, .restarts = 900, .holds = true, .now = 4000000000},
    {.name = "beside readers", .group = 40, .threads = true},
    {.name = "from a snapshot", .group = 30, .snapshot = true, .holds = true},
};

/* --- a run --- */

typedef struct run {
    const variant *v;
    const random_log *log;
    /* planted changes or removes an op by something that must not matter; NULL changes nothing. */
    bool (*planted)(const struct run *r, op *o, size_t nth);
    char folder[TEMP_PATH_MAX], copy[TEMP_PATH_MAX + 16];
    store *s;
    size_t at;             /* index of the next message */
    size_t since_start;    /* messages since the store was opened */
    int64_t group_time;    /* the time of the last op in this transaction */
    uint32_t generation;   /* how many generations have their tables in the store */
    apply_result *results; /* (GROUP_OPS_MAX) */
    checksum128 *answers;
    char answered[CHECKSUM128_TEXT];
    size_t accepted[OP_KINDS], refused[OP_KINDS]; /* counts by kind of op */
    size_t dropped, replayed, other_request;
    store_digest digest;
    /* Of the readers' threads. */
    atomic_bool stop;
    atomic_int wrong;
} run;

static void open_run(run *r, const char *folder)
{
    const variant *v = r->v;
    const store_options options = {.mode = STORE_OWNER,
                                   .create = true,
                                   .no_sync = true,
                                   .keep_lineage = true,
                                   .quota_bytes = v->quota_bytes,
                                   .oplog_bytes = v->oplog_bytes,
                                   .oplog_seconds = v->oplog_seconds,
                                   .now = v->now};
    err e = ERR_INIT;
    if (recover_open(&r->s, folder, &options, &e) != ERR_OK) {
        fail_msg("%s: %s", v->name, e.text);
    }
    r->since_start = 0;
}

static void add_number(run *r, uint64_t value)
{
    checksum128_add(r->answers, &value, sizeof value);
}

static void add_slice(run *r, slice s)
{
    add_number(r, s.at != NULL ? s.length + 1 : 0);
    checksum128_add(r->answers, s.at, s.length);
}

/* note_answer records everything that an answer is made of, except what depends on this store's op
 * log and training. */
static void note_answer(run *r, const apply_result *x)
{
    const uint64_t plain[] = {(uint64_t)x->code,
                              x->seq,
                              x->accepted,
                              x->entry_count,
                              x->receipt.interactions,
                              x->receipt.generations,
                              x->receipt.idempotency,
                              x->dropped,
                              x->replayed,
                              x->status};
    checksum128_add(r->answers, plain, sizeof plain);
    add_slice(r, slice_of(x->detail));
    add_slice(r, x->body);
    for (uint32_t i = 0; i < x->entry_count; i++) {
        const apply_entry *entry = &x->entries[i];
        const uint64_t fields[] = {
            (uint64_t)entry->code, (uint64_t)entry->outcome, entry->row,
            entry->user_row,       entry->removed,           entry->generation};
        checksum128_add(r->answers, fields, sizeof fields);
        add_slice(r, slice_of(entry->detail));
        add_slice(r, entry->field);
    }
}

/* provide_tables writes a generation's tables before the generation is registered, like a store
 * that trained it, if the variant holds generations. */
static void provide_tables(run *r, const op *o)
{
    if (!r->v->holds || o->kind != OP_GENERATION_REGISTER) {
        return;
    }
    generation_id id = random_log_generation(r->generation + 1);
    if (memcmp(id.bytes, o->registration.id, sizeof id.bytes) == 0) {
        random_log_tables(r->s, &id);
        r->generation++;
    }
}

static void count_answer(run *r, const op *o, const apply_result *x)
{
    bool applied = !x->dropped && !x->replayed && x->code != ERR_UNPROCESSABLE;
    r->accepted[o->kind] += applied && x->code == ERR_OK;
    r->refused[o->kind] += applied && x->code != ERR_OK;
    r->dropped += x->dropped;
    r->replayed += x->replayed;
    r->other_request += x->code == ERR_UNPROCESSABLE;
}

typedef struct group {
    message *messages[GROUP_MAX];
    apply_message borrowed[GROUP_MAX];
    char positions[GROUP_MAX][24];
    size_t count, ops;
} group;

static void take_group(run *r, group *g)
{
    size_t end = r->at + r->v->group < r->log->count ? r->at + r->v->group : r->log->count;
    for (g->count = 0; r->at + g->count < end; g->count++) {
        err e = ERR_INIT;
        slice bytes = r->log->messages[r->at + g->count];
        if (message_decode(&g->messages[g->count], bytes, write_render, &e) != ERR_OK) {
            fail_msg("message %zu: %s", r->at + g->count, e.text);
        }
        const message *m = g->messages[g->count];
        r->group_time = m->ops[m->count - 1]->time;
    }
    g->ops = 0;
    for (size_t i = 0; i < g->count; i++) {
        message *m = g->messages[i];
        size_t kept = 0;
        for (size_t k = 0; k < m->count; k++) {
            provide_tables(r, m->ops[k]);
            bool stays = r->planted == NULL || r->planted(r, m->ops[k], r->at + i);
            op *o = m->ops[k];
            m->ops[k] = m->ops[kept];
            m->ops[kept] = o;
            kept += stays;
        }
        snprintf(g->positions[i], sizeof g->positions[i], "%zu", r->at + i + 1);
        g->borrowed[i] = message_borrow(m, slice_of(g->positions[i]));
        g->borrowed[i].count = kept;
        g->ops += kept;
    }
}

static void apply_group_of(run *r)
{
    static group g; /* a megabyte, so static; one run at a time */
    err e = ERR_INIT;
    take_group(r, &g);
    if (apply_messages(r->s, g.borrowed, g.count, r->results, &e) != ERR_OK) {
        fail_msg("%s: message %zu: %s", r->v->name, r->at, e.text);
    }
    for (size_t i = 0, at = 0; i < g.count; i++) {
        for (size_t k = 0; k < g.borrowed[i].count; k++, at++) {
            note_answer(r, &r->results[at]);
            count_answer(r, g.borrowed[i].ops[k], &r->results[at]);
        }
    }
    for (size_t i = 0; i < g.count; i++) {
        message_free(g.messages[i]);
    }
    r->at += g.count;
    r->since_start += g.count;
}

static void apply_until(run *r, size_t end)
{
    while (r->at < end) {
        if (r->v->restarts > 0 && r->since_start >= r->v->restarts) {
            store_close(r->s);
            open_run(r, r->folder);
        }
        if (r->v->holds && r->at % 1000 < r->v->group) {
            uint32_t removed = 0;
            assert_int_equal(generations_discard(r->s, &removed, NULL), ERR_OK);
        }
        apply_group_of(r);
    }
}

static void *apply_all(void *ctx)
{
    run *r = ctx;
    apply_until(r, r->log->count);
    return NULL;
}

static void *read_on(void *ctx)
{
    run *r = ctx;
    while (!atomic_load(&r->stop)) {
        store_digest digest;
        if (digest_read(r->s, NULL, NULL, &digest, NULL) != ERR_OK) {
            atomic_fetch_add(&r->wrong, 1);
        }
    }
    return NULL;
}

static void run_beside_readers(run *r)
{
    pthread_t reader, applier;
    assert_int_equal(pthread_create(&reader, NULL, read_on, r), 0);
    assert_int_equal(pthread_create(&applier, NULL, apply_all, r), 0);
    pthread_join(applier, NULL);
    atomic_store(&r->stop, true);
    pthread_join(reader, NULL);
    assert_int_equal(atomic_load(&r->wrong), 0);
}

static void go_on_from_a_copy(run *r)
{
    snprintf(r->copy, sizeof r->copy, "%s/copy", r->folder);
    assert_int_equal(snapshot_write(r->s, r->copy, NULL, NULL, NULL, NULL, NULL), ERR_OK);
    store_close(r->s);
    open_run(r, r->copy);
}

/* run_log applies the log and keeps the results. */
static void run_log(run *r)
{
    temp_folder(r->folder);
    r->results = calloc(GROUP_OPS_MAX, sizeof *r->results);
    r->answers = checksum128_new();
    assert_true(r->results != NULL && r->answers != NULL);
    for (size_t i = 0; i < GROUP_OPS_MAX; i++) {
        apply_result_init(&r->results[i]);
    }
    open_run(r, r->folder);
    if (r->v->threads) {
        run_beside_readers(r);
    } else {
        apply_until(r, r->v->snapshot ? r->log->count / 2 : r->log->count);
        if (r->v->snapshot) {
            go_on_from_a_copy(r);
        }
        apply_until(r, r->log->count);
    }
    checksum128_text(r->answers, r->answered);
    assert_int_equal(digest_read(r->s, NULL, NULL, &r->digest, NULL), ERR_OK);
}

static void told(void *ctx, const char *text)
{
    fprintf(stderr, "%s: %s\n", (const char *)ctx, text);
}

static void end_run(run *r, bool check)
{
    const check_options options = {.problem = told, .ctx = (void *)(uintptr_t)r->v->name};
    check_report report = {0};
    if (check) {
        uint32_t removed = 0;
        assert_int_equal(generations_discard(r->s, &removed, NULL), ERR_OK);
        assert_int_equal(check_run(r->s, &options, &report, NULL), ERR_OK);
        assert_int_equal(report.problems, 0);
    }
    for (size_t i = 0; i < GROUP_OPS_MAX; i++) {
        apply_result_fini(&r->results[i]);
    }
    free(r->results);
    checksum128_free(r->answers);
    store_close(r->s);
    temp_remove(r->folder);
}

static bool same(const run *a, const run *b)
{
    return strcmp(a->digest.hash, b->digest.hash) == 0 && a->digest.seq == b->digest.seq &&
           strcmp(a->digest.position, b->digest.position) == 0 &&
           strcmp(a->answered, b->answered) == 0;
}

/* --- the tests --- */

static bool torture(void)
{
    return getenv("TORTURE") != NULL;
}

/* check_variety asserts that every kind of op occurs in the log, and that every kind is sometimes
 * refused. */
static void check_variety(const run *r)
{
    for (int kind = OP_ITEMS_CREATE; kind < OP_KINDS; kind++) {
        bool never_refused = kind == OP_GENERATION_PRUNE || kind == OP_ITEMS_PUT;
        if (r->accepted[kind] < 20 || (r->refused[kind] < 5 && !never_refused)) {
            fail_msg("ops of kind %d: %zu accepted, %zu refused", kind, r->accepted[kind],
                     r->refused[kind]);
        }
    }
    assert_true(r->dropped > 100 && r->replayed > 100 && r->other_request > 100);
}

static void the_log_alone_decides(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (torture() ? 5U : 1U); seed++) {
        random_log log;
        run first = {.v = &variants[0], .log = &log};
        random_log_new(&log, seed, torture() ? 10 * OPS : OPS);
        run_log(&first);
        check_variety(&first);
        for (size_t i = 1; i < sizeof variants / sizeof variants[0]; i++) {
            run other = {.v = &variants[i], .log = &log};
            run_log(&other);
            if (!same(&first, &other)) {
                fail_msg("%s: %s %llu %s %s, plain: %s %llu %s %s", other.v->name,
                         other.digest.position, (unsigned long long)other.digest.seq,
                         other.digest.hash, other.answered, first.digest.position,
                         (unsigned long long)first.digest.seq, first.digest.hash, first.answered);
            }
            end_run(&other, true);
        }
        end_run(&first, true);
        random_log_free(&log);
    }
}

/* by_quota plants a dependency on the quota: a store with one skips some ops. */
static bool by_quota(const run *r, op *o, size_t nth)
{
    return r->v->quota_bytes == 0 || o->kind != OP_INTERACTIONS_ADD || nth % 500 != 0;
}

static bool by_clock(const run *r, op *o, size_t nth)
{
    (void)nth;
    if (r->v->now != 0 && o->idempotency_key.at != NULL) {
        o->time = r->v->now;
    }
    return true;
}

/* by_configuration plants a dependency on the size of the op log, as if it removed stored
 * answers. */
static bool by_configuration(const run *r, op *o, size_t nth)
{
    if (r->v->oplog_bytes != 0 && nth % 50 == 0) {
        o->idempotency_key = (slice){NULL, 0};
    }
    return true;
}

static bool by_grouping(const run *r, op *o, size_t nth)
{
    (void)nth;
    o->time = r->group_time;
    return true;
}

static bool by_threads(const run *r, op *o, size_t nth)
{
    return !r->v->threads || o->kind != OP_ITEMS_PATCH || nth % 100 != 0;
}

/* by_generations plants a dependency on the generations whose tables are in the store. */
static bool by_generations(const run *r, op *o, size_t nth)
{
    bool held = false;
    store_read *read = NULL;
    (void)nth;
    if (o->kind == OP_GENERATION_ACTIVATE && o->generation != 0) {
        assert_int_equal(store_read_begin(r->s, &read, NULL), ERR_OK);
        assert_int_equal(generation_held(read, o->generation, &held, NULL), ERR_OK);
        store_read_end(read);
        return held;
    }
    return true;
}

static bool by_restarts(const run *r, op *o, size_t nth)
{
    (void)o;
    (void)nth;
    return r->v->restarts == 0 || r->since_start > 3;
}

static bool by_the_snapshot(const run *r, op *o, size_t nth)
{
    (void)o;
    return !r->v->snapshot || nth != r->log->count / 2;
}

typedef struct plant {
    const char *what;
    bool (*planted)(const run *r, op *o, size_t nth);
    size_t variant;
} plant;

static const plant plants[] = {
    {"quota", by_quota, 2},
    {"clock", by_clock, 1},
    {"configuration", by_configuration, 3},
    {"grouping", by_grouping, 1},
    {"threads", by_threads, 5},
    {"generations", by_generations, 3},
    {"restarts", by_restarts, 4},
    {"snapshot", by_the_snapshot, 6},
};

static void a_planted_dependence_is_found(void **state)
{
    random_log log;
    (void)state;
    random_log_new(&log, 9, OPS_PLANTED);
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        const plant *p = &plants[i];
        run first = {.v = &variants[0], .log = &log, .planted = p->planted};
        run other = {.v = &variants[p->variant], .log = &log, .planted = p->planted};
        run_log(&first);
        run_log(&other);
        if (same(&first, &other)) {
            fail_msg("a dependence on %s was not found", p->what);
        }
        end_run(&other, false);
        end_run(&first, false);
    }
    random_log_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_alone_decides),
        cmocka_unit_test(a_planted_dependence_is_found),
    };
    return cmocka_run_group_tests_name("random log", tests, NULL, NULL);
}
