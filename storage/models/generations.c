/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: their records, and their life from building to gone. Blobs are in blobs.c.
 */
#include "storage/models/generations.h"

#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/blobs.h"
#include "storage/records/records.h"

enum { SUMMARY_BYTES_MAX = 16 * 1024 * 1024, GENERATIONS_MAX = 100000, REMOVE_PIECES = 16 };

void generation_encode(const generation_info *info, encoder *x)
{
    encode_u8(x, GENERATION_RECORD_VERSION);
    encode_u8(x, (uint8_t)info->state);
    encode_u8(x, info->activate);
    encode_i64(x, info->created);
    encode_bytes(x, info->lineage, LINEAGE_BYTES);
    encode_u64(x, info->seq);
    encode_u32(x, info->users);
    encode_u32(x, info->items);
    encode_u64(x, info->bytes);
    encode_slice(x, info->summary);
    encode_seal(x);
}

err_code generation_decode(generation_info *out, uint32_t number, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code rc = decode_version(&d, GENERATION_RECORD_VERSION, "generation", e);
    if (rc != ERR_OK) {
        return rc;
    }
    uint8_t state = decode_u8(&d);
    out->number = number;
    out->state = state;
    out->activate = decode_u8(&d) != 0;
    out->created = decode_i64(&d);
    const void *lineage = decode_bytes(&d, LINEAGE_BYTES);
    if (lineage != NULL) {
        memcpy(out->lineage, lineage, LINEAGE_BYTES);
    }
    out->seq = decode_u64(&d);
    out->users = decode_u32(&d);
    out->items = decode_u32(&d);
    out->bytes = decode_u64(&d);
    out->summary = decode_slice(&d, SUMMARY_BYTES_MAX);
    if (state != GENERATION_BUILDING && state != GENERATION_READY) {
        d.failed = true;
    }
    return decoder_check(&d, "generation", e);
}

static slice number_key(unsigned char key[4], uint32_t number)
{
    put_be32(key, number);
    return (slice){(const char *)key, 4};
}

/* borrow_generation reads a record; the summary is borrowed until the transaction writes. */
static err_code borrow_generation(store_read *r, uint32_t number, generation_info *out, err *e)
{
    unsigned char key[4];
    slice value;
    memset(out, 0, sizeof *out);
    err_code rc = schema_get(r, DB_GENERATIONS, number_key(key, number), &value, e);
    if (rc == ERR_NOT_FOUND) {
        return err_set(e, rc, "no generation %u", number);
    }
    return rc == ERR_OK ? generation_decode(out, number, value, e) : rc;
}

static err_code put_generation(store_write *w, const generation_info *info, err *e)
{
    unsigned char key[4];
    encoder x;
    encoder_init(&x, SUMMARY_BYTES_MAX + 1024);
    generation_encode(info, &x);
    err_code rc = encoder_check(&x, "generation", e);
    rc = rc == ERR_OK
             ? schema_put(w, DB_GENERATIONS, number_key(key, info->number), encoder_slice(&x), e)
             : rc;
    encoder_fini(&x);
    return rc;
}

static err_code own_summary(arena *a, generation_info *info, uint32_t active, err *e)
{
    slice summary = info->summary;
    info->active = info->number == active;
    info->summary = arena_slice(a, summary);
    return summary.at != NULL && info->summary.at == NULL ? err_nomem(e, "a generation") : ERR_OK;
}

err_code generation_get(store_read *r, uint32_t number, arena *a, generation_info *out, err *e)
{
    store_info store_now;
    err_code rc = borrow_generation(r, number, out, e);
    rc = rc == ERR_OK ? store_read_stat(r, &store_now, e) : rc;
    return rc == ERR_OK ? own_summary(a, out, store_now.generation, e) : rc;
}

typedef struct listing {
    arena *memory;
    generation_info *list;
    size_t count, room;
    uint32_t active;
} listing;

