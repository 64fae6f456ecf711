/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/model/model.h"
#include "core/search/index.h"
#include "tests/support/shop_links.h"

void shop_init(shop *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    rng_init(&s->random, seed, 0);
    err e = ERR_INIT;
    assert_int_equal(live_new(&s->live, NULL, &e), ERR_OK);
}

void shop_fini(shop *s)
{
    live_free(s->live);
    s->live = NULL;
}

static void send(shop *s, const change *changes, size_t count)
{
    err e = ERR_INIT;
    change_list list = {changes, count, ++s->seq};
    if (live_apply(s->live, &list, &e) != ERR_OK) {
        fail_msg("live_apply: %s", e.text);
    }
}

static void randomise(shop *s, shop_item *item)
{
    rng *r = &s->random;
    item->hidden = rng_below(r, 8) == 0;
    item->categories = rng_below(r, 1U << SHOP_CATEGORIES) & rng_below(r, 1U << SHOP_CATEGORIES);
    item->created = (int64_t)rng_below(r, 1000);
    item->price = rng_below(r, 5) == 0 ? (double)NAN : (double)rng_below(r, 100) - 20;
    item->brand = (int)rng_below(r, 5) - 1;
    item->stock = (int)rng_below(r, 3) - 1;
    item->tags = rng_below(r, 8);
    item->has_text = rng_below(r, 5) != 0;
    item->has_image = rng_below(r, 3) != 0;
    for (size_t j = 0; j < SHOP_TEXT; j++) {
        item->text[j] = (float)rng_normal(r);
    }
    for (size_t j = 0; j < SHOP_IMAGE; j++) {
        item->image[j] = (float)rng_normal(r);
    }
}

static slice text_in(char *room, const char *format, unsigned n)
{
    int length = snprintf(room, 12, format, n);
    return (slice){room, (size_t)length};
}

change shop_item_change(shop *s, uint32_t row, bool features, shop_change_room *room)
{
    const shop_item *in = &s->items[row];
    uint32_t categories = 0, attributes = 0, tags = 0, given = 0, texts = 0;
    for (unsigned c = 0; c < SHOP_CATEGORIES; c++) {
        if ((in->categories >> c & 1) != 0) {
            room->categories[categories++] = text_in(room->texts[texts++], "c%u", c);
        }
    }
    if (in->brand >= 0) {
        room->attributes[attributes++] =
            (attribute){.name = slice_of("brand"),
                        .kind = ATTRIBUTE_TEXT,
                        .text = text_in(room->texts[texts++], "brand%u", (unsigned)in->brand)};
    }
    if (!isnan(in->price)) {
        room->attributes[attributes++] =
            (attribute){.name = slice_of("price"), .kind = ATTRIBUTE_NUMBER, .number = in->price};
    }
    if (in->stock >= 0) {
        room->attributes[attributes++] =
            (attribute){.name = slice_of("stock"), .kind = ATTRIBUTE_BOOL, .truth = in->stock == 1};
    }
    for (unsigned t = 0; t < 3; t++) {
        if ((in->tags >> t & 1) != 0) {
            room->tags[tags++] = text_in(room->texts[texts++], "tag%u", t);
        }
    }
    if (tags > 0) {
        room->attributes[attributes++] = (attribute){.name = slice_of("tags"),
                                                     .kind = ATTRIBUTE_TEXTS,
                                                     .texts = room->tags,
                                                     .text_count = tags};
    }
    if (in->has_image) {
        room->features[given++] = (feature){.modality = slice_of("image"),
                                            .dtype = FEATURE_F4,
                                            .width = SHOP_IMAGE,
                                            .data = in->image};
    }
    if (in->has_text) {
        room->features[given++] = (feature){.modality = slice_of("text"),
                                            .dtype = FEATURE_F4,
                                            .width = SHOP_TEXT,
                                            .data = in->text};
    }
    room->item = (change_item){.row = row,
                               .hidden = in->hidden,
                               .features_changed = features,
                               .id = slice_of(in->id),
                               .created_at = in->created,
                               .categories = room->categories,
                               .category_count = categories,
                               .attributes = room->attributes,
                               .attribute_count = attributes,
                               .features = room->features,
                               .feature_count = features ? given : 0};
    return (change){.kind = CHANGE_ITEM, .item = &room->item};
}

void shop_put_item(shop *s, uint32_t row, bool features)
{
    shop_change_room room;
    change c = shop_item_change(s, row, features, &room);
    send(s, &c, 1);
}

