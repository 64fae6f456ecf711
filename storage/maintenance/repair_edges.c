/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_edges: repairs interactions that differ between the two places where each is stored: under
 * its user and under its item.
 *
 * If only one side has a record, it is copied to the other side. A record that cannot be valid is
 * dropped if the other side has the complete one: it does not decode, refers to a row or a type
 * that does not exist, or occupies the place of a record that both sides have. If two valid records
 * disagree, nothing shows which one is right. Both stay, and the check reports them.
 */
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "storage/env/checksum.h"
#include "storage/maintenance/repair_private.h"
#include "storage/records/records.h"

/* The most records of a kind that are kept for comparison, because the comparison is quadratic. */
enum { EDGES_KEPT_MAX = 4096, EDGES_ARENA_BYTES = 16 * 1024 * 1024 };

typedef struct lone_edge {
    interaction edge;
    /* this record and one of the other side may be versions of the same interaction */
    bool unsure;
    bool claimed; /* this record is the intact version of a broken one on the other side */
} lone_edge;

typedef struct broken_edge {
    slice key;
    unsigned char value[EDGE_VALUE_BYTES];
} broken_edge;

typedef struct edge_side {
    store_db db;
    bool by_user;
    const char *name;
    MDB_cursor *look;
    uint64_t sum, count; /* over all records; equal sets have equal sums */
    bool undecodable, broken_left;
    bool misordered; /* keys are out of order, so a search may miss records */
    unsigned char last[4 + EDGE_VALUE_BYTES];
    /* at most EDGES_KEPT_MAX are kept, but all are counted */
    uint64_t lone_count, broken_count, unsure_count;
    lone_edge *lone;
    broken_edge *broken;
    size_t lone_room, broken_room;
} edge_side;

struct repair_edges {
    edge_side sides[2]; /* by_user, by_item */
    edge_side *walked;
    uint64_t types, restored;
    uint64_t sum; /* sum of the side that records are restored to */
    arena memory; /* memory of keys */
};

static edge_side *across(repairing *x, const edge_side *s)
{
    return &x->edges->sides[s->by_user];
}

/* --- do both sides agree? --- */

static err_code walk(repairing *x, edge_side *s, repair_visit visit, err *e)
{
    x->edges->walked = s;
    return repair_walk(x, s->db, visit, e);
}

static bool refers_to_records(const repairing *x, const interaction *it)
{
    const store_info *info = &x->w->state.info;
    return it->user < info->user_rows && bits_test(x->user_rows, it->user) &&
           it->item < info->item_rows && bits_test(x->item_rows, it->item) &&
           it->type < x->edges->types;
}

static bool decode(const edge_side *s, interaction *out, slice key, slice value)
{
    return key.length == 4 && edge_decode(out, s->by_user, get_be32(key.at), value, NULL) == ERR_OK;
}

static err_code order_visit(repairing *x, slice key, slice value, err *e)
{
    unsigned char now[4 + EDGE_VALUE_BYTES];
    edge_side *s = x->edges->walked;
    (void)e;
    if (key.length == 4 && value.length == EDGE_VALUE_BYTES) {
        memcpy(now, key.at, 4);
        memcpy(now + 4, value.at, EDGE_VALUE_BYTES);
        s->misordered = s->misordered || memcmp(s->last, now, sizeof now) > 0;
        memcpy(s->last, now, sizeof now);
    }
    return ERR_OK;
}

static err_code sum_visit(repairing *x, slice key, slice value, err *e)
{
    interaction it;
    unsigned char bytes[EDGE_VALUE_BYTES + 4];
    edge_side *s = x->edges->walked;
    (void)order_visit(x, key, value, e);
    s->count++;
    if (!decode(s, &it, key, value)) {
        s->undecodable = true;
        return ERR_OK;
    }
    x->lost_rows = x->lost_rows || !refers_to_records(x, &it);
    edge_encode(&it, true, bytes);
    put_be32(bytes + EDGE_VALUE_BYTES, it.user);
    s->sum += checksum64(bytes, sizeof bytes);
    return ERR_OK;
}

/* --- records that only one side has --- */

typedef enum counterpart {
    COUNTERPART_SAME,
    COUNTERPART_DIFFERS, /* same user, item and type, but another member differs */
    COUNTERPART_NONE,    /* or one that does not decode */
} counterpart;

