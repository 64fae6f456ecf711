/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_generations: repairs the registered generations, the held generations and their tables.
 *
 * A generation has two records with the same content: one in `generations`, under its number, and
 * one in `held`, under its UUID. Each can be restored from the other if the tables are complete and
 * match the SHA-256 in the record. A generation that is neither active nor complete is dropped. The
 * active generation does not change.
 */
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "storage/maintenance/repair_private.h"
#include "storage/models/blobs.h"
#include "storage/models/model_private.h"

static bool readable(slice value, generation_info *out)
{
    return seal_holds(value) && generation_decode(out, value, NULL) == ERR_OK;
}

/* tables_match returns ERR_OK if all tables are present and complete and match `info`, else
 * ERR_CORRUPT. */
static err_code tables_match(store_read *r, const generation_info *info)
{
    unsigned char sum[SHA256_BYTES];
    err_code code = blobs_verify(r, &info->id, NULL);
    if (code == ERR_OK) {
        code = generation_sum_read(r, &info->id, sum, NULL);
    }
    if (code != ERR_OK) {
        return code;
    }
    return memcmp(sum, info->sha256, sizeof sum) == 0 ? ERR_OK : ERR_CORRUPT;
}

/* --- what is registered --- */

static err_code find_lost(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    generation_info info;
    if (key.length != 4) {
        repair_told(x, "dropped a generation under the key %s", repair_key_text(key, text));
        return repair_drop(x, DB_GENERATIONS, key, e);
    }
    if (!readable(value, &info)) {
        x->lost_generation = get_be32(key.at);
        x->lost_generations++;
    }
    return ERR_OK;
}

typedef struct finding {
    const generation_id *id;
    bool found;
} finding;

static err_code compare_id(void *ctx, uint32_t number, slice value, err *e)
{
    finding *f = ctx;
    generation_info info;
    (void)number, (void)e;
    f->found = f->found || (readable(value, &info) &&
                            memcmp(info.id.bytes, f->id->bytes, sizeof info.id.bytes) == 0);
    return ERR_OK;
}

/* unnumbered finds the tables that were registered but that no number refers to. */
static err_code unnumbered(repairing *x, generation_id *out, size_t *count, err *e)
{
    generation_info *list = NULL;
    size_t held = 0;
    *count = 0;
    err_code code = held_list(x->r, &list, &held, e);
    for (size_t i = 0; i < held && code == ERR_OK; i++) {
        finding f = {.id = &list[i].id};
        if (list[i].state == GENERATION_REGISTERED) {
            code = record_each(x->r, DB_GENERATIONS, 0, compare_id, &f, e);
            *out = f.found ? *out : list[i].id;
            *count += !f.found;
        }
    }
    mem_free(list);
    return code;
}

/* restore_registered restores a registered generation: if exactly one number lacks a record and one
 * record lacks a number, they belong together. */
static err_code restore_registered(repairing *x, err *e)
{
    generation_id id;
    generation_info info;
    size_t count = 0;
    err why = ERR_INIT;
    err_code code = unnumbered(x, &id, &count, &why);
    if (code != ERR_OK || count != 1 || held_borrow(x->r, &id, &info, NULL) != ERR_OK ||
        tables_match(x->r, &info) != ERR_OK) {
        return code == ERR_NOMEM ? err_nomem(e, "the repair") : ERR_OK;
    }
    info.number = x->lost_generation;
    info.active_until = 0;
    repair_told(x, "restored generation %u from the record of its tables", info.number);
    return generation_put_record(x->w, &info, e);
}

static err_code registered_visit(repairing *x, slice key, slice value, err *e)
{
    generation_info info;
    uint32_t number = get_be32(key.at);
    if (number == x->w->state.info.generation || readable(value, &info)) {
        return ERR_OK;
    }
    repair_told(x, "dropped generation %u: its record is damaged", number);
    return repair_drop(x, DB_GENERATIONS, key, e);
}