static err_code list_one(void *ctx, uint32_t row, slice value, err *e)
{
    listing *l = ctx;
    if (l->count == l->room) {
        size_t room = l->room > 0 ? 2 * l->room : 16;
        generation_info *grown = arena_alloc(l->memory, room, sizeof *grown);
        if (grown == NULL || room > GENERATIONS_MAX) {
            return err_nomem(e, "the generations");
        }
        if (l->count > 0) {
            memcpy(grown, l->list, l->count * sizeof *grown);
        }
        l->list = grown;
        l->room = room;
    }
    generation_info *info = &l->list[l->count];
    err_code rc = generation_decode(info, row, value, e);
    rc = rc == ERR_OK ? own_summary(l->memory, info, l->active, e) : rc;
    l->count += rc == ERR_OK;
    return rc;
}

err_code generation_list(store_read *r, arena *a, const generation_info **out, size_t *count,
                         err *e)
{
    store_info store_now;
    listing l = {.memory = a};
    *out = NULL;
    *count = 0;
    err_code rc = store_read_stat(r, &store_now, e);
    l.active = store_now.generation;
    rc = rc == ERR_OK ? record_each(r, DB_GENERATIONS, 0, list_one, &l, e) : rc;
    if (rc == ERR_OK) {
        *out = l.list;
        *count = l.count;
    }
    return rc;
}

/* --- building --- */

err_code generation_begin(store *s, const generation_info *info, uint32_t *number, err *e)
{
    store_write *w = NULL;
    *number = 0;
    err_code rc = store_write_begin(s, &w, e);
    if (rc != ERR_OK) {
        return rc;
    }
    generation_info fresh = *info;
    fresh.number = w->state.next_generation;
    fresh.state = GENERATION_BUILDING;
    fresh.activate = false;
    fresh.bytes = 0;
    fresh.summary = (slice){NULL, 0};
    w->state.next_generation++;
    rc = put_generation(w, &fresh, e);
    if (rc != ERR_OK) {
        store_write_abort(w);
        return rc;
    }
    rc = store_write_commit(w, e);
    *number = rc == ERR_OK ? fresh.number : 0;
    return rc;
}

static err_code borrow_building(store_read *r, uint32_t number, generation_info *out, err *e)
{
    err_code rc = borrow_generation(r, number, out, e);
    if (rc == ERR_OK && out->state != GENERATION_BUILDING) {
        return err_set(e, ERR_CONFLICT, "generation %u is finished", number);
    }
    return rc;
}

err_code generation_put(store *s, uint32_t number, const char *name, const void *data, size_t bytes,
                        size_t user_stride, err *e)
{
    size_t at = 0;
    err_code rc = blob_name_check(name, e);
    if (rc != ERR_OK) {
        return rc;
    }
    do {
        store_write *w = NULL;
        generation_info info;
        size_t group = bytes - at < BLOB_GROUP_BYTES ? bytes - at : BLOB_GROUP_BYTES;
        rc = store_write_begin(s, &w, e);
        if (rc != ERR_OK) {
            return rc;
        }
        rc = borrow_building(&w->reads, number, &info, e);
        if (rc == ERR_OK && store_quota_room(s, group) < group) {
            rc = err_set(e, ERR_FULL, "the generation does not fit into the store's quota");
        }
        if (rc == ERR_OK && at == 0) {
            blob_record record = {.bytes = bytes, .user_stride = user_stride};
            rc = blob_begin(w, number, name, &record, e);
        }
        rc = rc == ERR_OK ? blob_pieces_put(w, number, name, at, data, group, e) : rc;
        if (rc != ERR_OK) {
            store_write_abort(w);
            return rc;
        }
        rc = store_write_commit(w, e);
        at += group;
    } while (rc == ERR_OK && at < bytes);
    return rc;
}

/* gone_rows lists the rows below `users` that have no user. */
typedef struct gone_rows {
    uint32_t *rows;
    size_t count, room;
    uint32_t next, users;
} gone_rows;

