/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: the registered generations, and the changes that ops make to them. held.c holds the
 * tables.
 */
#include "storage/models/generations.h"

#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/model_private.h"

enum { GENERATION_RECORD_BYTES_MAX = GENERATION_SUMMARY_BYTES_MAX + 1024 };

/* --- records --- */

void generation_id_text(const generation_id *id, char out[GENERATION_ID_TEXT])
{
    store_lineage_text(id->bytes, out);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool generation_id_parse(slice text, generation_id *out)
{
    size_t at = 0;
    if (text.length != GENERATION_ID_TEXT - 1) {
        return false;
    }
    for (size_t i = 0; i < GENERATION_ID_BYTES; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        if (dash && text.at[at++] != '-') {
            return false;
        }
        int high = hex_digit(text.at[at]), low = hex_digit(text.at[at + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out->bytes[i] = (unsigned char)(16 * high + low);
        at += 2;
    }
    return true;
}

void generation_sha256_text(const generation_info *info, char out[GENERATION_SHA256_TEXT])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", info->sha256[i]);
    }
}

static slice number_key(unsigned char key[4], uint32_t number)
{
    put_be32(key, number);
    return (slice){(const char *)key, 4};
}

err_code generation_borrow(store_read *r, uint32_t number, generation_info *out, err *e)
{
    unsigned char key[4];
    slice value;
    memset(out, 0, sizeof *out);
    err_code code = schema_get(r, DB_GENERATIONS, number_key(key, number), &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, code, "no generation %u", number);
    }
    if (code == ERR_OK) {
        code = generation_decode(out, value, e);
    }
    out->number = number;
    return code;
}

