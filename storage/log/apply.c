/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: applies ops in transactions: the messages of a log, and groups of this machine's own ops.
 *
 * The ops of a group are applied in order in one transaction, so a later op sees the effect of an
 * earlier one. If an op fails while it writes, the transaction fails and with it the whole group.
 * If a group of this machine's own ops does not fit into the store, its ops are then tried one by
 * one.
 */
#include "storage/log/apply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/log/log_private.h"
#include "storage/models/checkpoint_file.h"

void apply_result_init(apply_result *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->memory, APPLY_RESULT_BYTES_MAX);
}

void apply_result_fini(apply_result *r)
{
    arena_fini(&r->memory);
    memset(r, 0, sizeof *r);
}

static void clear_result(apply_result *r)
{
    apply_result_fini(r);
    apply_result_init(r);
}

/* --- messages --- */

static void fail_result(apply_result *result, err_code code, const char *text)
{
    clear_result(result);
    result->code = code;
    snprintf(result->detail, sizeof result->detail, "%s", text);
}

static err_code apply_message_in(store_write *w, const apply_message *m, apply_result *results,
                                 err *e)
{
    bool repeat = false;
    assert(m->position.length <= EXTERNAL_POSITION_MAX);
    if (m->publisher == NULL && m->count > 0 && w->state.info.external[0] != '\0') {
        return err_set(e, ERR_CONFLICT,
                       "this store belongs to a cluster: only a running node can write to it");
    }
    w->time_most = INT64_MAX;
    err_code code = m->publisher != NULL ? publisher_note(w, m, &repeat, e) : ERR_OK;
    for (size_t i = 0; i < m->count && code == ERR_OK; i++) {
        if (repeat) {
            fail_result(&results[i], ERR_CONFLICT, "the message was applied before");
            results[i].dropped = true;
        } else {
            clear_result(&results[i]);
            code = apply_op(w, m->ops[i], &results[i], e);
        }
    }
    if (m->position.at != NULL) {
        memset(w->state.info.external, 0, sizeof w->state.info.external);
        memcpy(w->state.info.external, m->position.at, m->position.length);
    }
    return code;
}

static err_code attempt(store *s, const apply_message *messages, size_t count,
                        apply_result *results, err *e)
{
    store_write *w = NULL;
    err_code code = store_write_begin(s, &w, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t ops = 0;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        code = apply_message_in(w, &messages[i], results + ops, e);
        ops += messages[i].count;
    }
    /* the limits of the log are this machine's own, so nodes may keep logs of different length */
    code = code == ERR_OK ? oplog_trim(w, ops, e) : code;
    if (code != ERR_OK) {
        store_write_abort(w);
        return code;
    }
    return store_write_commit(w, e);
}

/* after_commit does the part of an erasure that lies outside the transaction. After a kill, the
 * sweep at open does it: it knows the seq of the last erasure. */
static void after_commit(store *s, const op *const *ops, size_t count, apply_result *results)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind == OP_USER_ERASE && results[i].code == ERR_OK && !results[i].replayed) {
            apply_receipt *receipt = &results[i].receipt;
            receipt->checkpoint = checkpoint_file_exists(s);
            receipt->training = store_train_running(s);
            if (checkpoint_file_remove(s, NULL) != ERR_OK) {
                receipt->checkpoint = false;
            }
        }
    }
}

static void fail_all(apply_result *results, size_t count, err_code code, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        fail_result(&results[i], code, text);
    }
}

