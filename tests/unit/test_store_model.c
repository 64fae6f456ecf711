/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of random writes against a model in memory that states the promises of the API in the
 * plainest way: the answer to each entry, the content afterwards, the seq. From time to time the
 * store is reopened, every record and invariant is verified, and the whole content compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/rng.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/recover.h"
#include "storage/records/features.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"
#include "tests/support/store_fixture.h"

enum { ITEMS = 30, USERS = 15, TYPES = 3, BATCH = 6, GROUP = 4, ROUNDS = 3000, WIDTH = 3 };

typedef struct model_item {
    bool exists, hidden, has_feature, has_price;
    char title[24];
    float feature[WIDTH];
    double price;
    uint64_t updated_seq;
} model_item;

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
    rng random;
    model_item items[ITEMS];
    bool users[USERS];
    int64_t times[USERS][ITEMS][TYPES]; /* 0: none */
    bool before[USERS][ITEMS][TYPES];   /* taken under this id before the item was deleted */
    uint64_t seq;
    bool feature_used; /* the width is fixed */
} world;

static const char *const type_names_used[TYPES] = {"purchase", "view", "cart"};

static slice id_of(op *o, char letter, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%c%u", letter, number);
    return arena_slice(&o->memory, slice_of(text));
}

static bool chance(world *w, uint32_t percent)
{
    return rng_below(&w->random, 100) < percent;
}

/* --- making ops and saying what must come of them --- */

typedef struct wanted {
    op *o;
    err_code codes[BATCH];
    bool accepted;
} wanted;

static void random_content(world *w, op *o, op_item *it)
{
    if (chance(w, 60)) {
        char text[24];
        snprintf(text, sizeof text, "title %u", rng_below(&w->random, 1000));
        it->given |= OP_TITLE;
        it->title = chance(w, 90) ? arena_slice(&o->memory, slice_of(text)) : (slice){NULL, 0};
    }
    if (chance(w, 40)) {
        it->given |= OP_HIDDEN;
        it->hidden = chance(w, 50);
    }
    if (chance(w, 40)) {
        attribute *a = arena_alloc(&o->memory, 1, sizeof *a);
        a->name = slice_of("price");
        a->kind = o->kind == OP_ITEMS_PATCH && chance(w, 30) ? ATTRIBUTE_REMOVED : ATTRIBUTE_NUMBER;
        a->number = rng_below(&w->random, 100);
        it->given |= OP_ATTRIBUTES;
        it->attributes = a;
        it->attribute_count = 1;
    }
    if (chance(w, 40)) {
        float vector[WIDTH + 1] = {(float)rng_below(&w->random, 9), 1, 2, 3};
        feature *f = arena_alloc(&o->memory, 1, sizeof *f);
        f->modality = slice_of("text");
        f->dtype = FEATURE_F4;
        f->width = chance(w, 90) ? WIDTH : WIDTH + 1;
        f->data = chance(w, 80) ? arena_copy(&o->memory, vector, sizeof vector) : NULL;
        it->given |= OP_FEATURES;
        it->features = f;
        it->feature_count = 1;
    }
}

static err_code model_put(world *w, const op *o, const op_item *it, uint32_t number, uint64_t seq)
{
    model_item *m = &w->items[number];
    bool patch = o->kind == OP_ITEMS_PATCH;
    if (o->kind == OP_ITEMS_CREATE && m->exists) {
        return ERR_CONFLICT;
    }
    if (patch && !m->exists) {
        return ERR_NOT_FOUND;
    }
    const feature *f = it->feature_count > 0 ? it->features : NULL;
    if (f != NULL && f->data != NULL) {
        if (w->feature_used && f->width != WIDTH) {
            return ERR_INVALID;
        }
    }
    model_item now = m->exists ? *m : (model_item){.exists = true};
    if (!patch || (it->given & OP_TITLE)) {
        memset(now.title, 0, sizeof now.title);
        if ((it->given & OP_TITLE) && it->title.at != NULL) {
            memcpy(now.title, it->title.at, it->title.length);
        }
    }
    if (!patch || (it->given & OP_HIDDEN)) {
        now.hidden = (it->given & OP_HIDDEN) && it->hidden;
    }
    if (!patch || (it->given & OP_ATTRIBUTES)) {
        now.has_price = (it->given & OP_ATTRIBUTES) && it->attributes[0].kind == ATTRIBUTE_NUMBER;
        now.price = now.has_price ? it->attributes[0].number : 0;
    }
    if (f != NULL) {
        now.has_feature = f->data != NULL;
        if (f->data != NULL) {
            memcpy(now.feature, f->data, sizeof now.feature);
            w->feature_used = true;
        }
    }
    now.updated_seq = seq;
    *m = now;
    return ERR_OK;
}

