/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_links: the second half of `stair check`: the log, the idempotency records, the generations,
 * and remaining traces of an erased user.
 */
#include <string.h>

#include "core/common/mem.h"
#include "storage/maintenance/check_private.h"
#include "storage/models/blobs.h"
#include "storage/models/checkpoint_file.h"

/* --- log --- */

static err_code log_record(checking *c, slice key, slice value, err *e)
{
    oplog_entry entry;
    op *decoded = NULL;
    err why = ERR_INIT;
    if (key.length != 8) {
        check_problem(c, "log: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    uint64_t seq = get_be64(key.at);
    c->log_bytes += value.length;
    c->report->log_entries++;
    if (seq > c->state.info.seq || (c->last_seq > 0 && seq <= c->last_seq)) {
        check_problem(c, "log entry %llu: beyond the last write, %llu", (unsigned long long)seq,
                      (unsigned long long)c->state.info.seq);
    }
    c->last_seq = seq;
    err_code code = oplog_decode(&entry, seq, value, &why);
    if (code == ERR_OK) {
        code = op_decode(&decoded, entry.op, &why);
    }
    op_free(decoded);
    if (code == ERR_CORRUPT) {
        err_context(&why, "log entry %llu", (unsigned long long)seq);
    }
    (void)check_decoded(c, &code, &why, e);
    return code;
}

err_code check_log(checking *c, err *e)
{
    err_code code = check_walk(c, DB_OPLOG, log_record, e);
    if (code == ERR_OK && c->log_bytes != c->state.oplog_bytes) {
        check_problem(c, "the log has %llu bytes, but the state says %llu",
                      (unsigned long long)c->log_bytes, (unsigned long long)c->state.oplog_bytes);
    }
    return code;
}

/* --- idempotency records --- */

static err_code idempotency_entry(checking *c, slice key, slice value, err *e)
{
    idempotency_record record;
    err why = ERR_INIT;
    unsigned char time_key[8 + IDEMPOTENCY_KEY_BYTES_MAX];
    slice found, k = {(const char *)time_key, 8 + key.length};
    c->report->idempotency_records++;
    err_code code = idempotency_decode(&record, value, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (key.length > IDEMPOTENCY_KEY_BYTES_MAX) {
        check_problem(c, "idempotency record: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    put_be64(time_key, (uint64_t)record.time);
    memcpy(time_key + 8, key.at, key.length);
    code = schema_get(c->r, DB_IDEM_TIMES, k, &found, e);
    if (code == ERR_NOT_FOUND) {
        check_problem(c, "an idempotency record would never expire");
        code = ERR_OK;
    }
    return code;
}

static err_code publisher_entry(checking *c, slice key, slice value, err *e)
{
    publisher_record record;
    err why = ERR_INIT;
    if (key.length != PUBLISHER_BYTES) {
        check_problem(c, "publishers: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    err_code code = publisher_decode(&record, value, &why);
    (void)check_decoded(c, &code, &why, e);
    return code;
}

err_code check_idempotency(checking *c, err *e)
{
    MDB_stat stat;
    err_code code = check_walk(c, DB_PUBLISHERS, publisher_entry, e);
    if (code == ERR_OK) {
        code = check_walk(c, DB_IDEMPOTENCY, idempotency_entry, e);
    }
    if (code == ERR_OK && mdb_stat(c->r->txn, c->s->dbi[DB_IDEM_TIMES], &stat) == 0 &&
        stat.ms_entries != c->report->idempotency_records) {
        check_problem(c, "%llu idempotency records, but %zu times of them",
                      (unsigned long long)c->report->idempotency_records, (size_t)stat.ms_entries);
    }
    return code;
}

/* --- generations --- */

static err_code erased_rows(const checking *c, uint32_t users, uint32_t **out, size_t *count,
                            err *e)
{
    *count = 0;
    *out = mem_array((size_t)users, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the check");
    }
    for (uint32_t row = 0; row < users; row++) {
        if (!bits_test(c->user_rows, row)) {
            (*out)[(*count)++] = row;
        }
    }
    return ERR_OK;
}

/* check_tables reads the tables of a finished generation and compares them with its record. */
static err_code check_tables(checking *c, const generation_info *info, err *e)
{
    err why = ERR_INIT;
    uint32_t *rows = NULL;
    size_t count = 0;
    bool left = false;
    unsigned char sum[SHA256_BYTES];
    char name[GENERATION_ID_TEXT];
    uint32_t users = info->users < c->state.info.user_rows ? info->users : c->state.info.user_rows;
    generation_id_text(&info->id, name);
    err_code code = blobs_verify(c->r, &info->id, &why);
    code = code == ERR_CORRUPT ? err_context(&why, "generation %s", name) : code;
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    code = generation_sum_read(c->r, &info->id, sum, e);
    if (code == ERR_OK && memcmp(sum, info->sha256, sizeof sum) != 0) {
        check_problem(c, "generation %s: the SHA-256 does not match its tables", name);
    }
    if (code == ERR_OK) {
        code = erased_rows(c, users, &rows, &count, e);
    }
    if (code == ERR_OK && count > 0) {
        code = blobs_users_left(c->r, &info->id, rows, count, &left, e);
    }
    if (left) {
        check_problem(c, "generation %s: the row of an erased user is not empty", name);
    }
    mem_free(rows);
    return code;
}

static err_code generation_record_check(checking *c, slice key, slice value, err *e)
{
    generation_info info, held;
    err why = ERR_INIT;
    if (key.length != 4) {
        check_problem(c, "generations: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    uint32_t number = get_be32(key.at);
    c->report->generations++;
    err_code code = generation_decode(&info, value, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (number >= c->state.next_generation) {
        check_problem(c, "generation %u was never given out", number);
    }
    if (info.state != GENERATION_REGISTERED) {
        check_problem(c, "generation %u: state %d of a registered one", number, (int)info.state);
    }
    why = (err)ERR_INIT;
    code = held_borrow(c->r, &info.id, &held, &why);
    if (code == ERR_OK && held.state == GENERATION_REGISTERED &&
        memcmp(held.sha256, info.sha256, sizeof held.sha256) != 0) {
        check_problem(c, "generation %u: its tables are not those that were registered", number);
    }
    if (code == ERR_OK && held.state == GENERATION_READY) {
        check_problem(c, "generation %u: its tables wait for a number", number);
    }
    /* already reported with the tables */
    return code == ERR_NOT_FOUND || code == ERR_CORRUPT ? ERR_OK
           : code == ERR_OK                             ? code
                                                        : err_set(e, code, "%s", why.text);
}

static err_code held_record_check(checking *c, slice key, slice value, err *e)
{
    generation_info info;
    err why = ERR_INIT;
    err_code code = generation_decode(&info, value, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (key.length != GENERATION_ID_BYTES ||
        memcmp(key.at, info.id.bytes, GENERATION_ID_BYTES) != 0) {
        check_problem(c, "held: a key that is not the UUID of its record");
        return ERR_OK;
    }
    if (info.state == GENERATION_BUILDING) {
        c->report->unfinished_generations++;
        return ERR_OK;
    }
    return check_tables(c, &info, e);
}

static err_code blob_key_check(checking *c, slice key, slice value, err *e)
{
    slice found;
    if (key.length < GENERATION_ID_BYTES + 2) {
        check_problem(c, "blobs: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    if (!blob_key_is_piece(key) && !seal_holds(value)) {
        check_problem(c, "the checksum of a table's record does not match its content");
    }
    err_code code = schema_get(c->r, DB_HELD, (slice){key.at, GENERATION_ID_BYTES}, &found, e);
    if (code == ERR_NOT_FOUND) {
        generation_id id;
        char name[GENERATION_ID_TEXT];
        memcpy(id.bytes, key.at, GENERATION_ID_BYTES);
        generation_id_text(&id, name);
        check_problem(c, "a table of generation %s, which does not exist", name);
        code = ERR_OK;
    }
    return code;
}

err_code check_generations(checking *c, err *e)
{
    unsigned char key[4];
    slice found, k = {(const char *)key, 4};
    uint32_t active = c->state.info.generation;
    err_code code = check_walk(c, DB_GENERATIONS, generation_record_check, e);
    if (code == ERR_OK) {
        code = check_walk(c, DB_HELD, held_record_check, e);
    }
    if (code == ERR_OK) {
        code = check_walk(c, DB_BLOBS, blob_key_check, e);
    }
    if (code == ERR_OK && active != 0) {
        put_be32(key, active);
        code = schema_get(c->r, DB_GENERATIONS, k, &found, e);
        if (code == ERR_NOT_FOUND) {
            check_problem(c, "generation %u is active and does not exist", active);
            code = ERR_OK;
        }
    }
    return code;
}

/* --- a user --- */

static bool holds_user(const checking *c, slice bytes)
{
    return bytes.length > 0 && memmem(bytes.at, bytes.length, c->user.at, c->user.length) != NULL;
}

static err_code user_in_record(checking *c, slice key, slice value, err *e)
{
    stored_user u;
    (void)e;
    if (key.length == 4 && user_decode(&u, get_be32(key.at), value, NULL) == ERR_OK &&
        slice_equal(u.id, c->user)) {
        check_problem(c, "the record of user row %u", u.row);
    }
    return ERR_OK;
}

static err_code user_in_log(checking *c, slice key, slice value, err *e)
{
    oplog_entry entry;
    op *o = NULL;
    uint64_t seq = key.length == 8 ? get_be64(key.at) : 0;
    if (!holds_user(c, value) || oplog_decode(&entry, seq, value, NULL) != ERR_OK) {
        return ERR_OK;
    }
    err_code code = op_decode(&o, entry.op, NULL);
    if (code != ERR_OK) {
        op_free(o);
        return code == ERR_NOMEM ? err_nomem(e, "the check") : ERR_OK;
    }
    bool names = slice_equal(o->user, c->user) && o->user.at != NULL;
    for (uint32_t i = 0; i < o->count && o->interactions != NULL && !names; i++) {
        names = slice_equal(o->interactions[i].user, c->user);
    }
    if (names) {
        check_problem(c, "log entry %llu", (unsigned long long)seq);
    }
    op_free(o);
    return ERR_OK;
}

static err_code user_in_answer(checking *c, slice key, slice value, err *e)
{
    idempotency_record record;
    uint32_t row = 0;
    bool names = false;
    (void)e;
    if (idempotency_decode(&record, value, NULL) != ERR_OK) {
        return ERR_OK;
    }
    names = record.body.length > 0 &&
            memmem(record.body.at, record.body.length, c->quoted, c->quoted_length) != NULL;
    bool exists = user_find(c->r, c->user, &row, NULL) == ERR_OK;
    for (uint32_t i = 0; exists && !names && i < record.user_count; i++) {
        names = get_be32(record.users + (size_t)4 * i) == row;
    }
    if (names) {
        check_problem(c, "the kept answer of Idempotency-Key %.*s", (int)key.length, key.at);
    }
    return ERR_OK;
}

static err_code count_one(void *ctx, const interaction *x, err *e)
{
    uint64_t *count = ctx;
    (void)x;
    (void)e;
    (*count)++;
    return ERR_OK;
}

static err_code user_rows(checking *c, uint32_t row, err *e)
{
    uint64_t interactions = 0;
    generation_info *list = NULL;
    size_t count = 0;
    err_code code = interactions_of_user(c->r, row, 0, count_one, &interactions, e);
    if (interactions > 0) {
        check_problem(c, "%llu interactions of user row %u", (unsigned long long)interactions, row);
    }
    if (code == ERR_OK) {
        code = held_list(c->r, &list, &count, e);
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        bool left = false;
        if (row < list[i].users) {
            code = blobs_users_left(c->r, &list[i].id, &row, 1, &left, e);
        }
        if (left) {
            char name[GENERATION_ID_TEXT];
            generation_id_text(&list[i].id, name);
            check_problem(c, "row %u of generation %s", row, name);
        }
    }
    mem_free(list);
    return code;
}

err_code check_user(store *s, slice user, const check_options *options, uint64_t *places, err *e)
{
    checking c;
    check_report report;
    uint32_t row = 0;
    *places = 0;
    if (user.length == 0 || user.length > ID_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "a user id of %zu bytes, expected 1 to %d", user.length,
                       ID_BYTES_MAX);
    }
    err_code code = check_begin(&c, s, options, &report, e);
    c.user = user;
    c.quoted_length = idempotency_quote(user, c.quoted);
    if (code == ERR_OK) {
        code = check_walk(&c, DB_USERS, user_in_record, e);
    }
    if (code == ERR_OK && user_find(c.r, user, &row, NULL) == ERR_OK) {
        check_problem(&c, "the id map: row %u", row);
        code = user_rows(&c, row, e);
        if (code == ERR_OK && checkpoint_file_exists(s)) {
            check_problem(&c, "the training checkpoint, perhaps");
        }
    }
    if (code == ERR_OK) {
        code = check_walk(&c, DB_OPLOG, user_in_log, e);
    }
    if (code == ERR_OK) {
        code = check_walk(&c, DB_IDEMPOTENCY, user_in_answer, e);
    }
    *places = report.problems;
    check_end(&c);
    return code;
}
