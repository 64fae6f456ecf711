/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/check.h"

#include <math.h>
#include <string.h>

#include "core/common/half.h"
#include "core/common/mem.h"
#include "storage/env/checksum.h"
#include "storage/maintenance/check_private.h"
#include "storage/records/item_text.h"

/* --- items and users --- */

static err_code item_record(checking *c, slice key, slice value, err *e)
{
    stored_item it;
    err why = ERR_INIT;
    uint32_t found = 0;
    if (key.length != 4) {
        check_problem(c, "items: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    uint32_t row = get_be32(key.at);
    err_code code = item_decode(&it, row, value, &c->memory, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (row >= c->state.info.item_rows) {
        check_problem(c, "item row %u was never given out", row);
        return ERR_OK;
    }
    bool mapped = item_find(c->r, it.id, &found, NULL) == ERR_OK && found == row;
    if (mapped == it.deleted) {
        check_problem(c, "item row %u is %s and its id %s it", row,
                      it.deleted ? "deleted" : "not deleted",
                      mapped ? "still leads to" : "does not lead to");
    }
    uint32_t predecessor = 0;
    if (it.deleted && item_find(c->r, it.id, &found, NULL) == ERR_NOT_FOUND &&
        (item_gone(c->r, it.id, &predecessor, NULL) != ERR_OK || predecessor <= row)) {
        check_problem(c, "item row %u is deleted, and no deleted id leads to it", row);
    }
    bits_set(it.deleted ? c->tombstones : c->item_rows, row);
    c->report->items += !it.deleted;
    c->report->deleted_items += it.deleted;
    c->report->items_to_encode += !it.deleted && it.encoded_hash == ITEM_TEXT_AGAIN;
    return ERR_OK;
}

static err_code user_record(checking *c, slice key, slice value, err *e)
{
    stored_user u;
    err why = ERR_INIT;
    uint32_t found = 0;
    if (key.length != 4) {
        check_problem(c, "users: a key of %zu bytes", key.length);
        return ERR_OK;
    }
    uint32_t row = get_be32(key.at);
    err_code code = user_decode(&u, row, value, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (row >= c->state.info.user_rows) {
        check_problem(c, "user row %u was never given out", row);
        return ERR_OK;
    }
    if (user_find(c->r, u.id, &found, NULL) != ERR_OK || found != row) {
        check_problem(c, "user row %u: its id does not lead to it", row);
    }
    bits_set(c->user_rows, row);
    c->report->users++;
    return ERR_OK;
}

/* gone_id checks that a deleted id leads to the last row that it had, and to no other record. */
static err_code gone_id(checking *c, slice key, slice value, err *e)
{
    uint32_t found = 0, row = value.length == 4 ? get_be32(value.at) : UINT32_MAX;
    (void)e;
    if (row >= c->state.info.item_rows || !bits_test(c->tombstones, row)) {
        check_problem(c, "a deleted id leads to item row %u, which is no deleted one", row);
    } else if (item_find(c->r, key, &found, NULL) == ERR_OK) {
        check_problem(c, "the id of item row %u counts as deleted", found);
    }
    return ERR_OK;
}

static void check_map(checking *c, store_db db, uint64_t expected, const char *what)
{
    MDB_stat stat;
    if (mdb_stat(c->r->txn, c->s->dbi[db], &stat) == 0 && stat.ms_entries != expected) {
        check_problem(c, "the id map of %s has %zu entries, expected %llu", what,
                      (size_t)stat.ms_entries, (unsigned long long)expected);
    }
}

/* --- registries --- */

static err_code modality_record(checking *c, slice key, slice value, err *e)
{
    modality m;
    err why = ERR_INIT;
    if (key.length != 1 || (uint8_t)key.at[0] != c->report->modalities ||
        c->report->modalities >= MODALITIES_MAX) {
        check_problem(c, "modalities: the numbers have a gap at %u", c->report->modalities);
        return ERR_OK;
    }
    err_code code = modality_decode(&m, (uint8_t)key.at[0], value, &why);
    if (check_decoded(c, &code, &why, e)) {
        c->widths[m.number] = m.width;
    }
    c->report->modalities++;
    return code;
}

static err_code type_record(checking *c, slice key, slice value, err *e)
{
    slice name;
    err why = ERR_INIT;
    if (key.length != 1 || (uint8_t)key.at[0] != c->report->types) {
        check_problem(c, "interaction types: the numbers have a gap at %u", c->report->types);
        return ERR_OK;
    }
    err_code code = type_decode(&name, value, &why);
    (void)check_decoded(c, &code, &why, e);
    c->report->types++;
    return code;
}

/* --- features --- */

static bool finite_feature(const feature *f)
{
    const unsigned char *at = f->data;
    for (uint32_t i = 0; i < f->width; i++) {
        float value = 0;
        uint16_t half = 0;
        if (f->dtype == FEATURE_F4) {
            memcpy(&value, at + 4 * (size_t)i, sizeof value);
        } else {
            memcpy(&half, at + 2 * (size_t)i, sizeof half);
            value = half_to_float(half);
        }
        if (!isfinite(value)) {
            return false;
        }
    }
    return true;
}

static err_code feature_record(checking *c, slice key, slice value, err *e)
{
    feature f;
    err why = ERR_INIT;
    uint8_t number = key.length == 5 ? (uint8_t)key.at[0] : UINT8_MAX;
    if (number >= c->report->modalities || c->widths[number] == 0) {
        check_problem(c, "features: a key of an unknown modality");
        return ERR_OK;
    }
    uint32_t row = get_be32(key.at + 1);
    err_code code = feature_decode(&f, c->widths[number], value, &why);
    if (!check_decoded(c, &code, &why, e)) {
        return code;
    }
    if (row >= c->state.info.item_rows || !bits_test(c->item_rows, row)) {
        check_problem(c, "features of modality %u: item row %u does not exist", number, row);
    }
    if (!finite_feature(&f)) {
        check_problem(c, "features of modality %u, item row %u: not all numbers are finite", number,
                      row);
    }
    c->report->features++;
    return ERR_OK;
}

/* --- interactions --- */

typedef struct side {
    checking *c;
    bool by_user;
    interaction last;
    bool any;
} side;

static bool ascending(const side *x, const interaction *now)
{
    uint32_t key_before = x->by_user ? x->last.user : x->last.item;
    uint32_t key_now = x->by_user ? now->user : now->item;
    uint32_t other_before = x->by_user ? x->last.item : x->last.user;
    uint32_t other_now = x->by_user ? now->item : now->user;
    if (key_before != key_now) {
        return key_before < key_now;
    }
    return other_before != other_now ? other_before < other_now : x->last.type < now->type;
}

static err_code edge_record(void *ctx, const interaction *now, err *e)
{
    side *x = ctx;
    checking *c = x->c;
    (void)e;
    if (x->any && !ascending(x, now)) {
        check_problem(c, "user row %u and item row %u have two records of type %u", now->user,
                      now->item, now->type);
    }
    bool user_there = now->user < c->state.info.user_rows && bits_test(c->user_rows, now->user);
    bool item_there = now->item < c->state.info.item_rows &&
                      (bits_test(c->item_rows, now->item) || bits_test(c->tombstones, now->item));
    if (!user_there || !item_there || now->type >= c->report->types) {
        check_problem(c, "interaction of user row %u with item row %u, type %u: no such %s",
                      now->user, now->item, now->type,
                      !user_there   ? "user"
                      : !item_there ? "item"
                                    : "type");
    }
    unsigned char bytes[EDGE_VALUE_BYTES + 4];
    edge_encode(now, true, bytes);
    put_be32(bytes + EDGE_VALUE_BYTES, now->user);
    c->sums[x->by_user] += checksum64(bytes, sizeof bytes);
    c->counts[x->by_user]++;
    x->last = *now;
    x->any = true;
    return ERR_OK;
}

static err_code check_interactions(checking *c, err *e)
{
    side by_user = {.c = c, .by_user = true}, by_item = {.c = c};
    err why = ERR_INIT;
    if (c->options->at != NULL) {
        c->options->at(c->options->ctx, "interactions");
    }
    err_code code = interactions_each(c->r, edge_record, &by_user, &why);
    bool decoded = check_decoded(c, &code, &why, e);
    if (code == ERR_OK) {
        why = (err)ERR_INIT;
        code = interactions_each_by_item(c->r, edge_record, &by_item, &why);
        decoded = check_decoded(c, &code, &why, e) && decoded;
    }
    if (code != ERR_OK || !decoded) {
        return code;
    }
    c->report->interactions = c->counts[1];
    if (c->counts[0] != c->counts[1] || c->sums[0] != c->sums[1]) {
        check_problem(c, "interactions: %llu under users and %llu under items, not the same set",
                      (unsigned long long)c->counts[1], (unsigned long long)c->counts[0]);
    }
    return ERR_OK;
}

/* --- all --- */

static void check_counter(checking *c, uint64_t counted, uint64_t stored, const char *what)
{
    if (counted != stored) {
        check_problem(c, "%llu %s, but the state says %llu", (unsigned long long)counted, what,
                      (unsigned long long)stored);
    }
}

static err_code check_content(checking *c, err *e)
{
    const store_info *info = &c->state.info;
    check_report *report = c->report;
    err_code code = check_walk(c, DB_ITEMS, item_record, e);
    if (code == ERR_OK) {
        code = check_walk(c, DB_GONE_IDS, gone_id, e);
    }
    if (code == ERR_OK) {
        code = check_walk(c, DB_USERS, user_record, e);
    }
    if (code == ERR_OK) {
        code = check_walk(c, DB_MODALITIES, modality_record, e);
    }
    if (code == ERR_OK) {
        code = check_walk(c, DB_TYPES, type_record, e);
    }
    if (code == ERR_OK) {
        code = check_walk(c, DB_FEATURES, feature_record, e);
    }
    if (code == ERR_OK) {
        code = check_interactions(c, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    check_counter(c, report->items, info->items, "items");
    check_counter(c, report->items + report->deleted_items, info->item_rows, "item rows");
    check_counter(c, report->users, info->users, "users");
    check_counter(c, report->interactions, info->interactions, "interactions");
    check_map(c, DB_ITEM_IDS, report->items, "items");
    check_map(c, DB_USER_IDS, report->users, "users");
    code = check_log(c, e);
    if (code == ERR_OK) {
        code = check_idempotency(c, e);
    }
    return code == ERR_OK ? check_generations(c, e) : code;
}

err_code check_run(store *s, const check_options *options, check_report *report, err *e)
{
    checking c;
    err_code code = check_begin(&c, s, options, report, e);
    if (code == ERR_OK) {
        size_t item_words = c.state.info.item_rows / 64 + 1;
        c.item_rows = mem_array(item_words, sizeof *c.item_rows);
        c.tombstones = mem_array(item_words, sizeof *c.tombstones);
        c.user_rows = mem_array(c.state.info.user_rows / 64 + 1, sizeof *c.user_rows);
        code = c.item_rows != NULL && c.tombstones != NULL && c.user_rows != NULL
                   ? check_content(&c, e)
                   : err_nomem(e, "the check");
    }
    check_end(&c);
    return code;
}