static void items_op(world *w, wanted *x)
{
    static const op_kind kinds[4] = {OP_ITEMS_CREATE, OP_ITEMS_PUT, OP_ITEMS_PATCH,
                                     OP_ITEMS_DELETE};
    op *o = x->o;
    o->kind = kinds[rng_below(&w->random, 4)];
    op_item *list = arena_alloc(&o->memory, o->count, sizeof *list);
    o->items = list;
    for (uint32_t i = 0; i < o->count; i++) {
        uint32_t number = rng_below(&w->random, ITEMS);
        list[i].id = id_of(o, 'i', number);
        if (o->kind == OP_ITEMS_DELETE) {
            x->codes[i] = w->items[number].exists ? ERR_OK : ERR_NOT_FOUND;
            memset(&w->items[number], 0, sizeof w->items[number]);
            for (int u = 0; u < USERS; u++) {
                for (int t = 0; t < TYPES; t++) {
                    w->before[u][number][t] |= w->times[u][number][t] > 0;
                }
                memset(w->times[u][number], 0, sizeof w->times[u][number]);
            }
        } else {
            random_content(w, o, &list[i]);
            if (!w->feature_used && list[i].feature_count > 0) {
                ((feature *)(uintptr_t)list[i].features)->width = WIDTH;
            }
            x->codes[i] = model_put(w, o, &list[i], number, w->seq + 1);
        }
    }
}

static void interactions_op(world *w, wanted *x)
{
    op *o = x->o;
    o->kind = chance(w, 75) ? OP_INTERACTIONS_ADD : OP_INTERACTIONS_REMOVE;
    o->create_items = chance(w, 20);
    op_interaction *list = arena_alloc(&o->memory, o->count, sizeof *list);
    o->interactions = list;
    for (uint32_t i = 0; i < o->count; i++) {
        uint32_t u = rng_below(&w->random, USERS), it = rng_below(&w->random, ITEMS);
        uint32_t t = rng_below(&w->random, TYPES);
        int64_t *times = w->times[u][it];
        list[i] = (op_interaction){.user = id_of(o, 'u', u),
                                   .item = id_of(o, 'i', it),
                                   .type = slice_of(type_names_used[t]),
                                   .time = 1 + rng_below(&w->random, 1000),
                                   .weight = 1,
                                   .flags = EDGE_IN_GRAPH | EDGE_SEEN};
        bool there = w->items[it].exists;
        if (o->kind == OP_INTERACTIONS_ADD) {
            x->codes[i] = there || o->create_items ? ERR_OK : ERR_NOT_FOUND;
            if (x->codes[i] == ERR_OK) {
                if (!there) {
                    w->items[it] =
                        (model_item){.exists = true, .hidden = true, .updated_seq = w->seq + 1};
                }
                w->users[u] = true;
                times[t] = times[t] > list[i].time ? times[t] : list[i].time;
            }
            continue;
        }
        bool all = chance(w, 40);
        list[i].type = all ? (slice){NULL, 0} : list[i].type;
        bool any = false;
        for (uint32_t k = 0; k < TYPES; k++) {
            any = any || ((all || k == t) && (times[k] > 0 || w->before[u][it][k]));
        }
        x->codes[i] = w->users[u] && there && any ? ERR_OK : ERR_NOT_FOUND;
        for (uint32_t k = 0; k < TYPES; k++) {
            times[k] = all || k == t ? 0 : times[k];
            /* A refusal leaves what was taken of a deleted item. */
            bool taken = x->codes[i] == ERR_OK && (all || k == t);
            w->before[u][it][k] = w->before[u][it][k] && !taken;
        }
    }
}