static err_code repair_registered(repairing *x, err *e)
{
    generation_info active;
    uint32_t number = x->w->state.info.generation;
    err_code code = repair_walk(x, DB_GENERATIONS, find_lost, e);
    if (code == ERR_OK && number != 0 &&
        generation_borrow(x->r, number, &active, NULL) == ERR_NOT_FOUND) {
        x->lost_generation = number;
        x->lost_generations++;
    }
    if (code == ERR_OK && x->lost_generations == 1) {
        code = restore_registered(x, e);
    }
    return code == ERR_OK ? repair_walk(x, DB_GENERATIONS, registered_visit, e) : code;
}

/* --- held generations --- */

/* restore_held_visit visits the registered generations, and restores records of held ones. */
static err_code restore_held_visit(repairing *x, slice key, slice value, err *e)
{
    generation_info info, held = {0};
    slice found = {NULL, 0};
    uint32_t number = get_be32(key.at);
    if (!readable(value, &info)) {
        return ERR_OK; /* only the active generation's record is kept although it is damaged */
    }
    slice id = {(const char *)info.id.bytes, GENERATION_ID_BYTES};
    err_code code = schema_get(x->r, DB_HELD, id, &found, e);
    bool whole = code == ERR_OK && readable(found, &held) &&
                 memcmp(held.id.bytes, info.id.bytes, sizeof info.id.bytes) == 0;
    if ((code != ERR_OK && code != ERR_NOT_FOUND) ||
        (whole && (held.state == GENERATION_BUILDING ||
                   (held.state == GENERATION_REGISTERED &&
                    memcmp(held.sha256, info.sha256, sizeof info.sha256) == 0)))) {
        return code;
    }
    if (tables_match(x->r, &info) == ERR_OK) {
        info.active_until = whole ? held.active_until : 0;
        repair_told(x, "restored the record of the tables of generation %u", number);
        return held_put(x->w, &info, e);
    }
    if (code == ERR_NOT_FOUND || number == x->w->state.info.generation) {
        return ERR_OK;
    }
    repair_told(x, "dropped the tables of generation %u: they are not those that were registered",
                number);
    return repair_drop(x, DB_HELD, id, e);
}

static err_code held_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    generation_info info, active;
    uint32_t number = x->w->state.info.generation;
    if (key.length == GENERATION_ID_BYTES && readable(value, &info) &&
        memcmp(info.id.bytes, key.at, GENERATION_ID_BYTES) == 0) {
        return ERR_OK;
    }
    bool known = number == 0 || generation_borrow(x->r, number, &active, NULL) == ERR_OK;
    if (!known || (number != 0 && key.length == GENERATION_ID_BYTES &&
                   memcmp(active.id.bytes, key.at, GENERATION_ID_BYTES) == 0)) {
        return ERR_OK; /* it belongs, or may belong, to the active generation */
    }
    repair_told(x, "dropped the record of held tables of key %s: it is damaged",
                repair_key_text(key, text));
    return repair_drop(x, DB_HELD, key, e);
}

/* blob_visit drops blobs of no generation. The tables of a generation are consecutive, so its UUID
 * is printed once. */
static err_code blob_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    slice found;
    (void)value;
    if (key.length < GENERATION_ID_BYTES + 2) {
        repair_told(x, "dropped a table under the key %s", repair_key_text(key, text));
        return repair_drop(x, DB_BLOBS, key, e);
    }
    err_code code = schema_get(x->r, DB_HELD, (slice){key.at, GENERATION_ID_BYTES}, &found, e);
    if (code != ERR_NOT_FOUND) {
        return code;
    }
    const repair_change *last = x->change_count > 0 ? &x->changes[x->change_count - 1] : NULL;
    if (last == NULL || memcmp(last->key.at, key.at, GENERATION_ID_BYTES) != 0) {
        generation_id id;
        char name[GENERATION_ID_TEXT];
        memcpy(id.bytes, key.at, GENERATION_ID_BYTES);
        generation_id_text(&id, name);
        repair_told(x, "dropped the tables of generation %s, which does not exist", name);
    }
    return repair_drop(x, DB_BLOBS, key, e);
}

/* --- rows of erased users --- */