static err_code find_counterpart(const edge_side *in, const interaction *it, counterpart *out,
                                 interaction *found, err *e)
{
    unsigned char key[4], value[EDGE_VALUE_BYTES], prefix[EDGE_VALUE_BYTES] = {0};
    put_be32(key, in->by_user ? it->user : it->item);
    edge_encode(it, in->by_user, value);
    MDB_val k = val_of(key, sizeof key), v = val_of(value, sizeof value);
    *out = COUNTERPART_SAME;
    *found = *it;
    int rc = mdb_cursor_get(in->look, &k, &v, MDB_GET_BOTH);
    if (rc != MDB_NOTFOUND) {
        return schema_error(rc, "repairing interactions", e);
    }
    memcpy(prefix, value, 5); /* the bytes of the other side's row and of the type */
    k = val_of(key, sizeof key);
    v = val_of(prefix, sizeof prefix);
    rc = mdb_cursor_get(in->look, &k, &v, MDB_GET_BOTH_RANGE);
    bool there = rc == 0 && memcmp(v.mv_data, prefix, 5) == 0 &&
                 edge_decode(found, in->by_user, get_be32(key), slice_of_val(v), NULL) == ERR_OK;
    *out = there ? COUNTERPART_DIFFERS : COUNTERPART_NONE;
    return rc == MDB_NOTFOUND ? ERR_OK : schema_error(rc, "repairing interactions", e);
}

static err_code keep_broken(repairing *x, edge_side *s, slice key, slice value, err *e)
{
    if (value.length != EDGE_VALUE_BYTES) {
        s->broken_count = EDGES_KEPT_MAX; /* it cannot be matched up, so nothing is dropped */
    }
    if (s->broken_count++ >= EDGES_KEPT_MAX) {
        return ERR_OK;
    }
    size_t count = (size_t)s->broken_count;
    broken_edge *list = mem_reserve(s->broken, &s->broken_room, count, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the repair");
    }
    s->broken = list;
    list[count - 1].key = arena_slice(&x->edges->memory, key);
    memcpy(list[count - 1].value, value.at, EDGE_VALUE_BYTES);
    return list[count - 1].key.at != NULL ? ERR_OK : err_nomem(e, "the repair");
}

static err_code keep_lone(edge_side *s, const interaction *it, err *e)
{
    if (s->lone_count++ >= EDGES_KEPT_MAX) {
        return ERR_OK;
    }
    size_t count = (size_t)s->lone_count;
    lone_edge *list = mem_reserve(s->lone, &s->lone_room, count, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "the repair");
    }
    s->lone = list;
    list[count - 1] = (lone_edge){.edge = *it};
    return ERR_OK;
}

static err_code survey_visit(repairing *x, slice key, slice value, err *e)
{
    interaction it, theirs;
    counterpart has, back;
    edge_side *s = x->edges->walked;
    if (!decode(s, &it, key, value)) {
        return keep_broken(x, s, key, value, e);
    }
    err_code code = find_counterpart(across(x, s), &it, &has, &theirs, e);
    if (code != ERR_OK || has == COUNTERPART_SAME) {
        return code;
    }
    if (has == COUNTERPART_NONE) {
        return refers_to_records(x, &it) ? keep_lone(s, &it, e) : keep_broken(x, s, key, value, e);
    }
    code = find_counterpart(s, &theirs, &back, &it, e);
    return code == ERR_OK && back == COUNTERPART_SAME ? keep_broken(x, s, key, value, e) : code;
}

/* --- two records that may be versions of one --- */

static bool may_be_one(const interaction *a, const interaction *b)
{
    unsigned char of_a[EDGE_VALUE_BYTES], of_b[EDGE_VALUE_BYTES];
    int same = (a->user == b->user) + (a->item == b->item) + (a->type == b->type);
    edge_encode(a, true, of_a);
    edge_encode(b, true, of_b);
    /* the bytes after the type */
    return same == 2 && memcmp(of_a + 5, of_b + 5, EDGE_VALUE_BYTES - 5) == 0;
}

