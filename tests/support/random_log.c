/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/random_log.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/rng.h"
#include "storage/log/message.h"
#include "storage/models/model_private.h"
#include "storage/records/item_text.h"
#include "tests/support/store_fixture.h"

enum { PUBLISHERS = 3, KEYS = 400, OP_BYTES = 1 << 16, MESSAGE_OPS = 6, DAY = 86400 };

typedef struct making {
    rng random;
    arena *a;
    int64_t time;
    /* the number in the last title of each item; 0: it has none */
    uint32_t titles[RANDOM_LOG_ITEMS];
    uint32_t generations; /* generations registered so far */
    uint64_t numbers[PUBLISHERS];
    unsigned char sha256[32];
} making;

static uint32_t below(making *m, uint32_t bound)
{
    return rng_below(&m->random, bound);
}

static slice text(op *o, const char *what, uint32_t n)
{
    return slice_of(arena_printf(&o->memory, "%s%u", what, n));
}

static void *alloc(op *o, size_t count, size_t size)
{
    void *out = arena_alloc(&o->memory, count, size);
    assert_non_null(out);
    return out;
}

/* --- kinds of ops --- */

static void put_feature(making *m, op *o, op_item *it)
{
    static const struct {
        const char *name;
        uint32_t width;
    } kinds[] = {{"text", 4}, {"text", 4}, {"text", 5}, {"image", 2}};
    uint32_t kind = below(m, 4);
    feature *f = alloc(o, 1, sizeof *f);
    float *data = alloc(o, kinds[kind].width, sizeof *data);
    for (uint32_t i = 0; i < kinds[kind].width; i++) {
        data[i] = (float)below(m, 100) / 10;
    }
    *f = (feature){.modality = slice_of(kinds[kind].name),
                   .dtype = FEATURE_F4,
                   .width = kinds[kind].width,
                   .data = below(m, 8) == 0 ? NULL : data};
    it->features = f;
    it->feature_count = 1;
    it->given |= OP_FEATURES;
}

static void put_fields(making *m, op *o, op_item *it, uint32_t item)
{
    if (below(m, 3) > 0) {
        m->titles[item] = 1 + below(m, 50);
        it->title = text(o, "title ", m->titles[item]);
        it->given |= OP_TITLE;
    }
    if (below(m, 4) == 0) {
        slice *categories = alloc(o, 1, sizeof *categories);
        categories[0] = text(o, "c", below(m, 6));
        it->categories = categories;
        it->category_count = 1;
        it->given |= OP_CATEGORIES;
    }
    if (below(m, 4) == 0) {
        attribute *a = alloc(o, 1, sizeof *a);
        a->name = text(o, "a", below(m, 3));
        a->kind = ATTRIBUTE_NUMBER;
        a->number = below(m, 9);
        it->attributes = a;
        it->attribute_count = 1;
        it->given |= OP_ATTRIBUTES;
    }
    if (below(m, 6) == 0) {
        it->hidden = below(m, 2) == 0;
        it->given |= OP_HIDDEN;
    }
    if (below(m, 2) == 0) {
        put_feature(m, o, it);
    }
}

static void make_items(making *m, op *o)
{
    o->count = 1 + below(m, 3);
    op_item *items = alloc(o, o->count, sizeof *items);
    for (uint32_t i = 0; i < o->count; i++) {
        uint32_t item = below(m, RANDOM_LOG_ITEMS);
        items[i].id = text(o, "item-", item);
        items[i].created = m->time;
        if (o->kind != OP_ITEMS_DELETE) {
            put_fields(m, o, &items[i], item);
        }
    }
    o->items = items;
}

/* make_encoded makes a vector for the item's present text, or for an earlier one. */
static void make_encoded(making *m, op *o)
{
    char title[32], composed[ITEM_TEXT_BYTES_MAX];
    uint32_t item = below(m, RANDOM_LOG_ITEMS);
    uint32_t number = below(m, 4) > 0 && m->titles[item] != 0 ? m->titles[item] : 1 + below(m, 50);
    snprintf(title, sizeof title, "title %u", number);
    stored_item like = {.title = slice_of(title)};
    op_item *it = alloc(o, 1, sizeof *it);
    feature *f = alloc(o, 1, sizeof *f);
    float *data = alloc(o, 3, sizeof *data);
    data[0] = (float)number;
    *f = (feature){.modality = slice_of("encoded"), .dtype = FEATURE_F4, .width = 3, .data = data};
    it->id = text(o, "item-", item);
    it->text_hash = item_text_hash(composed, item_text_write(&like, composed));
    it->features = f;
    it->feature_count = 1;
    o->items = it;
    o->count = 1;
}

