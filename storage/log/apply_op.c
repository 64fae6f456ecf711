/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_op: applies one op inside a transaction: the check for a replay of its key, its entries,
 * the log entry, the record of its answer and seq.
 *
 * Every check that can refuse an entry comes before the entry writes. An error during writing (a
 * full map, no memory, a damaged page) ends the transaction, which apply.c aborts.
 */
#include <stdio.h>
#include <string.h>

#include "core/common/sort.h"
#include "core/common/types.h"
#include "storage/log/log_private.h"

static err_code apply_entries(applying *x, err *e)
{
    apply_result *result = x->result;
    uint32_t count = x->o->count > 0 ? x->o->count : 1;
    result->entries = arena_alloc(&result->memory, count, sizeof *result->entries);
    x->users = arena_alloc(&result->memory, count, sizeof *x->users);
    if (result->entries == NULL || x->users == NULL) {
        return err_nomem(e, "results");
    }
    result->entry_count = count;
    for (uint32_t i = 0; i < count; i++) {
        result->entries[i].row = result->entries[i].user_row = ROW_NONE;
    }
    switch (x->o->kind) {
    case OP_ITEMS_CREATE:
    case OP_ITEMS_PUT:
    case OP_ITEMS_PATCH:
    case OP_ITEMS_DELETE: return apply_items(x, e);
    case OP_INTERACTIONS_ADD:
    case OP_INTERACTIONS_REMOVE: return apply_interactions(x, e);
    case OP_USER_ERASE: return apply_erase(x, e);
    case OP_GENERATION_ACTIVATE:
    case OP_GENERATION_REGISTER:
    case OP_GENERATION_PRUNE: return apply_generation(x, e);
    case OP_ITEMS_ENCODED: return apply_encoded(x, e);
    }
    return err_set(e, ERR_INTERNAL, "a write of unknown kind %d", (int)x->o->kind);
}

/* judge sets the op's code: ERR_OK if any entry was accepted, otherwise the code that the entries
 * share. */
static void judge(applying *x)
{
    apply_result *result = x->result;
    const apply_entry *first_refused = NULL;
    bool alike = true;
    for (uint32_t i = 0; i < result->entry_count; i++) {
        const apply_entry *entry = &result->entries[i];
        if (entry->code == ERR_OK) {
            result->accepted++;
        } else if (first_refused == NULL) {
            first_refused = entry;
        } else if (first_refused->code != entry->code) {
            alike = false;
        }
    }
    if (result->accepted == 0 && first_refused != NULL) {
        result->code = alike ? first_refused->code : ERR_INVALID;
        snprintf(result->detail, sizeof result->detail, "%s",
                 result->entry_count == 1 ? first_refused->detail : "every entry was refused");
    }
}

/* keep_accepted leaves refused entries out of the log: they changed nothing, and may name users who
 * do not exist here. */
static err_code keep_accepted(applying *x, op *logged, err *e)
{
    const apply_result *result = x->result;
    if (result->accepted == result->entry_count || logged->count == 0) {
        return ERR_OK;
    }
    bool of_items = logged->items != NULL;
    size_t size = of_items ? sizeof(op_item) : sizeof(op_interaction);
    const char *from = of_items ? (const void *)logged->items : (const void *)logged->interactions;
    char *kept = arena_alloc(&x->result->memory, result->accepted, size);
    if (kept == NULL) {
        return err_nomem(e, "the log entry");
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < result->entry_count; i++) {
        if (result->entries[i].code == ERR_OK) {
            memcpy(kept + size * count++, from + size * i, size);
        }
    }
    logged->items = of_items ? (const void *)kept : NULL;
    logged->interactions = of_items ? NULL : (const void *)kept;
    logged->count = count;
    return ERR_OK;
}

static err_code log_op(applying *x, uint32_t user_rows, uint32_t item_rows, err *e)
{
    op logged = *x->o;
    logged.idempotency_key = (slice){NULL, 0}; /* the answer is stored, and erased, elsewhere */
    if (logged.kind == OP_USER_ERASE) {
        logged.user.at = NULL; /* the log must not keep the name that this op erases */
        logged.user.length = 0;
        logged.user_row = x->result->entries[0].user_row;
    }
    encoder bytes;
    encoder_init(&bytes, OP_BYTES_MAX);
    err_code code = keep_accepted(x, &logged, e);
    op_write(&logged, &bytes);
    if (code == ERR_OK) {
        code = encoder_check(&bytes, "write", e);
    }
    oplog_entry entry = {.seq = x->seq,
                         .time = x->w->state.clock,
                         .user_rows = user_rows,
                         .item_rows = item_rows,
                         .op = encoder_slice(&bytes)};
    if (code == ERR_OK) {
        code = oplog_put(x->w, &entry, &x->scratch, e);
    }
    encoder_fini(&bytes);
    return code;
}