uint32_t shop_add_item(shop *s)
{
    assert_true(s->item_rows < SHOP_ITEMS_MAX);
    uint32_t row = (uint32_t)s->item_rows++;
    shop_item *item = &s->items[row];
    randomise(s, item);
    item->exists = true;
    snprintf(item->id, sizeof item->id, "item %u", row);
    shop_put_item(s, row, true);
    return row;
}

void shop_drop_item(shop *s, uint32_t row)
{
    s->items[row].exists = false;
    change c = {.kind = CHANGE_ITEM_GONE, .row.row = row};
    send(s, &c, 1);
}

uint32_t shop_add_user(shop *s)
{
    assert_true(s->user_rows < SHOP_USERS_MAX);
    uint32_t row = (uint32_t)s->user_rows++;
    shop_user *user = &s->users[row];
    user->exists = true;
    snprintf(user->id, sizeof user->id, "user %u", row);
    change c = {.kind = CHANGE_USER, .row = {.row = row, .id = slice_of(user->id)}};
    send(s, &c, 1);
    return row;
}

static void drop_user(shop *s, uint32_t row)
{
    s->users[row].exists = false;
    s->users[row].edge_count = 0;
    change c = {.kind = CHANGE_USER_GONE, .row.row = row};
    send(s, &c, 1);
}

static size_t edge_place(const shop_user *user, uint32_t item, uint8_t type)
{
    size_t at = 0;
    while (at < user->edge_count &&
           (user->edges[at].item < item ||
            (user->edges[at].item == item && user->edges[at].type < type))) {
        at++;
    }
    return at;
}

void shop_edge(shop *s, uint32_t user, uint32_t item, uint8_t type)
{
    static const uint8_t flags[] = {EDGE_IN_GRAPH | EDGE_SEEN, EDGE_IN_GRAPH, EDGE_SEEN};
    static const float weights[] = {1, 0.25F, 1};
    shop_user *u = &s->users[user];
    size_t at = edge_place(u, item, type);
    bool known = at < u->edge_count && u->edges[at].item == item && u->edges[at].type == type;
    if (!known && u->edge_count == SHOP_EDGES_MAX) {
        return;
    }
    if (!known) {
        memmove(&u->edges[at + 1], &u->edges[at], (u->edge_count - at) * sizeof u->edges[0]);
        u->edge_count++;
        u->edges[at] = (live_edge){.item = item, .type = type};
        u->edges[at].split = rng_below(&s->random, 6) == 0 ? 2 : 0;
    }
    u->edges[at].flags = flags[type];
    u->edges[at].weight = weights[type];
    u->edges[at].time = (uint32_t)s->seq / 2; /* two consecutive ones have the same time */
    change c = {.kind = CHANGE_EDGE,
                .edge = {.user = user,
                         .item = item,
                         .type = type,
                         .split = u->edges[at].split,
                         .flags = flags[type],
                         .known = known,
                         .weight = weights[type],
                         .time = u->edges[at].time}};
    send(s, &c, 1);
}

void shop_drop_edge(shop *s, uint32_t user, size_t at)
{
    shop_user *u = &s->users[user];
    live_edge gone = u->edges[at];
    u->edge_count--;
    memmove(&u->edges[at], &u->edges[at + 1], (u->edge_count - at) * sizeof u->edges[0]);
    change c = {.kind = CHANGE_EDGE_GONE,
                .edge = {.user = user, .item = gone.item, .type = gone.type}};
    send(s, &c, 1);
}

static uint32_t some_item(shop *s)
{
    for (int tries = 0; tries < 1000; tries++) {
        uint32_t row = rng_below(&s->random, (uint32_t)s->item_rows);
        if (s->items[row].exists) {
            return row;
        }
    }
    return 0;
}

static uint32_t some_user(shop *s)
{
    for (int tries = 0; tries < 1000; tries++) {
        uint32_t row = rng_below(&s->random, (uint32_t)s->user_rows);
        if (s->users[row].exists) {
            return row;
        }
    }
    return 0;
}

void shop_fill(shop *s, size_t items, size_t users, size_t interactions)
{
    for (size_t i = 0; i < items; i++) {
        shop_add_item(s);
    }
    for (size_t i = 0; i < users; i++) {
        shop_add_user(s);
    }
    for (size_t i = 0; i < interactions; i++) {
        shop_edge(s, some_user(s), some_item(s), (uint8_t)rng_below(&s->random, 3));
    }
}

