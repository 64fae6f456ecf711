/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters against items in plain memory, condition by condition, while the items change.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/filter/filter_kept.h"
#include "core/serve/update/live.h"

enum { ROWS_MAX = 4500, NAMES = 4, TEXTS = 400, LIST_MAX = 4, CATEGORIES = 5, CONDITIONS = 3 };

/* Numbers that are easily mishandled because of their neighbours, signs or sizes. */
static const double numbers[] = {
    0,       -0.0,     1,   -1,   1.5,       1 + DBL_EPSILON, 1 - DBL_EPSILON / 2,
    DBL_MAX, -DBL_MAX, 1e9, -1e9, 0x1p-1074, -0x1p-1074,      7,
    DBL_MIN, -DBL_MIN};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

typedef struct value {
    attribute_kind kind; /* ATTRIBUTE_REMOVED if the item has none */
    double number;
    bool truth;
    unsigned text, texts[LIST_MAX];
    uint32_t count;
} value;

typedef struct thing {
    bool exists, hidden;
    unsigned categories;
    int64_t created;
    value values[NAMES];
} thing;

typedef struct store {
    live *live;
    rng random;
    uint64_t seq;
    uint32_t rows;
    thing things[ROWS_MAX];
    char texts[TEXTS][16];
} store;

static const char *const names[NAMES] = {"a", "b", "c", "d"};
static const char *const categories[CATEGORIES + 1] = {"k0", "k1", "k2", "k3", "k4", "none has it"};

/* any_text draws a text. Some texts are common and most are rare. */
static unsigned any_text(rng *r)
{
    return rng_below(r, 2) == 0 ? rng_below(r, 4) : rng_below(r, TEXTS - 1);
}

static value any_value(rng *r)
{
    value v = {.kind = (attribute_kind)rng_below(r, 5)};
    v.number = rng_below(r, 2) == 0 ? numbers[rng_below(r, NUMBERS)] : rng_below(r, 20) / 4.0;
    v.truth = rng_below(r, 2) == 0;
    v.text = any_text(r);
    v.count = rng_below(r, LIST_MAX + 1);
    for (uint32_t i = 0; i < v.count; i++) {
        v.texts[i] = any_text(r);
    }
    return v;
}

static void send(store *s, const change *c)
{
    err e = ERR_INIT;
    change_list list = {c, 1, ++s->seq};
    if (live_apply(s->live, &list, &e) != ERR_OK) {
        fail_msg("live_apply: %s", e.text);
    }
}

static void put(store *s, uint32_t row)
{
    const thing *t = &s->things[row];
    char id[16];
    slice within[CATEGORIES], texts[NAMES][LIST_MAX];
    attribute attributes[NAMES];
    change_item item = {.row = row, .hidden = t->hidden, .created_at = t->created};
    snprintf(id, sizeof id, "i%u", row);
    item.id = slice_of(id);
    for (unsigned c = 0; c < CATEGORIES; c++) {
        if ((t->categories >> c & 1) != 0) {
            within[item.category_count++] = slice_of(categories[c]);
        }
    }
    for (unsigned n = 0; n < NAMES; n++) {
        const value *v = &t->values[n];
        for (uint32_t i = 0; i < v->count; i++) {
            texts[n][i] = slice_of(s->texts[v->texts[i]]);
        }
        if (v->kind != ATTRIBUTE_REMOVED) {
            attributes[item.attribute_count++] = (attribute){.name = slice_of(names[n]),
                                                             .kind = v->kind,
                                                             .text = slice_of(s->texts[v->text]),
                                                             .number = v->number,
                                                             .truth = v->truth,
                                                             .texts = texts[n],
                                                             .text_count = v->count};
        }
    }
    item.categories = within;
    item.attributes = attributes;
    send(s, &(change){.kind = CHANGE_ITEM, .item = &item});
}

/* randomise gives an item random attributes. Each name usually has values of one kind, and
 * sometimes of another. */
static void randomise(store *s, uint32_t row)
{
    static const attribute_kind kinds[NAMES] = {ATTRIBUTE_NUMBER, ATTRIBUTE_TEXT, ATTRIBUTE_TEXTS,
                                                ATTRIBUTE_BOOL};
    rng *r = &s->random;
    thing *t = &s->things[row];
    t->exists = true;
    t->hidden = rng_below(r, 8) == 0;
    t->categories = rng_below(r, 1U << CATEGORIES);
    t->created = (int64_t)rng_below(r, 100) - 50;
    for (unsigned n = 0; n < NAMES; n++) {
        t->values[n] = any_value(r);
        if (rng_below(r, 4) != 0) {
            t->values[n].kind = kinds[n];
        }
    }
    put(s, row);
}

