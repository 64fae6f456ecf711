/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held: the tables in this store, from their first byte until they are removed. blobs.c stores
 * their blobs, and generations.c their numbers.
 */
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/blobs.h"
#include "storage/models/model_private.h"

enum { REMOVE_PIECES = 16, HELD_RECORD_BYTES_MAX = GENERATION_SUMMARY_BYTES_MAX + 1024 };

static slice id_key(const generation_id *id)
{
    return (slice){(const char *)id->bytes, GENERATION_ID_BYTES};
}

err_code held_borrow(store_read *r, const generation_id *id, generation_info *out, err *e)
{
    slice value;
    memset(out, 0, sizeof *out);
    err_code code = schema_get(r, DB_HELD, id_key(id), &value, e);
    return code == ERR_OK ? generation_decode(out, value, e) : code;
}

err_code held_put(store_write *w, const generation_info *info, err *e)
{
    encoder x;
    encoder_init(&x, HELD_RECORD_BYTES_MAX);
    generation_encode(info, &x);
    err_code code = encoder_check(&x, "generation", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_HELD, id_key(&info->id), encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}

/* each_held visits every record. A borrowed summary is valid during the visit. ERR_CANCELLED
 * stops. */
typedef err_code (*held_visit)(void *ctx, const generation_info *info, err *e);

static err_code each_held(store_read *r, held_visit visit, void *ctx, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[DB_HELD], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading the generations", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        generation_info info;
        code = generation_decode(&info, slice_of_val(v), e);
        if (code == ERR_OK) {
            code = visit(ctx, &info, e);
        }
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    if (code == ERR_CANCELLED) {
        return ERR_OK;
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading the generations", e);
}

typedef struct held_copies {
    generation_info *list;
    size_t count, room;
} held_copies;

static err_code copy_held(void *ctx, const generation_info *info, err *e)
{
    held_copies *c = ctx;
    generation_info *list = mem_reserve(c->list, &c->room, c->count + 1, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the generations");
    }
    c->list = list;
    c->list[c->count] = *info;
    c->list[c->count++].summary = (slice){NULL, 0};
    return ERR_OK;
}

err_code held_list(store_read *r, generation_info **out, size_t *count, err *e)
{
    held_copies c = {0};
    err_code code = each_held(r, copy_held, &c, e);
    if (code != ERR_OK) {
        mem_free(c.list);
        c = (held_copies){0};
    }
    *out = c.list;
    *count = c.count;
    return code;
}

/* --- in transactions of their own --- */

typedef err_code (*held_change)(store_write *w, void *ctx, err *e);

static err_code change(store *s, held_change make, void *ctx, err *e)
{
    store_write *w = NULL;
    err_code code = store_write_begin(s, &w, e);
    if (code != ERR_OK) {
        return code;
    }
    code = make(w, ctx, e);
    if (code != ERR_OK) {
        store_write_abort(w);
        return code;
    }
    return store_write_commit(w, e);
}

/* --- building --- */

static err_code start_in(store_write *w, void *ctx, err *e)
{
    return held_put(w, ctx, e);
}

err_code held_start(store *s, const generation_info *info, err *e)
{
    generation_info fresh = *info;
    fresh.state = GENERATION_BUILDING;
    fresh.bytes = 0;
    fresh.active_until = 0;
    fresh.activate = false;
    fresh.summary = (slice){NULL, 0};
    return change(s, start_in, &fresh, e);
}

err_code generation_begin(store *s, const generation_info *info, generation_id *id, err *e)
{
    generation_info fresh = *info;
    lineage_new(fresh.id.bytes); /* a random UUID */
    *id = fresh.id;
    return held_start(s, &fresh, e);
}

static err_code borrow_building(store_read *r, const generation_id *id, generation_info *out,
                                err *e)
{
    err_code code = held_borrow(r, id, out, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, code, "the generation in progress was removed");
    }
    if (code == ERR_OK && out->state != GENERATION_BUILDING) {
        return err_set(e, ERR_CONFLICT, "the generation is finished already");
    }
    return code;
}

static err_code put_part(store_write *w, void *ctx, err *e)
{
    const blob_part *p = ctx;
    generation_info info;
    err_code code = borrow_building(&w->reads, p->id, &info, e);
    if (code == ERR_OK && store_quota_room(w->owner, p->part.length) < p->part.length) {
        code = err_set(e, ERR_FULL, "the generation does not fit into the store's quota");
    }
    if (code == ERR_OK && p->at == 0) {
        code = blob_begin(w, p->id, p->name, &p->record, e);
    }
    return code == ERR_OK ? blob_pieces_put(w, p->id, p->name, p->at, p->part, e) : code;
}

err_code held_put_part(store *s, const blob_part *part, err *e)
{
    blob_part copy = *part;
    return change(s, put_part, &copy, e);
}

err_code generation_put(store *s, const generation_id *id, const char *name, const void *data,
                        size_t bytes, size_t user_stride, err *e)
{
    blob_part p = {.id = id, .name = name, .record = {.bytes = bytes, .user_stride = user_stride}};
    err_code code = blob_name_check(name, e);
    bool more = code == ERR_OK;
    while (more) {
        size_t left = bytes - p.at;
        p.part =
            (slice){(const char *)data + p.at, left < BLOB_GROUP_BYTES ? left : BLOB_GROUP_BYTES};
        code = held_put_part(s, &p, e);
        p.at += p.part.length;
        more = code == ERR_OK && p.at < bytes;
    }
    return code;
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
        uint32_t *rows = mem_reserve(gone->rows, &gone->room, gone->count + 1, sizeof *rows);
        if (rows == NULL) {
            return err_nomem(e, "rows of erased users");
        }
        gone->rows = rows;
        gone->rows[gone->count++] = gone->next;
    }
    return ERR_OK;
}