err_code generation_put_record(store_write *w, const generation_info *info, err *e)
{
    unsigned char key[4];
    encoder x;
    encoder_init(&x, GENERATION_RECORD_BYTES_MAX);
    generation_encode(info, &x);
    err_code code = encoder_check(&x, "generation", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_GENERATIONS, number_key(key, info->number), encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}

/* --- looking up --- */

/* is_held tells whether the tables of a UUID are complete in this store. */
static err_code is_held(store_read *r, const generation_id *id, bool *held, err *e)
{
    generation_info info;
    err_code code = held_borrow(r, id, &info, e);
    *held = code == ERR_OK && info.state != GENERATION_BUILDING;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* own completes a decoded record: it copies what the record borrows, and fills in what it does not
 * contain. */
static err_code own(store_read *r, arena *a, generation_info *info, uint32_t active, err *e)
{
    slice summary = info->summary;
    info->active = info->number != 0 && info->number == active;
    info->summary = arena_slice(a, summary);
    return summary.at != NULL && info->summary.at == NULL ? err_nomem(e, "a generation")
                                                          : is_held(r, &info->id, &info->held, e);
}

err_code generation_get(store_read *r, uint32_t number, arena *a, generation_info *out, err *e)
{
    store_info store_now;
    err_code code = generation_borrow(r, number, out, e);
    if (code == ERR_OK) {
        code = store_read_stat(r, &store_now, e);
    }
    return code == ERR_OK ? own(r, a, out, store_now.generation, e) : code;
}

typedef struct listing {
    store_read *r;
    arena *memory;
    generation_info *list;
    size_t count, room;
    uint32_t active;
} listing;

static err_code list_one(void *ctx, uint32_t row, slice value, err *e)
{
    listing *l = ctx;
    generation_info *list = arena_reserve(l->memory, l->list, &l->room, l->count + 1, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the generations");
    }
    l->list = list;
    generation_info *info = &l->list[l->count];
    err_code code = generation_decode(info, value, e);
    info->number = row;
    if (code == ERR_OK) {
        code = own(l->r, l->memory, info, l->active, e);
    }
    l->count += code == ERR_OK;
    return code;
}

err_code generation_list(store_read *r, arena *a, const generation_info **out, size_t *count,
                         err *e)
{
    store_info store_now;
    listing l = {.r = r, .memory = a};
    *out = NULL;
    *count = 0;
    err_code code = store_read_stat(r, &store_now, e);
    l.active = store_now.generation;
    if (code == ERR_OK) {
        code = record_each(r, DB_GENERATIONS, 0, list_one, &l, e);
    }
    if (code == ERR_OK) {
        *out = l.list;
        *count = l.count;
    }
    return code;
}

typedef struct finding {
    const generation_id *id;
    uint32_t row; /* row of a user */
    uint32_t number, count;
} finding;

static err_code compare_id(void *ctx, uint32_t number, slice value, err *e)
{
    finding *f = ctx;
    generation_info info;
    err_code code = generation_decode(&info, value, e);
    if (code == ERR_OK && memcmp(info.id.bytes, f->id->bytes, GENERATION_ID_BYTES) == 0) {
        f->number = number;
        return ERR_CANCELLED;
    }
    return code;
}

err_code generation_number(store_read *r, const generation_id *id, uint32_t *number, err *e)
{
    finding f = {.id = id};
    err_code code = record_each(r, DB_GENERATIONS, 0, compare_id, &f, e);
    *number = f.number;
    return code == ERR_OK && f.number == 0 ? ERR_NOT_FOUND : code;
}

err_code generation_held(store_read *r, uint32_t number, bool *held, err *e)
{
    generation_info info;
    err none = ERR_INIT;
    *held = false;
    err_code code = generation_borrow(r, number, &info, &none);
    if (code == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    return code == ERR_OK ? is_held(r, &info.id, held, e) : err_set(e, code, "%s", none.text);
}

err_code generation_to_serve(store_read *r, uint32_t *number, err *e)
{
    store_info now;
    generation_info *list = NULL;
    size_t count = 0;
    uint64_t until = 0;
    bool held = false;
    *number = 0;
    err_code code = store_read_stat(r, &now, e);
    if (code != ERR_OK || now.generation == 0) {
        return code;
    }
    code = generation_held(r, now.generation, &held, e);
    if (code != ERR_OK || held) {
        *number = held ? now.generation : 0;
        return code;
    }
    code = held_list(r, &list, &count, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if (list[i].state == GENERATION_REGISTERED && list[i].active_until > until) {
            uint32_t last = 0;
            code = generation_number(r, &list[i].id, &last, e);
            until = code == ERR_OK ? list[i].active_until : until;
            *number = code == ERR_OK ? last : *number;
            code = code == ERR_NOT_FOUND ? ERR_OK : code;
        }
    }
    mem_free(list);
    return code;
}

static err_code count_covering(void *ctx, uint32_t number, slice value, err *e)
{
    finding *f = ctx;
    generation_info info;
    (void)number;
    err_code code = generation_decode(&info, value, e);
    f->count += code == ERR_OK && info.users > f->row;
    return code;
}

err_code generations_covering(store_read *r, uint32_t row, uint32_t *count, err *e)
{
    finding f = {.row = row};
    err_code code = record_each(r, DB_GENERATIONS, 0, count_covering, &f, e);
    *count = f.count;
    return code;
}

/* --- what ops change --- */

/* note_registered marks the held tables of a UUID as registered. It also drops their copy of the
 * summary, which the registered record now contains. */
static err_code note_registered(store_write *w, const generation_id *id, err *e)
{
    generation_info info;
    err_code code = held_borrow(&w->reads, id, &info, e);
    if (code != ERR_OK || info.state != GENERATION_READY) {
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    }
    info.state = GENERATION_REGISTERED;
    info.summary = (slice){NULL, 0};
    return held_put(w, &info, e);
}

err_code generation_assign(store_write *w, const generation_info *info, uint32_t *number, err *e)
{
    MDB_stat stat;
    uint32_t known = 0;
    generation_info made = *info;
    *number = 0;
    err_code code = generation_number(&w->reads, &info->id, &known, e);
    if (code == ERR_OK) {
        return err_set(e, ERR_CONFLICT, "the tables are registered as generation %u already",
                       known);
    }
    if (code != ERR_NOT_FOUND) {
        return code;
    }
    int lmdb = mdb_stat(w->txn, w->owner->dbi[DB_GENERATIONS], &stat);
    if (lmdb != 0) {
        return schema_error(lmdb, "counting generations", e);
    }
    if (stat.ms_entries >= GENERATIONS_MAX) {
        return err_set(e, ERR_TOO_LARGE,
                       "the store has %zu generations, allowed %d: prune some first",
                       (size_t)stat.ms_entries, GENERATIONS_MAX);
    }
    made.number = w->state.next_generation;
    made.state = GENERATION_REGISTERED;
    made.active_until = 0;
    code = generation_put_record(w, &made, e);
    if (code == ERR_OK) {
        code = note_registered(w, &info->id, e);
    }
    if (code == ERR_OK) {
        w->state.next_generation++;
        *number = made.number;
    }
    return code;
}

/* Numbers of generations to change. They are collected first, because a visit must not write. */
typedef struct numbers {
    uint32_t *list;
    size_t count, room;
    uint32_t last;   /* the last number to look at */
    uint32_t active; /* never removed */
} numbers;

static err_code numbers_add(numbers *found, uint32_t number, err *e)
{
    uint32_t *list = mem_reserve(found->list, &found->room, found->count + 1, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the generations");
    }
    found->list = list;
    found->list[found->count++] = number;
    return ERR_OK;
}

static err_code find_wish(void *ctx, uint32_t number, slice value, err *e)
{
    numbers *found = ctx;
    generation_info info;
    if (number > found->last) {
        return ERR_CANCELLED;
    }
    err_code code = generation_decode(&info, value, e);
    return code == ERR_OK && info.activate ? numbers_add(found, number, e) : code;
}

static err_code clear_wish(store_write *w, uint32_t number, err *e)
{
    generation_info info;
    arena memory;
    arena_init(&memory, GENERATION_RECORD_BYTES_MAX);
    err_code code = generation_get(&w->reads, number, &memory, &info, e);
    info.activate = false;
    if (code == ERR_OK) {
        code = generation_put_record(w, &info, e);
    }
    arena_fini(&memory);
    return code;
}

static err_code clear_wishes(store_write *w, uint32_t until, err *e)
{
    numbers found = {.last = until};
    err_code code = record_each(&w->reads, DB_GENERATIONS, 0, find_wish, &found, e);
    for (size_t i = 0; i < found.count && code == ERR_OK; i++) {
        code = clear_wish(w, found.list[i], e);
    }
    mem_free(found.list);
    return code;
}

/* note_replaced stores in the record of the held tables that another generation replaced them as
 * the active one at `seq`. */
static err_code note_replaced(store_write *w, uint32_t number, uint64_t seq, err *e)
{
    generation_info info;
    err none = ERR_INIT;
    err_code code =
        number != 0 ? generation_borrow(&w->reads, number, &info, &none) : ERR_NOT_FOUND;
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", none.text);
    }
    generation_id id = info.id;
    code = held_borrow(&w->reads, &id, &info, e);
    info.active_until = seq;
    return code == ERR_OK ? held_put(w, &info, e) : code == ERR_NOT_FOUND ? ERR_OK : code;
}

err_code generation_activate(store_write *w, uint32_t number, uint64_t seq, err *e)
{
    generation_info info;
    uint32_t before = w->state.info.generation;
    err_code code = number != 0 ? generation_borrow(&w->reads, number, &info, e) : ERR_OK;
    if (code == ERR_OK) {
        code = clear_wishes(w, number, e);
    }
    if (code == ERR_OK && before != number) {
        code = note_replaced(w, before, seq, e);
    }
    if (code == ERR_OK) {
        w->state.info.generation = number;
    }
    return code;
}

static err_code find_inactive(void *ctx, uint32_t number, slice value, err *e)
{
    numbers *found = ctx;
    (void)value;
    return number != found->active ? numbers_add(found, number, e) : ERR_OK;
}

err_code generation_unregister(store_write *w, uint32_t keep, uint32_t *removed, err *e)
{
    unsigned char key[4];
    numbers found = {.active = w->state.info.generation};
    *removed = 0;
    err_code code = record_each(&w->reads, DB_GENERATIONS, 0, find_inactive, &found, e);
    for (size_t i = 0; i + keep < found.count && code == ERR_OK; i++) {
        code = schema_delete(w, DB_GENERATIONS, number_key(key, found.list[i]), e);
        *removed += code == ERR_OK;
    }
    mem_free(found.list);
    return code;
}
