/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erase: removes a user from everything in this store.
 *
 * One transaction removes the record, the id, all interactions on both sides, the user's row in
 * every table of every generation, the user's entries in the op log, and what idempotency records
 * say about the user. The row number is never used again. After the commit, apply.c removes the
 * training checkpoint.
 *
 * A training that is running has the user's data in memory. generation_finish zeroes the rows of
 * users who were erased meanwhile, and checkpoint_file_put refuses checkpoints that are older than
 * the last erasure.
 *
 * An erasure does not reach snapshots and exports made before. Freed pages of data.mdb keep their
 * bytes until they are reused or the store is compacted.
 */
#include <string.h>

#include "core/common/types.h"
#include "storage/log/log_private.h"
#include "storage/models/model_private.h"
#include "storage/records/records.h"

typedef struct edges_of_user {
    interaction *list;
    size_t count, room;
    arena *memory;
} edges_of_user;

static err_code collect(void *ctx, const interaction *edge, err *e)
{
    edges_of_user *edges = ctx;
    interaction *list =
        arena_reserve(edges->memory, edges->list, &edges->room, edges->count + 1, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the user's interactions");
    }
    edges->list = list;
    edges->list[edges->count++] = *edge;
    return ERR_OK;
}

static err_code erase_interactions(applying *x, uint32_t row, uint64_t *removed, err *e)
{
    arena memory;
    arena_init(&memory, APPLY_RESULT_BYTES_MAX);
    edges_of_user edges = {.memory = &memory};
    err_code code = interactions_of_user(x->r, row, 0, collect, &edges, e);
    for (size_t i = 0; i < edges.count && code == ERR_OK; i++) {
        const interaction *edge = &edges.list[i];
        code = interaction_remove(x->w, edge->user, edge->item, edge->type, e);
    }
    *removed = edges.count;
    arena_fini(&memory);
    return code;
}

static err_code erase_record(applying *x, uint32_t row, err *e)
{
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    put_be32(key, row);
    err_code code = schema_delete(x->w, DB_USERS, k, e);
    if (code == ERR_OK) {
        code = schema_delete(x->w, DB_USER_IDS, x->o->user, e);
    }
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "user row %u: record and id map disagree", row);
    }
    if (code == ERR_OK) {
        x->w->state.info.users--;
        x->w->state.info.erased_seq = x->seq;
    }
    return code;
}

err_code apply_erase(applying *x, err *e)
{
    apply_receipt *receipt = &x->result->receipt;
    apply_entry *entry = &x->result->entries[0];
    slice id = x->o->user;
    uint32_t row = ROW_NONE;
    err why = ERR_INIT;
    err_code code = user_find(x->r, id, &row, &why);
    if (code != ERR_OK) {
        return apply_refuse_as(x, 0, NULL, &why, e);
    }
    code = erase_interactions(x, row, &receipt->interactions, e);
    if (code == ERR_OK) {
        code = erase_record(x, row, e);
    }
    if (code == ERR_OK) {
        code = oplog_redact(x->w, id, &receipt->log_entries, e);
    }
    if (code == ERR_OK) {
        code = idempotency_redact(x->w, row, id, &receipt->idempotency, e);
    }
    if (code == ERR_OK) {
        code = generations_covering(x->r, row, &receipt->generations, e);
    }
    if (code == ERR_OK) {
        code = held_erase_user(x->w, row, e);
    }
    change *c = code == ERR_OK ? apply_change(x) : NULL;
    if (c == NULL) {
        return code == ERR_OK ? err_nomem(e, "results") : code;
    }
    c->kind = CHANGE_USER_GONE;
    c->row.row = row;
    entry->user_row = row;
    entry->removed = (uint32_t)receipt->interactions;
    entry->outcome = APPLY_REMOVED;
    return ERR_OK;
}