void shop_step(shop *s)
{
    uint32_t kind = rng_below(&s->random, 100);
    if (kind < 8 && s->item_rows < SHOP_ITEMS_MAX) {
        shop_add_item(s);
    } else if (kind < 20) {
        uint32_t row = some_item(s);
        bool features = rng_below(&s->random, 2) == 0;
        randomise(s, &s->items[row]);
        shop_put_item(s, row, features);
    } else if (kind < 24) {
        shop_drop_item(s, some_item(s));
    } else if (kind < 27 && s->user_rows < SHOP_USERS_MAX) {
        shop_add_user(s);
    } else if (kind < 28) {
        drop_user(s, some_user(s));
    } else if (kind < 38) {
        uint32_t user = some_user(s);
        if (s->users[user].edge_count > 0) {
            shop_drop_edge(s, user, rng_below(&s->random, (uint32_t)s->users[user].edge_count));
        }
    } else {
        shop_edge(s, some_user(s), some_item(s), (uint8_t)rng_below(&s->random, 3));
    }
}

static void fill_normal(rng *r, float *x, size_t count, double scale)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)(scale * rng_normal(r));
    }
}

static void fill_modality(model *m, size_t index, const char *name, size_t width, rng *r)
{
    assert_int_equal(model_modality_alloc(m, index, name, width, NULL), ERR_OK);
    model_modality *modality = &m->modalities[index];
    modality->neighbours = index == 0 ? 5 : 1;
    fill_normal(r, modality->mean, width, 0.1);
    fill_normal(r, modality->projection, width * m->dim, 0.3);
    fill_normal(r, modality->content, m->items * m->dim, 1);
    for (size_t j = 0; j < m->dim; j++) {
        modality->spread[j] = 1 / (1 + (float)j);
    }
    for (size_t i = 0; i < m->items; i += 7) {
        for (size_t j = 0; j < m->dim; j++) {
            modality->content[i * m->dim + j] = NAN;
        }
    }
}

model *shop_model(shop *s, unsigned seed)
{
    rng r;
    rng_init(&r, seed, 1);
    train_options o = TRAIN_OPTIONS_INIT;
    o.dim = SHOP_DIM;
    o.layers = 2;
    o.gamma_forward = 0.6;
    model *m = NULL;
    assert_int_equal(model_new(&m, &o, s->user_rows, s->item_rows, s->bare ? 0 : 2, NULL), ERR_OK);
    fill_normal(&r, m->user_e, m->users * m->dim, 0.4);
    fill_normal(&r, m->item_e, m->items * m->dim, 0.4);
    if (!s->bare) {
        fill_modality(m, 0, "text", SHOP_TEXT, &r);
        fill_modality(m, 1, "image", SHOP_IMAGE, &r);
    }
    pair *pairs = mem_array(SHOP_USERS_MAX * SHOP_EDGES_MAX, sizeof *pairs);
    size_t count = 0;
    for (uint32_t u = 0; u < s->user_rows; u++) {
        for (size_t i = 0; i < s->users[u].edge_count; i++) {
            const live_edge *in = &s->users[u].edges[i];
            if ((in->flags & EDGE_IN_GRAPH) != 0 && s->items[in->item].exists) {
                pairs[count++] = (pair){u, in->item, in->weight, in->time};
            }
        }
    }
    count = pairs_sort(pairs, count);
    assert_int_equal(model_finish(m, pairs, count, NULL), ERR_OK);
    if (s->linked) {
        shop_link(m, seed);
    }
    mem_free(pairs);
    return m;
}

void shop_activate(shop *s, uint32_t number, const coldstart_tuning *tuning)
{
    index_options search = {.kind = s->index != INDEX_AUTO ? s->index : INDEX_INT8};
    base_options options = {.generation = number, .tuning = tuning};
    base *b = NULL;
    model *m = shop_model(s, number);
    err e = ERR_INIT;
    if (index_new(&options.index, m->item_h, m->items, m->dim, &search, &e) != ERR_OK ||
        base_new(&b, m, &options, &e) != ERR_OK ||
        live_activate(s->live, b, ++s->seq, &e) != ERR_OK) {
        fail_msg("activation: %s", e.text);
    }
}