static void erase_op(world *w, wanted *x)
{
    uint32_t u = rng_below(&w->random, USERS);
    x->o->kind = OP_USER_ERASE;
    x->o->count = 1;
    x->o->user = id_of(x->o, 'u', u);
    x->codes[0] = w->users[u] ? ERR_OK : ERR_NOT_FOUND;
    w->users[u] = false;
    memset(w->times[u], 0, sizeof w->times[u]);
    memset(w->before[u], 0, sizeof w->before[u]);
}

static wanted random_op(world *w)
{
    wanted x = {0};
    assert_int_equal(op_new(&x.o, OP_ITEMS_PUT, 1 << 20, NULL), ERR_OK);
    x.o->time = 1700000000;
    x.o->count = 1 + rng_below(&w->random, BATCH);
    uint32_t kind = rng_below(&w->random, 100);
    if (kind < 45) {
        items_op(w, &x);
    } else if (kind < 93) {
        interactions_op(w, &x);
    } else {
        erase_op(w, &x);
    }
    for (uint32_t i = 0; i < x.o->count; i++) {
        x.accepted = x.accepted || x.codes[i] == ERR_OK;
    }
    w->seq += x.accepted;
    assert_int_equal(op_check(x.o, NULL), ERR_OK);
    return x;
}

static void apply_some(world *w)
{
    wanted x[GROUP];
    const op *ops[GROUP];
    apply_result results[GROUP];
    uint64_t seqs[GROUP];
    size_t count = 1 + rng_below(&w->random, GROUP);
    for (size_t i = 0; i < count; i++) {
        x[i] = random_op(w);
        ops[i] = x[i].o;
        seqs[i] = w->seq;
        apply_result_init(&results[i]);
    }
    err e = ERR_INIT;
    if (apply_group(w->s, ops, count, results, &e) != ERR_OK) {
        fail_msg("apply_group: %s", e.text);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].seq, seqs[i]);
        assert_int_equal(results[i].code == ERR_OK, x[i].accepted);
        for (uint32_t j = 0; j < ops[i]->count; j++) {
            assert_int_equal(results[i].entries[j].code, x[i].codes[j]);
        }
        apply_result_fini(&results[i]);
        op_free(x[i].o);
    }
}

/* --- comparing --- */

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    print_error("check: %s\n", text);
}

static uint32_t number_in(slice id)
{
    char text[16] = "";
    assert_in_range(id.length, 2, 8);
    memcpy(text, id.at + 1, id.length - 1);
    return (uint32_t)strtoul(text, NULL, 10);
}

typedef struct comparing {
    world *w;
    store_read *r;
    uint32_t items, users, records;
    uint32_t item_numbers[60000], user_numbers[60000];
} comparing;

static err_code compare_item(void *ctx, const stored_item *it, err *e)
{
    comparing *c = ctx;
    arena memory;
    const feature *features = NULL;
    size_t count = 0;
    (void)e;
    c->item_numbers[it->row] = UINT32_MAX;
    if (it->deleted) {
        return ERR_OK;
    }
    uint32_t number = number_in(it->id);
    const model_item *m = &c->w->items[number];
    c->item_numbers[it->row] = number;
    c->items++;
    assert_true(m->exists);
    assert_int_equal(it->hidden, m->hidden);
    assert_int_equal(it->updated_seq, m->updated_seq);
    assert_int_equal(it->title.length, strlen(m->title));
    assert_memory_equal(it->title.length > 0 ? it->title.at : "", m->title, it->title.length);
    assert_int_equal(it->attribute_count, m->has_price);
    assert_true(!m->has_price || it->attributes[0].number == m->price);
    arena_init(&memory, 1 << 20);
    assert_int_equal(features_get(c->r, it->row, &memory, &features, &count, NULL), ERR_OK);
    assert_int_equal(count, m->has_feature);
    if (m->has_feature) {
        assert_memory_equal(features[0].data, m->feature, sizeof m->feature);
    }
    arena_fini(&memory);
    return ERR_OK;
}