static err_code gone_add(gone_rows *gone, uint32_t until, err *e)
{
    for (; gone->next < until; gone->next++) {
        if (gone->count == gone->room) {
            size_t room = gone->room > 0 ? 2 * gone->room : 256;
            uint32_t *grown = mem_grow(gone->rows, room, sizeof *grown);
            if (grown == NULL) {
                return err_nomem(e, "rows of erased users");
            }
            gone->rows = grown;
            gone->room = room;
        }
        gone->rows[gone->count++] = gone->next;
    }
    return ERR_OK;
}

static err_code see_user(void *ctx, uint32_t row, slice value, err *e)
{
    gone_rows *gone = ctx;
    (void)value;
    err_code rc = gone_add(gone, row < gone->users ? row : gone->users, e);
    gone->next = row + 1;
    return rc == ERR_OK && row >= gone->users ? ERR_CANCELLED : rc;
}

static err_code drop_erased(store_write *w, const generation_info *info, err *e)
{
    gone_rows gone = {.users = info->users};
    bool changed = false;
    if (w->state.info.erased_seq <= info->seq) {
        return ERR_OK; /* nobody was erased since the data was read */
    }
    err_code rc = record_each(&w->reads, DB_USERS, 0, see_user, &gone, e);
    rc = rc == ERR_OK ? gone_add(&gone, gone.users, e) : rc;
    rc = rc == ERR_OK ? blobs_zero_rows(w, info->number, gone.rows, gone.count, &changed, e) : rc;
    mem_free(gone.rows);
    return rc;
}

static err_code finish_in(store_write *w, uint32_t number, slice summary, bool activate, err *e)
{
    generation_info info;
    err_code rc = borrow_building(&w->reads, number, &info, e);
    if (rc == ERR_OK && memcmp(info.lineage, w->state.info.lineage, LINEAGE_BYTES) != 0) {
        rc = err_set(e, ERR_CONFLICT,
                     "the store's content was replaced while generation %u was trained", number);
    }
    rc = rc == ERR_OK ? drop_erased(w, &info, e) : rc;
    rc = rc == ERR_OK ? blobs_complete(&w->reads, number, &info.bytes, e) : rc;
    info.state = GENERATION_READY;
    info.activate = activate;
    info.summary = summary;
    return rc == ERR_OK ? put_generation(w, &info, e) : rc;
}

err_code generation_finish(store *s, uint32_t number, slice summary, bool activate, err *e)
{
    store_write *w = NULL;
    err_code rc = store_write_begin(s, &w, e);
    if (rc != ERR_OK) {
        return rc;
    }
    rc = finish_in(w, number, summary, activate, e);
    if (rc != ERR_OK) {
        store_write_abort(w);
        return rc;
    }
    return store_write_commit(w, e);
}

/* --- taking away --- */

/* The first step marks the generation as unfinished, so that a kill between the steps leaves
 * something that the sweep finishes. */
static err_code remove_step(store_write *w, uint32_t number, bool *done, err *e)
{
    generation_info info;
    unsigned char key[4];
    err_code rc = borrow_generation(&w->reads, number, &info, e);
    if (rc == ERR_OK && w->state.info.generation == number) {
        rc = err_set(e, ERR_CONFLICT, "generation %u is active: activate another first", number);
    }
    if (rc == ERR_OK && info.state != GENERATION_BUILDING) {
        info.state = GENERATION_BUILDING;
        info.summary = (slice){NULL, 0};
        return put_generation(w, &info, e);
    }
    bool empty = false;
    rc = rc == ERR_OK ? blobs_remove_some(w, number, REMOVE_PIECES, &empty, e) : rc;
    if (rc == ERR_OK && empty) {
        *done = true;
        rc = schema_delete(w, DB_GENERATIONS, number_key(key, number), e);
    }
    return rc;
}

err_code generation_remove(store *s, uint32_t number, err *e)
{
    bool done = false;
    err_code rc = ERR_OK;
    while (rc == ERR_OK && !done) {
        store_write *w = NULL;
        rc = store_write_begin(s, &w, e);
        if (rc != ERR_OK) {
            return rc;
        }
        rc = remove_step(w, number, &done, e);
        if (rc != ERR_OK) {
            store_write_abort(w);
            return rc;
        }
        rc = store_write_commit(w, e);
    }
    return rc;
}

