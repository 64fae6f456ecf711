/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log/generation_ops.h"

#include <string.h>

#include "storage/log/apply.h"

enum { OP_BYTES = 4096 };

err_code op_register_new(op **out, const generation_info *info, int64_t time, err *e)
{
    op *o = NULL;
    *out = NULL;
    err_code code =
        op_new(&o, OP_GENERATION_REGISTER, GENERATION_SUMMARY_BYTES_MAX + (size_t)OP_BYTES, e);
    if (code != ERR_OK) {
        return code;
    }
    op_registration *g = &o->registration;
    o->time = time;
    o->count = 1;
    memcpy(g->id, info->id.bytes, sizeof g->id);
    memcpy(g->sha256, info->sha256, sizeof g->sha256);
    memcpy(g->lineage, info->lineage, sizeof g->lineage);
    g->created = info->created;
    g->seq = info->seq;
    g->bytes = info->bytes;
    g->users = info->users;
    g->items = info->items;
    g->activate = info->activate;
    g->summary = arena_slice(&o->memory, info->summary);
    if (info->summary.at != NULL && g->summary.at == NULL) {
        op_free(o);
        return err_nomem(e, "a generation's registration");
    }
    *out = o;
    return ERR_OK;
}

/* apply_own applies one op made by this command. *removed is that of apply_entry. */
static err_code apply_own(store *s, const op *o, uint32_t *removed, err *e)
{
    store_info info;
    apply_result result;
    err_code code = store_stat(s, &info, e);
    if (code == ERR_OK && info.external[0] != 0) {
        return err_set(
            e, ERR_CONFLICT,
            "the store takes its writes from a cluster's log: change it through a running node");
    }
    apply_result_init(&result);
    if (code == ERR_OK) {
        code = apply_one(s, o, &result, e);
    }
    *removed = code == ERR_OK && result.entry_count == 1 ? result.entries[0].removed : 0;
    apply_result_fini(&result);
    return code;
}

/* oldest_pending makes the op for the generation that has waited longest. ERR_NOT_FOUND, with `e`
 * unset: none is waiting. */
static err_code oldest_pending(store *s, int64_t time, op **out, err *e)
{
    arena memory;
    store_read *r = NULL;
    generation_info info;
    *out = NULL;
    arena_init(&memory, (size_t)2 * GENERATION_SUMMARY_BYTES_MAX);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_pending(r, &memory, &info, e);
    }
    store_read_end(r);
    if (code == ERR_OK) {
        code = op_register_new(out, &info, time, e);
    }
    arena_fini(&memory);
    return code;
}

err_code generation_register(store *s, const generation_id *id, int64_t time, uint32_t *number,
                             err *e)
{
    err_code code = ERR_OK;
    uint32_t removed = 0;
    *number = 0;
    while (code == ERR_OK) {
        op *o = NULL;
        code = oldest_pending(s, time, &o, e);
        if (code == ERR_OK) {
            code = apply_own(s, o, &removed, e);
        }
        op_free(o);
    }
    if (code != ERR_NOT_FOUND) {
        return code;
    }
    store_read *r = NULL;
    code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_number(r, id, number, e);
    }
    store_read_end(r);
    return code == ERR_NOT_FOUND ? err_set(e, code, "the generation is not in this store") : code;
}

err_code generation_switch(store *s, uint32_t number, int64_t time, err *e)
{
    op *o = NULL;
    uint32_t removed = 0;
    err_code code = op_new(&o, OP_GENERATION_ACTIVATE, OP_BYTES, e);
    if (code == ERR_OK) {
        o->time = time;
        o->count = 1;
        o->generation = number;
        code = apply_own(s, o, &removed, e);
    }
    op_free(o);
    return code;
}

err_code generation_prune(store *s, uint32_t keep, int64_t time, uint32_t *removed, err *e)
{
    op *o = NULL;
    *removed = 0;
    err_code code = op_new(&o, OP_GENERATION_PRUNE, OP_BYTES, e);
    if (code == ERR_OK) {
        uint32_t tables = 0;
        o->time = time;
        o->count = 1;
        o->keep = keep;
        code = apply_own(s, o, removed, e);
        if (code == ERR_OK) {
            code = generations_discard(s, &tables, e);
        }
    }
    op_free(o);
    return code;
}