static void change_some(store *s, unsigned count)
{
    rng *r = &s->random;
    for (unsigned i = 0; i < count; i++) {
        uint32_t row = rng_below(r, s->rows);
        thing *t = &s->things[row];
        if (!t->exists) {
            continue;
        }
        switch (rng_below(r, 4)) {
        case 0:
            t->exists = false;
            send(s, &(change){.kind = CHANGE_ITEM_GONE, .row.row = row});
            break;
        case 1:
            t->hidden = !t->hidden;
            put(s, row);
            break;
        case 2: /* a patch of one attribute */
            t->values[rng_below(r, NAMES)] = any_value(r);
            put(s, row);
            break;
        default: randomise(s, row); break;
        }
    }
}

static void open_store(store *s, uint64_t seed, uint32_t rows)
{
    memset(s, 0, sizeof *s);
    rng_init(&s->random, seed, 0);
    assert_int_equal(live_new(&s->live, NULL, NULL), ERR_OK);
    for (unsigned i = 0; i < TEXTS; i++) {
        snprintf(s->texts[i], sizeof s->texts[i], "text %u", i);
    }
    for (s->rows = 0; s->rows < rows; s->rows++) {
        randomise(s, s->rows);
    }
}

static bool holds(const store *s, const thing *t, const filter_attribute *a)
{
    unsigned n = 0;
    while (n < NAMES && !slice_equal(slice_of(names[n]), a->name)) {
        n++;
    }
    if (n == NAMES) {
        return false;
    }
    const value *v = &t->values[n];
    if (a->kind == ATTRIBUTE_NUMBER && v->kind == ATTRIBUTE_NUMBER) {
        return (a->low_excluded ? v->number > a->low : v->number >= a->low) &&
               (a->high_excluded ? v->number < a->high : v->number <= a->high);
    }
    if (a->kind == ATTRIBUTE_BOOL && v->kind == ATTRIBUTE_BOOL) {
        return v->truth == a->truth;
    }
    if (a->kind == ATTRIBUTE_TEXT && v->kind == ATTRIBUTE_TEXT) {
        return slice_equal(slice_of(s->texts[v->text]), a->text);
    }
    bool in = false;
    for (uint32_t i = 0; a->kind == ATTRIBUTE_TEXT && v->kind == ATTRIBUTE_TEXTS && i < v->count;
         i++) {
        in = in || slice_equal(slice_of(s->texts[v->texts[i]]), a->text);
    }
    return in;
}

static bool in_category(const thing *t, slice name)
{
    for (unsigned c = 0; c < CATEGORIES; c++) {
        if (slice_equal(slice_of(categories[c]), name)) {
            return (t->categories >> c & 1) != 0;
        }
    }
    return false;
}

static bool passes(const store *s, uint32_t row, const filter *f)
{
    const thing *t = &s->things[row];
    bool any = f->categories_any_count == 0, all = t->exists && !t->hidden;
    for (size_t i = 0; i < f->categories_any_count; i++) {
        any = any || in_category(t, f->categories_any[i]);
    }
    for (size_t i = 0; i < f->categories_all_count; i++) {
        all = all && in_category(t, f->categories_all[i]);
    }
    for (size_t i = 0; i < f->categories_none_count; i++) {
        all = all && !in_category(t, f->categories_none[i]);
    }
    for (size_t i = 0; i < f->attribute_count; i++) {
        all = all && holds(s, t, &f->attributes[i]);
    }
    return any && all && (!f->has_created_after || t->created >= f->created_after) &&
           (!f->has_created_before || t->created < f->created_before);
}

static double any_bound(rng *r, double open)
{
    switch (rng_below(r, 4)) {
    case 0: return open;
    case 1: return rng_below(r, 20) / 4.0;
    case 2: return -open;
    default: return numbers[rng_below(r, NUMBERS)];
    }
}

static filter_attribute any_condition(store *s)
{
    static const attribute_kind kinds[] = {ATTRIBUTE_NUMBER, ATTRIBUTE_TEXT, ATTRIBUTE_BOOL};
    rng *r = &s->random;
    filter_attribute a = {.kind = kinds[rng_below(r, 3)]};
    unsigned name = rng_below(r, NAMES + 1);
    a.name = slice_of(name < NAMES ? names[name] : "nowhere");
    a.text = slice_of(s->texts[rng_below(r, 20) == 0 ? TEXTS - 1 : any_text(r)]);
    a.truth = rng_below(r, 2) == 0;
    a.low = any_bound(r, -(double)INFINITY);
    a.high = rng_below(r, 8) == 0 ? a.low : any_bound(r, (double)INFINITY);
    a.low_excluded = rng_below(r, 2) == 0;
    a.high_excluded = rng_below(r, 2) == 0;
    return a;
}

typedef struct filter_room {
    slice names[3][2];
    filter_attribute conditions[CONDITIONS];
} filter_room;