static int compare_rows(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* keep_answer builds and stores the answer, in the same transaction as the write. Refusals are
 * stored too: a repeat must get the first answer, whatever has changed since. */
static err_code keep_answer(applying *x, err *e)
{
    const op *o = x->o;
    apply_result *result = x->result;
    if (o->idempotency_key.at == NULL) {
        return ERR_OK;
    }
    if (o->render != NULL) {
        err_code code = o->render(o, result, &result->memory, &result->status, &result->body, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    uint32_t unique = 0;
    if (x->user_count > 1) {
        sort_array(x->users, x->user_count, sizeof *x->users, compare_rows);
    }
    for (uint32_t i = 0; i < x->user_count; i++) {
        if (unique == 0 || x->users[unique - 1] != x->users[i]) {
            x->users[unique++] = x->users[i];
        }
    }
    for (uint32_t i = 0; i < unique; i++) {
        uint32_t row = x->users[i];
        put_be32((unsigned char *)&x->users[i], row);
    }
    slice empty = {"", 0};
    idempotency_record record = {.time = x->w->state.clock,
                                 .hash = o->idempotency_hash,
                                 .users = (const unsigned char *)x->users,
                                 .user_count = unique,
                                 .seq = result->seq,
                                 .status = result->status,
                                 .body = result->body.at != NULL ? result->body : empty};
    return idempotency_put(x->w, o->idempotency_key, &record, &x->scratch, e);
}

/* replay answers an op whose key was used before. *done tells whether it was. */
static err_code replay(applying *x, bool *done, err *e)
{
    const op *o = x->o;
    apply_result *result = x->result;
    idempotency_record record;
    *done = false;
    if (o->idempotency_key.at == NULL) {
        return ERR_OK;
    }
    err_code code = idempotency_get(x->r, o->idempotency_key, &result->memory, &record, e);
    if (code == ERR_NOT_FOUND ||
        (code == ERR_OK && idempotency_expired(x->w->state.clock, o->time, record.time))) {
        return ERR_OK;
    }
    if (code != ERR_OK) {
        return code;
    }
    *done = true;
    if (memcmp(record.hash, o->idempotency_hash, IDEMPOTENCY_HASH_BYTES) != 0) {
        result->code = ERR_UNPROCESSABLE;
        snprintf(result->detail, sizeof result->detail,
                 "this Idempotency-Key was used before with another request");
        result->seq = x->w->state.info.seq;
        return ERR_OK;
    }
    if (record.body.at == NULL) {
        result->code = ERR_NOT_FOUND;
        snprintf(result->detail, sizeof result->detail,
                 "the answer stored for this Idempotency-Key was erased together with its user; "
                 "nothing was written");
        result->seq = x->w->state.info.seq;
        return ERR_OK;
    }
    result->replayed = true;
    result->status = record.status;
    result->body = record.body;
    result->seq = record.seq;
    return ERR_OK;
}

/* believed_time limits the clock of an op. A node whose clock is a year ahead must not expire the
 * keys of the others. An op moves the store's clock at most to the time that other nodes confirm,
 * or else by one second, so that the keys of a node that writes alone still expire. */
static int64_t believed_time(const store_write *w, int64_t time)
{
    int64_t most = w->time_most > w->state.clock ? w->time_most : w->state.clock + 1;
    return time < most ? time : most;
}

err_code apply_op(store_write *w, const op *o, apply_result *result, err *e)
{
    applying x = {.w = w, .r = &w->reads, .o = o, .result = result};
    bool replayed = false;
    store_info *info = &w->state.info;
    uint32_t user_rows = info->user_rows, item_rows = info->item_rows;
    encoder_init(&x.scratch, OP_BYTES_MAX + 1024);
    x.seq = info->seq + 1;
    w->state.clock = idempotency_clock(w->state.clock, believed_time(w, o->time));
    err_code code = replay(&x, &replayed, e);
    if (code != ERR_OK || replayed) {
        goto done;
    }
    code = apply_entries(&x, e);
    if (code != ERR_OK) {
        goto done;
    }
    judge(&x);
    if (result->accepted > 0) {
        code = log_op(&x, user_rows, item_rows, e);
        info->seq = x.seq;
        if (!op_about_generations(o->kind)) {
            info->data_seq = x.seq;
        }
        result->changes.items = x.changes;
        result->changes.count = x.change_count;
        result->changes.seq = x.seq;
    }
    result->seq = info->seq;
    if (code == ERR_OK) {
        code = keep_answer(&x, e);
    }
done:
    if (code == ERR_OK) {
        code = idempotency_trim(w, e);
    }
    encoder_fini(&x.scratch);
    return code;
}