static void make_interactions(making *m, op *o)
{
    static const char *const types[] = {"view", "purchase", "rating"};
    o->count = 1 + below(m, 4);
    o->create_items = below(m, 3) == 0;
    op_interaction *list = alloc(o, o->count, sizeof *list);
    for (uint32_t i = 0; i < o->count; i++) {
        list[i].user = text(o, "user-", below(m, RANDOM_LOG_USERS));
        list[i].item = text(o, "item-", below(m, RANDOM_LOG_ITEMS));
        list[i].time = m->time - below(m, 1000);
        list[i].weight = (float)(1 + below(m, 5));
        list[i].flags = below(m, 2) == 0 ? EDGE_IN_GRAPH | EDGE_SEEN : EDGE_SEEN;
        bool all = o->kind == OP_INTERACTIONS_REMOVE && below(m, 2) == 0;
        list[i].type = all ? (slice){NULL, 0} : slice_of(types[below(m, 3)]);
    }
    o->interactions = list;
}

generation_id random_log_generation(uint32_t n)
{
    generation_id id = {"a generation no"};
    id.bytes[12] = (unsigned char)(n >> 24);
    id.bytes[13] = (unsigned char)(n >> 16);
    id.bytes[14] = (unsigned char)(n >> 8);
    id.bytes[15] = (unsigned char)n;
    return id;
}

static void make_registration(making *m, op *o)
{
    /* Sometimes one that already has a number, which is refused. */
    bool again = m->generations > 0 && below(m, 3) == 0;
    generation_id id =
        random_log_generation(again ? 1 + below(m, m->generations) : ++m->generations);
    op_registration *g = &o->registration;
    memcpy(g->id, id.bytes, sizeof g->id);
    memcpy(g->sha256, m->sha256, sizeof g->sha256);
    g->created = m->time;
    g->users = RANDOM_LOG_USERS / 2;
    g->items = 1;
    g->bytes = (uint64_t)RANDOM_LOG_USERS / 2 * 8 + 4;
    g->activate = below(m, 2) == 0;
    g->summary = slice_of("{}");
    o->count = 1;
}

typedef struct odds {
    op_kind kind;
    uint32_t share; /* of a thousand */
} odds;

static const odds shares[] = {
    {OP_ITEMS_CREATE, 70},        {OP_ITEMS_PUT, 120},       {OP_ITEMS_PATCH, 80},
    {OP_ITEMS_DELETE, 60},        {OP_ITEMS_ENCODED, 60},    {OP_INTERACTIONS_ADD, 430},
    {OP_INTERACTIONS_REMOVE, 90}, {OP_USER_ERASE, 20},       {OP_GENERATION_ACTIVATE, 40},
    {OP_GENERATION_REGISTER, 20}, {OP_GENERATION_PRUNE, 10},
};

static op_kind draw_kind(making *m)
{
    uint32_t at = below(m, 1000);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (at < shares[i].share) {
            return shares[i].kind;
        }
        at -= shares[i].share;
    }
    return OP_INTERACTIONS_ADD;
}

static void make_content(making *m, op *o)
{
    switch (o->kind) {
    case OP_ITEMS_ENCODED: make_encoded(m, o); return;
    case OP_INTERACTIONS_ADD:
    case OP_INTERACTIONS_REMOVE: make_interactions(m, o); return;
    case OP_USER_ERASE:
        o->user = text(o, "user-", below(m, RANDOM_LOG_USERS));
        o->count = 1;
        return;
    case OP_GENERATION_ACTIVATE:
        o->generation = below(m, m->generations + 4);
        o->count = 1;
        return;
    case OP_GENERATION_REGISTER: make_registration(m, o); return;
    case OP_GENERATION_PRUNE:
        o->keep = below(m, 6);
        o->count = 1;
        return;
    default: make_items(m, o); return;
    }
}