static void check_item(const shop *s, const view *v, uint32_t row)
{
    const shop_item *item = &s->items[row];
    unsigned flags = view_item_flags(v, row);
    uint32_t users = 0;
    double degree = 0;
    assert_int_equal((flags & ITEM_EXISTS) != 0, item->exists);
    assert_int_equal(view_item_find(v, slice_of(item->id)), item->exists ? row : ROW_NONE);
    if (!item->exists) {
        assert_null(view_item_id(v, row).at);
        return;
    }
    assert_int_equal((flags & ITEM_HIDDEN) != 0, item->hidden);
    assert_true(slice_equal(view_item_id(v, row), slice_of(item->id)));
    assert_int_equal(view_item_created(v, row), item->created);
    for (size_t u = 0; u < s->user_rows; u++) {
        float weight = 0;
        for (size_t i = 0; i < s->users[u].edge_count; i++) {
            const live_edge *in = &s->users[u].edges[i];
            if (in->item == row && (in->flags & EDGE_IN_GRAPH) != 0) {
                weight = fmaxf(weight, in->weight);
            }
        }
        users += weight > 0;
        degree += (double)weight;
    }
    assert_int_equal(view_item_users(v, row), users);
    assert_true(fabs(view_item_degree(v, row) - degree) < 1e-9);
}

void shop_check(const shop *s, const view *v)
{
    size_t items = 0, hidden = 0, users = 0, interactions = 0;
    for (uint32_t row = 0; row < s->item_rows; row++) {
        check_item(s, v, row);
        items += s->items[row].exists;
        hidden += s->items[row].exists && s->items[row].hidden;
    }
    for (uint32_t row = 0; row < s->user_rows; row++) {
        const shop_user *user = &s->users[row];
        size_t count = 0;
        const live_edge *edges = view_user_edges(v, row, &count);
        assert_int_equal(view_user_find(v, slice_of(user->id)), user->exists ? row : ROW_NONE);
        assert_int_equal(count, user->edge_count);
        users += user->exists;
        for (size_t i = 0; i < count; i++) {
            assert_memory_equal(&edges[i], &user->edges[i], sizeof edges[i]);
            interactions += s->items[edges[i].item].exists;
        }
    }
    view_stats stats;
    view_stats_get(v, &stats);
    assert_int_equal(stats.seq, s->seq);
    assert_int_equal(stats.items, items);
    assert_int_equal(stats.items_hidden, hidden);
    assert_int_equal(stats.users, users);
    assert_int_equal(stats.interactions, interactions);
    assert_int_equal(view_item_rows(v), s->item_rows);
}

static bool has_category(const shop_item *item, slice name)
{
    unsigned c = (unsigned)(name.at[1] - '0');
    return c < SHOP_CATEGORIES && (item->categories >> c & 1) != 0;
}

static bool condition_holds(const shop_item *item, const filter_attribute *a)
{
    if (slice_equal(a->name, slice_of("price")) && a->kind == ATTRIBUTE_NUMBER) {
        return !isnan(item->price) &&
               (a->low_excluded ? item->price > a->low : item->price >= a->low) &&
               (a->high_excluded ? item->price < a->high : item->price <= a->high);
    }
    if (slice_equal(a->name, slice_of("brand")) && a->kind == ATTRIBUTE_TEXT) {
        return item->brand >= 0 && a->text.length == 6 && a->text.at[5] == '0' + item->brand;
    }
    if (slice_equal(a->name, slice_of("stock")) && a->kind == ATTRIBUTE_BOOL) {
        return item->stock >= 0 && (item->stock == 1) == a->truth;
    }
    if (slice_equal(a->name, slice_of("tags")) && a->kind == ATTRIBUTE_TEXT) {
        unsigned t = (unsigned)(a->text.at[3] - '0');
        return t < 3 && (item->tags >> t & 1) != 0;
    }
    return false;
}

bool shop_passes(const shop *s, uint32_t row, const filter *f)
{
    const shop_item *item = &s->items[row];
    bool any = f->categories_any_count == 0, all = true;
    for (size_t i = 0; i < f->categories_any_count; i++) {
        any = any || has_category(item, f->categories_any[i]);
    }
    for (size_t i = 0; i < f->categories_all_count; i++) {
        all = all && has_category(item, f->categories_all[i]);
    }
    for (size_t i = 0; i < f->categories_none_count; i++) {
        all = all && !has_category(item, f->categories_none[i]);
    }
    for (size_t i = 0; i < f->attribute_count; i++) {
        all = all && condition_holds(item, &f->attributes[i]);
    }
    return any && all && (!f->has_created_after || item->created >= f->created_after) &&
           (!f->has_created_before || item->created < f->created_before);
}