static err_code erased_rows(repairing *x, uint32_t users, uint32_t **out, size_t *count, err *e)
{
    uint32_t given = x->w->state.info.user_rows;
    users = users < given ? users : given;
    *count = 0;
    *out = mem_array((size_t)users, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the repair");
    }
    for (uint32_t row = 0; row < users; row++) {
        if (!bits_test(x->user_rows, row)) {
            (*out)[(*count)++] = row;
        }
    }
    return ERR_OK;
}

static err_code empty_erased(repairing *x, const generation_info *info, err *e)
{
    uint32_t *rows = NULL;
    size_t count = 0;
    bool left = false, changed = false;
    err_code code = erased_rows(x, info->users, &rows, &count, e);
    if (code == ERR_OK && count > 0) {
        code = blobs_users_left(x->r, &info->id, rows, count, &left, e);
    }
    if (code == ERR_OK && left) {
        char name[GENERATION_ID_TEXT];
        generation_id_text(&info->id, name);
        repair_told(x, "emptied the rows of erased users in generation %s", name);
        code = blobs_zero_rows(x->w, &info->id, rows, count, &changed, e);
    }
    mem_free(rows);
    return code;
}

static err_code repair_erased(repairing *x, err *e)
{
    generation_info *list = NULL;
    size_t count = 0;
    if (x->unreadable || x->lost_rows) {
        return ERR_OK; /* a user whose record is lost was not erased */
    }
    err_code code = held_list(x->r, &list, &count, NULL);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if (list[i].state != GENERATION_BUILDING && tables_match(x->r, &list[i]) == ERR_OK) {
            code = empty_erased(x, &list[i], e);
        }
    }
    mem_free(list);
    return code == ERR_CORRUPT ? ERR_OK : code; /* the active generation's record, which stays */
}

err_code repair_generations(repairing *x, err *e)
{
    err_code code = repair_registered(x, e);
    if (code == ERR_OK) {
        code = repair_walk(x, DB_HELD, held_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_walk(x, DB_GENERATIONS, restore_held_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_walk(x, DB_BLOBS, blob_visit, e);
    }
    return code == ERR_OK ? repair_erased(x, e) : code;
}

/* --- in transactions of their own, because a generation may be too large for one --- */

static err_code damaged_tables(store *s, repairing *x, err *e)
{
    store_read *r = NULL;
    generation_info *list = NULL;
    size_t count = 0, damaged = 0;
    err why = ERR_INIT;
    store_info now = {0};
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = store_read_stat(r, &now, e);
    }
    if (code == ERR_OK) {
        code = held_list(r, &list, &count, &why);
    }
    code = code == ERR_CORRUPT ? ERR_OK : code; /* the active one's record, which stays as it is */
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        uint32_t number = 0;
        bool active =
            generation_number(r, &list[i].id, &number, NULL) == ERR_OK && number == now.generation;
        if (list[i].state != GENERATION_BUILDING && !active &&
            tables_match(r, &list[i]) != ERR_OK) {
            list[damaged++] = list[i];
        }
    }
    store_read_end(r);
    for (size_t i = 0; i < damaged && code == ERR_OK; i++) {
        char name[GENERATION_ID_TEXT];
        generation_id_text(&list[i].id, name);
        code = held_remove(s, &list[i].id, e);
        if (code == ERR_OK) {
            repair_told(x, "dropped the tables of generation %s: they are not whole", name);
        }
    }
    mem_free(list);
    return code;
}

/* orphaned_tables removes tables whose generation's record was dropped. */
static err_code orphaned_tables(store *s, repairing *x, err *e)
{
    uint32_t removed = 0;
    err why = ERR_INIT;
    err_code code = generations_discard(s, &removed, &why);
    if (removed > 0) {
        repair_told(x, "dropped the tables of %u generations without a number", removed);
    }
    return code == ERR_OK || code == ERR_CORRUPT ? ERR_OK : err_set(e, code, "%s", why.text);
}

err_code repair_tables(store *s, repairing *x, err *e)
{
    err_code code = damaged_tables(s, x, e);
    return code == ERR_OK ? orphaned_tables(s, x, e) : code;
}