static op *make_op(making *m)
{
    op *o = NULL;
    assert_int_equal(op_new(&o, draw_kind(m), OP_BYTES, NULL), ERR_OK);
    m->time += below(m, 100) > 0 ? below(m, 60) : (int64_t)below(m, 7 * DAY) - 2 * DAY;
    o->time = m->time;
    make_content(m, o);
    if (below(m, 3) == 0 && o->kind != OP_USER_ERASE) {
        uint32_t key = below(m, KEYS);
        o->idempotency_key = text(o, "key-", key);
        memset(o->idempotency_hash, (int)(key + below(m, 4) / 3), sizeof o->idempotency_hash);
        o->answer.errors_max = 10;
        o->answer.list = slice_of(o->interactions != NULL ? "/interactions" : "/items");
        o->answer.request_id = text(o, "request-", below(m, 1000));
    }
    err e = ERR_INIT;
    if (op_check(o, &e) != ERR_OK) {
        fail_msg("op of kind %d: %s", (int)o->kind, e.text);
    }
    return o;
}

/* --- messages --- */

static slice make_message(making *m, size_t *ops)
{
    op *list[MESSAGE_OPS];
    unsigned char publisher[PUBLISHER_BYTES] = "a publisher no";
    uint32_t who = below(m, PUBLISHERS);
    size_t count = below(m, 20) == 0 ? 2 + below(m, MESSAGE_OPS - 1) : 1;
    encoder x;
    for (size_t i = 0; i < count; i++) {
        list[i] = make_op(m);
    }
    publisher[15] = (unsigned char)who;
    encoder_init(&x, 1 << 20);
    message_encode(publisher, ++m->numbers[who], (const op *const *)list, count, &x);
    assert_int_equal(encoder_check(&x, "message", NULL), ERR_OK);
    slice out = arena_slice(m->a, encoder_slice(&x));
    assert_non_null(out.at);
    encoder_fini(&x);
    for (size_t i = 0; i < count; i++) {
        op_free(list[i]);
    }
    *ops += count;
    return out;
}

static void find_sum(unsigned char out[32])
{
    char folder[TEMP_PATH_MAX];
    generation_id id = random_log_generation(0);
    temp_folder(folder);
    store *s = open_store(folder);
    random_log_tables(s, &id);
    assert_int_equal(generation_sum(s, &id, out, NULL), ERR_OK);
    store_close(s);
    temp_remove(folder);
}

void random_log_new(random_log *out, uint64_t seed, size_t ops)
{
    making m = {.a = &out->memory, .time = RANDOM_LOG_NOW};
    memset(out, 0, sizeof *out);
    arena_init(&out->memory, (size_t)1 << 30);
    rng_init(&m.random, seed, 0);
    find_sum(m.sha256);
    memcpy(out->sha256, m.sha256, sizeof out->sha256);
    out->messages = calloc(2 * ops + 2, sizeof *out->messages);
    assert_non_null(out->messages);
    while (out->ops < ops) {
        slice *at = &out->messages[out->count];
        if (out->count > 10 && below(&m, 50) == 0) { /* sent again */
            *at = out->messages[out->count - 1 - below(&m, 10)];
        } else {
            *at = make_message(&m, &out->ops);
        }
        if (out->count > 0 && below(&m, 40) == 0) { /* overtaken */
            slice late = at[-1];
            at[-1] = at[0];
            at[0] = late;
        }
        out->count++;
    }
}

void random_log_free(random_log *log)
{
    free(log->messages);
    arena_fini(&log->memory);
}

void random_log_tables(store *s, const generation_id *id)
{
    static const float users[RANDOM_LOG_USERS / 2 * 2] = {1, 2, 3};
    store_info now;
    assert_int_equal(store_stat(s, &now, NULL), ERR_OK);
    generation_info info = {.id = *id, .users = RANDOM_LOG_USERS / 2, .items = 1};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    assert_int_equal(held_start(s, &info, NULL), ERR_OK);
    assert_int_equal(generation_put(s, id, "user_e", users, sizeof users, 8, NULL), ERR_OK);
    assert_int_equal(generation_put(s, id, "w", "0123", 4, 0, NULL), ERR_OK);
    assert_int_equal(generation_finish(s, id, slice_of("{}"), false, NULL), ERR_OK);
}