static filter_attribute random_condition(shop *s, char *room)
{
    rng *r = &s->random;
    filter_attribute a = {.low = -INFINITY, .high = INFINITY};
    switch (rng_below(r, 6)) {
    case 0:
        a.name = slice_of("price");
        a.kind = ATTRIBUTE_NUMBER;
        a.low = (double)rng_below(r, 60) - 20;
        a.high = a.low + rng_below(r, 80);
        a.low_excluded = rng_below(r, 2) == 0;
        a.high_excluded = rng_below(r, 2) == 0;
        break;
    case 1:
        a.name = slice_of("brand");
        a.kind = ATTRIBUTE_TEXT;
        a.text = text_in(room, "brand%u", rng_below(r, 5));
        break;
    case 2:
        a.name = slice_of("stock");
        a.kind = ATTRIBUTE_BOOL;
        a.truth = rng_below(r, 2) == 0;
        break;
    case 3:
        a.name = slice_of("tags");
        a.kind = ATTRIBUTE_TEXT;
        a.text = text_in(room, "tag%u", rng_below(r, 4));
        break;
    case 4:
        a.name = slice_of("price");
        a.kind = ATTRIBUTE_BOOL; /* another kind than that of the items */
        break;
    default:
        a.name = slice_of("nowhere");
        a.kind = ATTRIBUTE_NUMBER;
        break;
    }
    return a;
}

filter shop_filter(shop *s, shop_filter_room *room)
{
    rng *r = &s->random;
    filter f = {.categories_any = room->any,
                .categories_all = room->all,
                .categories_none = room->none,
                .attributes = room->attributes};
    unsigned texts = 0;
    if (rng_below(r, 2) == 0) {
        for (f.categories_any_count = 1 + rng_below(r, 3); texts < f.categories_any_count;) {
            room->any[texts] = text_in(room->texts[texts], "c%u", rng_below(r, 8));
            texts++;
        }
    }
    if (rng_below(r, 4) == 0) {
        room->all[f.categories_all_count++] = text_in(room->texts[texts++], "c%u", rng_below(r, 6));
    }
    if (rng_below(r, 3) == 0) {
        room->none[f.categories_none_count++] =
            text_in(room->texts[texts++], "c%u", rng_below(r, 8));
    }
    f.has_created_after = rng_below(r, 4) == 0;
    f.created_after = (int64_t)rng_below(r, 500);
    f.has_created_before = rng_below(r, 4) == 0;
    f.created_before = 300 + (int64_t)rng_below(r, 700);
    uint32_t conditions = rng_below(r, 6);
    for (; f.attribute_count < (conditions > 3 ? conditions - 3 : 0); f.attribute_count++) {
        /* The last two conditions would need a larger shop than a few hundred items. */
        room->attributes[f.attribute_count] = random_condition(s, room->texts[texts++]);
    }
    return f;
}

const coldstart_tuning shop_plain = {
    .way = COLDSTART_RESIDUALS, .neighbours = 2, .temperature = 0.1F, .ridge = 0.1F};

static void open_shop(fixture *f, uint64_t seed, const coldstart_tuning *tuning, bool linked,
                      bool bare)
{
    f->shop = mem_array(1, sizeof *f->shop);
    shop_init(f->shop, seed);
    f->shop->linked = linked;
    f->shop->bare = bare;
    shop_fill(f->shop, 300, 40, 500);
    shop_activate(f->shop, 1, tuning);
    for (unsigned i = 0; i < 400; i++) {
        shop_step(f->shop);
    }
    assert_int_equal(recommend_scratch_new(&f->scratch, NULL), ERR_OK);
    live_acquire(f->shop->live, &f->hold);
    shop_check(f->shop, f->hold.view);
}

void fixture_open(fixture *f, uint64_t seed, const coldstart_tuning *tuning)
{
    open_shop(f, seed, tuning, false, false);
}

void fixture_open_linked(fixture *f, uint64_t seed)
{
    open_shop(f, seed, NULL, true, false);
}

void fixture_open_bare(fixture *f, uint64_t seed)
{
    open_shop(f, seed, NULL, true, true);
}

void fixture_close(fixture *f)
{
    live_release(f->shop->live, &f->hold);
    recommend_scratch_free(f->scratch);
    shop_fini(f->shop);
    mem_free(f->shop);
}