static filter any_filter(store *s, filter_room *room)
{
    rng *r = &s->random;
    filter f = {.categories_any = room->names[0],
                .categories_all = room->names[1],
                .categories_none = room->names[2],
                .attributes = room->conditions,
                .attribute_count = rng_below(r, CONDITIONS + 1)};
    for (size_t i = 0; i < 6; i++) {
        room->names[i / 2][i % 2] = slice_of(categories[rng_below(r, CATEGORIES + 1)]);
    }
    for (size_t i = 0; i < f.attribute_count; i++) {
        room->conditions[i] = any_condition(s);
    }
    f.categories_any_count = rng_below(r, 4) == 0 ? 1 + rng_below(r, 2) : 0;
    f.categories_all_count = rng_below(r, 6) == 0 ? 1 + rng_below(r, 2) : 0;
    f.categories_none_count = rng_below(r, 6) == 0 ? 1 + rng_below(r, 2) : 0;
    f.has_created_after = rng_below(r, 4) == 0;
    f.has_created_before = rng_below(r, 4) == 0;
    f.created_after = rng_below(r, 10) == 0 ? INT64_MAX : (int64_t)rng_below(r, 100) - 60;
    f.created_before = rng_below(r, 10) == 0 ? INT64_MIN : (int64_t)rng_below(r, 100) - 40;
    return f;
}

/* all_kept tells whether every value of the column of lists has a bitmap. */
static bool all_kept(const view *v)
{
    uint32_t name = idmap_find(v->strings, slice_of(names[2]), ROW_NONE);
    const attribute_column *column = pvec_get(&v->attributes, name);
    return column->kept < KEPT_MAX;
}

/* check compares all rows and returns how many pass. */
static size_t check(const store *s, const view *v, const filter *f)
{
    static uint64_t words[2 * ROWS_MAX / 64];
    size_t count = filter_words(v), passed = 0;
    assert_true(count <= sizeof words / sizeof words[0]);
    memset(words, 0xa5, sizeof words);
    filter_bits(v, f, words);
    for (uint32_t row = 0; row < count * 64; row++) {
        bool wanted = row < s->rows && passes(s, row, f);
        bool got = bits_test(words, row);
        if (wanted != got) {
            fail_msg("row %u of %u: %d, expected %d", row, s->rows, got, wanted);
        }
        passed += got;
    }
    return passed;
}

static void a_filter_passes_what_its_conditions_say_item_by_item(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 63, 64, 65, 255, 256, 257, 511, 513, 4095, 4096, 4500};
    store *s = mem_array(1, sizeof *s);
    size_t told = 0, empty = 0, kept = 0, scanned = 0;
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        open_store(s, 40 + n, sizes[n]);
        for (unsigned round = 0; round < 12; round++) {
            live_hold hold;
            live_acquire(s->live, &hold);
            for (unsigned i = 0; i < 25; i++) {
                filter_room room;
                filter f = any_filter(s, &room);
                size_t passed = check(s, hold.view, &f);
                told += passed > 0;
                kept += all_kept(hold.view);
                scanned += !all_kept(hold.view);
                empty += passed == 0;
            }
            live_release(s->live, &hold);
            change_some(s, s->rows / 20 + 3);
        }
        live_free(s->live);
    }
    assert_true(told > 800 && empty > 200 && kept > 500 &&
                scanned > 500); /* otherwise too little was tested */
    mem_free(s);
}

static void a_view_filters_as_it_did_while_items_change_after_it(void **state)
{
    (void)state;
    store *s = mem_array(2, sizeof *s), *before = s + 1;
    open_store(s, 60, 700);
    for (unsigned round = 0; round < 30; round++) {
        live_hold hold;
        memcpy(before, s, sizeof *s);
        live_acquire(s->live, &hold);
        change_some(s, 60);
        for (unsigned i = 0; i < 20; i++) {
            filter_room room;
            filter f = any_filter(s, &room);
            check(before, hold.view, &f);
        }
        live_release(s->live, &hold);
    }
    live_free(s->live);
    mem_free(s);
}

static void an_empty_shop_has_no_bitmap_to_write(void **state)
{
    (void)state;
    const slice category = slice_of("lamps");
    filter f = {.categories_any = &category, .categories_any_count = 1};
    store *s = mem_array(1, sizeof *s);
    live_hold hold;
    open_store(s, 1, 0);
    live_acquire(s->live, &hold);
    assert_int_equal(filter_words(hold.view), 0);
    filter_bits(hold.view, &f, NULL);
    filter_bits(hold.view, NULL, NULL);
    live_release(s->live, &hold);
    live_free(s->live);
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_passes_what_its_conditions_say_item_by_item),
        cmocka_unit_test(a_view_filters_as_it_did_while_items_change_after_it),
        cmocka_unit_test(an_empty_shop_has_no_bitmap_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