static err_code compare_user(void *ctx, const stored_user *u, err *e)
{
    comparing *c = ctx;
    (void)e;
    c->users++;
    c->user_numbers[u->row] = number_in(u->id);
    assert_true(c->w->users[c->user_numbers[u->row]]);
    return ERR_OK;
}

static err_code compare_record(void *ctx, const interaction *x, err *e)
{
    comparing *c = ctx;
    uint32_t it = c->item_numbers[x->item];
    (void)e;
    if (it == UINT32_MAX) {
        return ERR_OK; /* with a deleted item: it only marks the item as seen */
    }
    arena memory;
    const slice *names = NULL;
    size_t count = 0;
    arena_init(&memory, 1 << 16);
    assert_int_equal(type_names(c->r, &memory, &names, &count, NULL), ERR_OK);
    uint32_t t = 0;
    while (!slice_equal(names[x->type], slice_of(type_names_used[t]))) {
        t++;
    }
    assert_int_equal(x->time, c->w->times[c->user_numbers[x->user]][it][t]);
    c->records++;
    arena_fini(&memory);
    return ERR_OK;
}

static void compare(world *w)
{
    comparing *c = calloc(1, sizeof *c);
    check_options options = {.problem = print_problem};
    check_report report;
    uint32_t items = 0, users = 0, records = 0;
    c->w = w;
    assert_int_equal(check_run(w->s, &options, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.info.seq, w->seq);
    assert_int_equal(store_read_begin(w->s, &c->r, NULL), ERR_OK);
    assert_int_equal(item_each(c->r, 0, compare_item, c, NULL), ERR_OK);
    assert_int_equal(user_each(c->r, 0, compare_user, c, NULL), ERR_OK);
    assert_int_equal(interactions_each(c->r, compare_record, c, NULL), ERR_OK);
    for (int i = 0; i < ITEMS; i++) {
        items += w->items[i].exists;
    }
    for (int u = 0; u < USERS; u++) {
        users += w->users[u];
        for (int i = 0; i < ITEMS; i++) {
            for (int t = 0; t < TYPES; t++) {
                records += w->times[u][i][t] > 0;
            }
        }
        char id[16];
        uint64_t places = 0;
        snprintf(id, sizeof id, "u%d", u);
        check_options quiet = {0};
        assert_int_equal(check_user(w->s, slice_of(id), &quiet, &places, NULL), ERR_OK);
        if (!w->users[u] && places > 0) {
            assert_int_equal(check_user(w->s, slice_of(id), &options, &places, NULL), ERR_OK);
            fail_msg("user %s is gone and left in %d places", id, (int)places);
        }
    }
    assert_int_equal(c->items, items);
    assert_int_equal(c->users, users);
    assert_int_equal(c->records, records);
    store_read_end(c->r);
    free(c);
}

static void random_writes_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        world *w = calloc(1, sizeof *w);
        store_options options = {
            .mode = STORE_OWNER, .create = true, .no_sync = true, .oplog_bytes = 100000};
        temp_folder(w->folder);
        rng_init(&w->random, seed, 0);
        assert_int_equal(recover_open(&w->s, w->folder, &options, NULL), ERR_OK);
        for (int round = 0; round < ROUNDS; round++) {
            apply_some(w);
            if (rng_below(&w->random, 300) == 0) {
                store_close(w->s);
                assert_int_equal(recover_open(&w->s, w->folder, &options, NULL), ERR_OK);
                compare(w);
            }
        }
        compare(w);
        store_close(w->s);
        temp_remove(w->folder);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_writes_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