static void find_unsure(edge_side *a, edge_side *b)
{
    for (size_t i = 0; i < a->lone_count; i++) {
        for (size_t j = 0; j < b->lone_count; j++) {
            if (may_be_one(&a->lone[i].edge, &b->lone[j].edge)) {
                a->lone[i].unsure = b->lone[j].unsure = true;
            }
        }
    }
    for (size_t i = 0; i < a->lone_count; i++) {
        a->unsure_count += a->lone[i].unsure;
    }
    for (size_t j = 0; j < b->lone_count; j++) {
        b->unsure_count += b->lone[j].unsure;
    }
}

/* was_this returns true if a broken record differs from the lone one in one member only. */
static bool was_this(const edge_side *s, const broken_edge *broken, const interaction *lone)
{
    static const struct {
        size_t at, bytes;
    } members[] = {{0, 4}, {4, 1}, {5, 1}, {6, 1}, {7, 1}, {8, 8}, {16, 4}};
    unsigned char key[4], value[EDGE_VALUE_BYTES];
    put_be32(key, s->by_user ? lone->user : lone->item);
    edge_encode(lone, s->by_user, value);
    int differ = !slice_equal(broken->key, (slice){(const char *)key, sizeof key});
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        size_t at = members[i].at;
        differ += memcmp(broken->value + at, value + at, members[i].bytes) != 0;
    }
    return differ <= 1;
}

static bool claim(const edge_side *s, const broken_edge *broken, edge_side *theirs)
{
    for (size_t i = 0; i < theirs->lone_count && i < EDGES_KEPT_MAX; i++) {
        lone_edge *lone = &theirs->lone[i];
        if (!lone->unsure && !lone->claimed && was_this(s, broken, &lone->edge)) {
            lone->claimed = true;
            return true;
        }
    }
    return false;
}

/* --- changes --- */

