/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_generations: applies the ops that register, activate and prune generations.
 *
 * The outcome depends on which generations are registered, not on whose tables are on this machine.
 * So all stores that applied the same ops have the same numbers and the same active generation.
 */
#include <string.h>

#include "storage/log/log_private.h"
#include "storage/models/model_private.h"

static err_code activate(applying *x, err *e)
{
    err why = ERR_INIT;
    uint32_t number = x->o->generation;
    err_code code = generation_activate(x->w, number, x->seq, &why);
    if (code != ERR_OK) {
        return apply_refuse_as(x, 0, "/generation", &why, e);
    }
    change *c = apply_change(x);
    if (c == NULL) {
        return err_nomem(e, "results");
    }
    c->kind = CHANGE_GENERATION;
    c->generation = number;
    x->result->entries[0].outcome = APPLY_UPDATED;
    return ERR_OK;
}

static err_code assign(applying *x, err *e)
{
    err why = ERR_INIT;
    const op_registration *g = &x->o->registration;
    apply_entry *entry = &x->result->entries[0];
    generation_info info = {.activate = g->activate,
                            .created = g->created,
                            .seq = g->seq,
                            .users = g->users,
                            .items = g->items,
                            .bytes = g->bytes,
                            .summary = g->summary};
    memcpy(info.id.bytes, g->id, sizeof info.id.bytes);
    memcpy(info.sha256, g->sha256, sizeof info.sha256);
    memcpy(info.lineage, g->lineage, sizeof info.lineage);
    err_code code = generation_assign(x->w, &info, &entry->generation, &why);
    if (code != ERR_OK) {
        return apply_refuse_as(x, 0, NULL, &why, e);
    }
    entry->outcome = APPLY_CREATED;
    return ERR_OK;
}

static err_code prune(applying *x, err *e)
{
    apply_entry *entry = &x->result->entries[0];
    entry->outcome = APPLY_REMOVED;
    return generation_unregister(x->w, x->o->keep, &entry->removed, e);
}

err_code apply_generation(applying *x, err *e)
{
    switch (x->o->kind) {
    case OP_GENERATION_REGISTER: return assign(x, e);
    case OP_GENERATION_PRUNE: return prune(x, e);
    default: return activate(x, e);
    }
}