static err_code list_all(store *s, arena *a, const generation_info **list, size_t *count, err *e)
{
    store_read *r = NULL;
    err_code rc = store_read_begin(s, &r, e);
    if (rc == ERR_OK) {
        rc = generation_list(r, a, list, count, e);
        store_read_end(r);
    }
    return rc;
}

err_code generation_prune(store *s, uint32_t keep, uint32_t *removed, err *e)
{
    arena memory;
    const generation_info *list = NULL;
    size_t count = 0;
    uint32_t seen = 0;
    *removed = 0;
    arena_init(&memory, (size_t)256 * 1024 * 1024);
    err_code rc = list_all(s, &memory, &list, &count, e);
    for (size_t i = count; i > 0 && rc == ERR_OK; i--) {
        const generation_info *info = &list[i - 1];
        if (info->active || info->state != GENERATION_READY || seen++ < keep) {
            continue;
        }
        rc = generation_remove(s, info->number, e);
        *removed += rc == ERR_OK;
    }
    arena_fini(&memory);
    return rc;
}

err_code generations_sweep(store *s, err *e)
{
    arena memory;
    const generation_info *list = NULL;
    size_t count = 0;
    arena_init(&memory, (size_t)256 * 1024 * 1024);
    err_code rc = list_all(s, &memory, &list, &count, e);
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        if (list[i].state == GENERATION_BUILDING) {
            rc = generation_remove(s, list[i].number, e);
        }
    }
    arena_fini(&memory);
    return rc;
}

/* --- erasure, and wishes --- */

typedef struct numbers {
    uint32_t list[1024];
    size_t count;
    uint32_t row; /* the user's; or the last number to look at */
} numbers;

static err_code wishes(void *ctx, uint32_t number, slice value, err *e)
{
    numbers *found = ctx;
    generation_info info;
    err_code rc = generation_decode(&info, number, value, e);
    if (rc == ERR_OK && number > found->row) {
        return ERR_CANCELLED;
    }
    if (rc == ERR_OK && info.activate && found->count < sizeof found->list / sizeof *found->list) {
        found->list[found->count++] = number;
    }
    return rc;
}

err_code generations_settle(store_write *w, uint32_t number, err *e)
{
    numbers found = {.row = number};
    err_code rc = record_each(&w->reads, DB_GENERATIONS, 0, wishes, &found, e);
    for (size_t i = 0; i < found.count && rc == ERR_OK; i++) {
        generation_info info;
        arena memory;
        arena_init(&memory, SUMMARY_BYTES_MAX + 1024);
        rc = generation_get(&w->reads, found.list[i], &memory, &info, e);
        info.activate = false;
        rc = rc == ERR_OK ? put_generation(w, &info, e) : rc;
        arena_fini(&memory);
    }
    return rc;
}

static err_code covers_row(void *ctx, uint32_t number, slice value, err *e)
{
    numbers *found = ctx;
    generation_info info;
    err_code rc = generation_decode(&info, number, value, e);
    if (rc == ERR_OK && info.users > found->row) {
        if (found->count == sizeof found->list / sizeof found->list[0]) {
            return err_set(e, ERR_TOO_LARGE, "more than %zu generations: prune first",
                           found->count);
        }
        found->list[found->count++] = number;
    }
    return rc;
}

err_code generations_erase_user(store_write *w, uint32_t row, uint32_t *generations, err *e)
{
    numbers found = {.row = row};
    *generations = 0;
    err_code rc = record_each(&w->reads, DB_GENERATIONS, 0, covers_row, &found, e);
    for (size_t i = 0; i < found.count && rc == ERR_OK; i++) {
        bool changed = false;
        rc = blobs_zero_rows(w, found.list[i], &row, 1, &changed, e);
        *generations += changed;
    }
    return rc;
}