static bool is_broken(const edge_side *s, slice key, slice value)
{
    for (size_t i = 0; i < s->broken_count; i++) {
        if (slice_equal(s->broken[i].key, key) && value.length == EDGE_VALUE_BYTES &&
            memcmp(s->broken[i].value, value.at, EDGE_VALUE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* delete_broken walks over all records, because a search can miss keys that are out of order. */
static err_code delete_broken(const edge_side *s, uint64_t *sum, err *e)
{
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_get(s->look, &k, &v, MDB_FIRST);
    while (rc == 0) {
        if (is_broken(s, slice_of_val(k), slice_of_val(v))) {
            *sum -= repair_hash(slice_of_val(k), slice_of_val(v));
            rc = mdb_cursor_del(s->look, 0);
        }
        rc = rc == 0 ? mdb_cursor_get(s->look, &k, &v, MDB_NEXT) : rc;
    }
    return rc == MDB_NOTFOUND ? ERR_OK : schema_error(rc, "repairing interactions", e);
}

/* drop_broken drops broken records, if the other side has the complete version of each. */
static err_code drop_broken(repairing *x, edge_side *s, err *e)
{
    edge_side *theirs = across(x, s);
    s->broken_left = s->broken_count > EDGES_KEPT_MAX;
    for (size_t i = 0; i < s->broken_count && !s->broken_left; i++) {
        s->broken_left = !claim(s, &s->broken[i], theirs);
    }
    if (s->broken_count == 0 || s->broken_left) {
        return ERR_OK;
    }
    uint64_t sum = 0;
    err_code code = repair_sum(x, s->db, &sum, e);
    if (code == ERR_OK) {
        code = delete_broken(s, &sum, e);
    }
    if (code == ERR_OK) {
        code = repair_verify(x, s->db, sum, e);
    }
    if (code == ERR_OK && s->misordered) { /* check whether the dropped records were the cause */
        s->misordered = false;
        memset(s->last, 0, sizeof s->last);
        code = walk(x, s, order_visit, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    repair_told(x, "dropped %llu damaged interactions under %s: those under %s are whole",
                (unsigned long long)s->broken_count, s->name, theirs->name);
    return ERR_OK;
}

static bool is_unsure(const edge_side *s, const interaction *it)
{
    for (size_t i = 0; s->unsure_count > 0 && i < s->lone_count; i++) {
        const interaction *lone = &s->lone[i].edge;
        if (s->lone[i].unsure && lone->user == it->user && lone->item == it->item &&
            lone->type == it->type) {
            return true;
        }
    }
    return false;
}

static err_code restore_visit(repairing *x, slice key, slice value, err *e)
{
    interaction it, found;
    counterpart has;
    unsigned char row[4], copy[EDGE_VALUE_BYTES];
    const edge_side *s = x->edges->walked, *to = across(x, s);
    if (!decode(s, &it, key, value) || !refers_to_records(x, &it) || is_unsure(s, &it)) {
        return ERR_OK;
    }
    err_code code = find_counterpart(to, &it, &has, &found, e);
    if (code != ERR_OK || has != COUNTERPART_NONE) {
        return code;
    }
    put_be32(row, to->by_user ? it.user : it.item);
    edge_encode(&it, to->by_user, copy);
    slice at = {(const char *)row, sizeof row}, what = {(const char *)copy, sizeof copy};
    x->edges->restored++;
    x->edges->sum += repair_hash(at, what);
    return schema_put(x->w, to->db, at, what, e);
}

/* --- all --- */

static err_code restore(repairing *x, edge_side *from, err *e)
{
    const edge_side *to = across(x, from);
    if (from->lone_count == from->unsure_count || to->broken_left || to->misordered) {
        return ERR_OK;
    }
    x->edges->restored = 0;
    err_code code = repair_sum(x, to->db, &x->edges->sum, e);
    if (code == ERR_OK) {
        code = walk(x, from, restore_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_verify(x, to->db, x->edges->sum, e);
    }
    if (code == ERR_OK && x->edges->restored > 0) {
        repair_told(x, "restored %llu interactions under %s, from those under %s",
                    (unsigned long long)x->edges->restored, to->name, from->name);
    }
    return code;
}

static err_code mend(repairing *x, edge_side *users, edge_side *items, err *e)
{
    err_code code = walk(x, users, survey_visit, e);
    if (code == ERR_OK) {
        code = walk(x, items, survey_visit, e);
    }
    bool both = users->lone_count > 0 && items->lone_count > 0;
    if (code != ERR_OK ||
        (both && (users->lone_count > EDGES_KEPT_MAX || items->lone_count > EDGES_KEPT_MAX))) {
        return code; /* too many to match up: the check reports them */
    }
    if (both) {
        find_unsure(users, items);
    }
    code = drop_broken(x, users, e);
    if (code == ERR_OK) {
        code = drop_broken(x, items, e);
    }
    if (code == ERR_OK) {
        code = restore(x, users, e);
    }
    return code == ERR_OK ? restore(x, items, e) : code;
}

static err_code repair_sides(repairing *x, err *e)
{
    MDB_stat types;
    edge_side *users = &x->edges->sides[0], *items = &x->edges->sides[1];
    struct store *owner = x->w->owner;
    int rc = mdb_stat(x->w->txn, owner->dbi[DB_TYPES], &types);
    rc = rc == 0 ? mdb_cursor_open(x->w->txn, owner->dbi[DB_BY_USER], &users->look) : rc;
    rc = rc == 0 ? mdb_cursor_open(x->w->txn, owner->dbi[DB_BY_ITEM], &items->look) : rc;
    if (rc != 0) {
        return schema_error(rc, "repairing interactions", e);
    }
    x->edges->types = types.ms_entries;
    err_code code = walk(x, users, sum_visit, e);
    if (code == ERR_OK) {
        code = walk(x, items, sum_visit, e);
    }
    bool same = users->count == items->count && users->sum == items->sum && !users->undecodable &&
                !items->undecodable;
    return code != ERR_OK || same ? code : mend(x, users, items, e);
}

err_code repair_interactions(repairing *x, err *e)
{
    struct repair_edges edges = {.sides = {{.db = DB_BY_USER, .by_user = true, .name = "users"},
                                           {.db = DB_BY_ITEM, .by_user = false, .name = "items"}}};
    arena_init(&edges.memory, EDGES_ARENA_BYTES);
    x->edges = &edges;
    err_code code = repair_sides(x, e);
    x->edges = NULL;
    for (size_t i = 0; i < 2; i++) {
        mdb_cursor_close(edges.sides[i].look);
        mem_free(edges.sides[i].lone);
        mem_free(edges.sides[i].broken);
    }
    arena_fini(&edges.memory);
    return code;
}