err_code apply_messages(store *s, const apply_message *messages, size_t count,
                        apply_result *results, err *e)
{
    err why = ERR_INIT;
    err_code code = attempt(s, messages, count, results, &why);
    for (size_t i = 0; i < count; i++) {
        const apply_message *m = &messages[i];
        if (code == ERR_OK) {
            after_commit(s, m->ops, m->count, results);
        } else {
            fail_all(results, m->count, code, why.text);
        }
        results += m->count;
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}

/* --- a group of this machine's own --- */

/* quota_need estimates how much of the quota an op takes. Deletions use the reserve beyond the
 * quota. */
static uint64_t quota_need(const op *o)
{
    bool adds = o->kind == OP_ITEMS_CREATE || o->kind == OP_ITEMS_PUT ||
                o->kind == OP_ITEMS_PATCH || o->kind == OP_INTERACTIONS_ADD;
    return adds ? 2 * (uint64_t)o->memory.used + QUOTA_OP_BYTES : 0;
}

/* quota_check refuses ops for which the quota, or its reserve for deletions, has no room. It runs
 * at admission, before the transaction: every node applies what a log has accepted, whatever its
 * own quota. */
static err_code quota_check(store *s, const op *const *ops, size_t count, err *e)
{
    uint64_t need = 0;
    bool deletes = false;
    for (size_t i = 0; i < count; i++) {
        need += quota_need(ops[i]);
        deletes = deletes || quota_need(ops[i]) == 0;
    }
    uint64_t room = store_quota_room(s, need);
    if (need > room) {
        return err_set(e, ERR_FULL, "the store's quota is used up");
    }
    return deletes && room == 0 && store_reserve_room(s) == 0
               ? err_set(e, ERR_FULL, "the store's quota and its reserve for deletions are used up")
               : ERR_OK;
}

err_code apply_admit(store *s, const op *o, uint64_t pending, uint64_t *bytes, err *e)
{
    *bytes = quota_need(o);
    if (*bytes == 0) {
        return quota_check(s, &o, 1, e);
    }
    uint64_t need = pending + *bytes;
    return store_quota_room(s, need) < need ? err_set(e, ERR_FULL, "the store's quota is used up")
                                            : ERR_OK;
}

static err_code attempt_ops(store *s, const op *const *ops, size_t count, apply_result *results,
                            err *e)
{
    const apply_message group = {.ops = ops, .count = count};
    err_code code = quota_check(s, ops, count, e);
    if (code == ERR_OK) {
        code = attempt(s, &group, 1, results, e);
    }
    if (code == ERR_OK) {
        after_commit(s, ops, count, results);
    }
    return code;
}

/* make_room trims the log if the store is full, so that the next transaction has its pages. */
static bool make_room(store *s)
{
    store_write *w = NULL;
    bool cut = false;
    if (store_write_begin(s, &w, NULL) != ERR_OK) {
        return false;
    }
    if (oplog_cut(w, &cut, NULL) != ERR_OK || !cut) {
        store_write_abort(w);
        return false;
    }
    return store_write_commit(w, NULL) == ERR_OK;
}

static err_code attempt_alone(store *s, const op *o, apply_result *result, err *e)
{
    err why = ERR_INIT;
    err_code code = attempt_ops(s, &o, 1, result, &why);
    if (code == ERR_FULL && make_room(s)) {
        why = (err)ERR_INIT;
        code = attempt_ops(s, &o, 1, result, &why);
    }
    return code == ERR_OK ? code : err_set(e, code, "%s", why.text);
}

static bool local_failure(err_code code)
{
    return code == ERR_FULL || code == ERR_NOMEM || code == ERR_TOO_LARGE;
}

err_code apply_group(store *s, const op *const *ops, size_t count, apply_result *results, err *e)
{
    err first = ERR_INIT;
    err_code code = attempt_ops(s, ops, count, results, &first);
    if (code == ERR_FULL && store_reader_check(s) > 0) {
        code = attempt_ops(s, ops, count, results, &first); /* a process that died held pages */
    }
    bool alone = local_failure(code);
    for (size_t i = 0; alone && i < count; i++) {
        err why = ERR_INIT;
        code = attempt_alone(s, ops[i], &results[i], &why);
        if (code == ERR_OK) {
            continue;
        }
        fail_result(&results[i], code, why.text);
        if (!local_failure(code)) {
            fail_all(results + i + 1, count - i - 1,
                     code == ERR_OUTCOME_UNKNOWN ? ERR_UNAVAILABLE : code, why.text);
            return err_set(e, code, "%s", why.text);
        }
        code = ERR_OK;
    }
    if (code == ERR_OK) {
        return ERR_OK;
    }
    fail_all(results, count, code, first.text);
    return err_set(e, code, "%s", first.text);
}

err_code apply_one(store *s, const op *o, apply_result *result, err *e)
{
    err_code code = apply_group(s, &o, 1, result, e);
    if (code == ERR_OK && result->code != ERR_OK) {
        code = err_set(e, result->code, "%s", result->detail);
    }
    return code;
}