static err_code see_user(void *ctx, uint32_t row, slice value, err *e)
{
    gone_rows *gone = ctx;
    (void)value;
    err_code code = gone_add(gone, row < gone->users ? row : gone->users, e);
    gone->next = row + 1;
    return code == ERR_OK && row >= gone->users ? ERR_CANCELLED : code;
}

static err_code drop_erased(store_write *w, const generation_info *info, err *e)
{
    gone_rows gone = {.users = info->users};
    bool changed = false;
    if (w->state.info.erased_seq <= info->seq) {
        return ERR_OK; /* no user was erased since the data was read */
    }
    err_code code = record_each(&w->reads, DB_USERS, 0, see_user, &gone, e);
    if (code == ERR_OK) {
        code = gone_add(&gone, gone.users, e);
    }
    if (code == ERR_OK) {
        code = blobs_zero_rows(w, &info->id, gone.rows, gone.count, &changed, e);
    }
    mem_free(gone.rows);
    return code;
}

err_code held_complete(store_write *w, generation_info *info, err *e)
{
    err_code code = drop_erased(w, info, e);
    if (code == ERR_OK) {
        code = blobs_complete(&w->reads, &info->id, &info->bytes, e);
    }
    return code == ERR_OK ? held_put(w, info, e) : code;
}

typedef struct finishing {
    const generation_id *id;
    slice summary;
    bool activate;
    unsigned char sha256[SHA256_BYTES];
} finishing;

static err_code finish_in(store_write *w, void *ctx, err *e)
{
    const finishing *f = ctx;
    generation_info info;
    err_code code = borrow_building(&w->reads, f->id, &info, e);
    if (code == ERR_OK && memcmp(info.lineage, w->state.info.lineage, LINEAGE_BYTES) != 0) {
        code = err_set(e, ERR_CONFLICT,
                       "the store's content was replaced while the generation was trained");
    }
    info.state = GENERATION_READY;
    info.activate = f->activate;
    info.summary = f->summary;
    memcpy(info.sha256, f->sha256, sizeof info.sha256);
    return code == ERR_OK ? held_complete(w, &info, e) : code;
}

err_code generation_finish(store *s, const generation_id *id, slice summary, bool activate, err *e)
{
    finishing f = {.id = id, .summary = summary, .activate = activate};
    err_code code = generation_sum(s, id, f.sha256, e);
    return code == ERR_OK ? change(s, finish_in, &f, e) : code;
}

typedef struct oldest {
    arena *a;
    generation_info *out;
    bool found;
    err_code failed;
} oldest;

static err_code keep_oldest(void *ctx, const generation_info *info, err *e)
{
    oldest *o = ctx;
    if (info->state != GENERATION_READY || (o->found && info->created >= o->out->created)) {
        return ERR_OK;
    }
    *o->out = *info;
    o->out->held = true;
    o->out->summary = arena_slice(o->a, info->summary);
    o->found = true;
    return info->summary.at != NULL && o->out->summary.at == NULL ? err_nomem(e, "a generation")
                                                                  : ERR_OK;
}

err_code generation_pending(store_read *r, arena *a, generation_info *out, err *e)
{
    oldest o = {.a = a, .out = out};
    err_code code = each_held(r, keep_oldest, &o, e);
    return code == ERR_OK && !o.found ? ERR_NOT_FOUND : code;
}

/* --- taking away --- */

typedef struct removal {
    const generation_id *id;
    bool done;
} removal;

/* remove_step removes a part of some tables. The first step marks them as unfinished, so that the
 * sweep finishes the removal after a kill. */
static err_code remove_step(store_write *w, void *ctx, err *e)
{
    removal *x = ctx;
    generation_info info;
    bool empty = false;
    err_code code = held_borrow(&w->reads, x->id, &info, e);
    if (code == ERR_NOT_FOUND) {
        x->done = true;
        return ERR_OK;
    }
    if (code == ERR_OK && info.state != GENERATION_BUILDING) {
        info.state = GENERATION_BUILDING;
        info.summary = (slice){NULL, 0};
        return held_put(w, &info, e);
    }
    if (code == ERR_OK) {
        code = blobs_remove_some(w, x->id, REMOVE_PIECES, &empty, e);
    }
    if (code == ERR_OK && empty) {
        x->done = true;
        code = schema_delete(w, DB_HELD, id_key(x->id), e);
    }
    return code;
}

err_code held_remove(store *s, const generation_id *id, err *e)
{
    removal x = {.id = id};
    err_code code = ERR_OK;
    while (code == ERR_OK && !x.done) {
        code = change(s, remove_step, &x, e);
    }
    return code;
}

/* --- erasure --- */

err_code held_erase_user(store_write *w, uint32_t row, err *e)
{
    generation_info *list = NULL;
    size_t count = 0;
    err_code code = held_list(&w->reads, &list, &count, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        bool changed = false;
        if (list[i].users > row) {
            code = blobs_zero_rows(w, &list[i].id, &row, 1, &changed, e);
        }
    }
    mem_free(list);
    return code;
}
