/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop: a small random shop for tests, kept twice: in live tables, and in plain arrays with the
 * content that the live tables must have.
 *
 * The seed determines everything. Use it from one thread at a time. */
#ifndef TESTS_SUPPORT_SHOP_H
#define TESTS_SUPPORT_SHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/rng.h"
#include "core/search/index.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/update/live.h"

enum {
    SHOP_ITEMS_MAX = 700,
    SHOP_USERS_MAX = 90,
    SHOP_EDGES_MAX = 60,
    SHOP_CATEGORIES = 6,
    SHOP_DIM = 16,
    SHOP_TEXT = 12, /* width of the modality "text" */
    SHOP_IMAGE = 8, /* width of "image" */
};

typedef struct shop_item {
    bool exists, hidden;
    char id[24];
    unsigned categories; /* bit c: in category "c<c>" */
    int64_t created;
    double price;  /* NaN if there is no attribute */
    int brand;     /* -1 if there is none, otherwise "brand<n>" */
    int stock;     /* -1 if there is none, otherwise 0 or 1 */
    unsigned tags; /* bit t: the list attribute contains "tag<t>"; 0: no attribute */
    bool has_text, has_image;
    float text[SHOP_TEXT], image[SHOP_IMAGE];
} shop_item;

typedef struct shop_user {
    bool exists;
    char id[24];
    live_edge edges[SHOP_EDGES_MAX];
    size_t edge_count;
} shop_user;

typedef struct shop {
    live *live;
    rng random;
    uint64_t seq;
    shop_item items[SHOP_ITEMS_MAX];
    shop_user users[SHOP_USERS_MAX];
    size_t item_rows, user_rows;
    bool linked;      /* shop_model gives its models links */
    bool bare;        /* its models know no features; its links are collaborative */
    index_kind index; /* for shop_activate; INDEX_AUTO: with codes, like a shop of usual size */
} shop;

/* shop_init makes an empty shop; shop_fini frees it. */
void shop_init(shop *s, uint64_t seed);
void shop_fini(shop *s);

/* shop_fill adds random items, users and interactions, one op each. */
void shop_fill(shop *s, size_t items, size_t users, size_t interactions);

/* shop_step applies one random op: an item added, changed or deleted, a user added or erased,
 * interactions added or removed. */
void shop_step(shop *s);

/* Single ops. shop_add_item makes a random item. shop_put_item sends the item in s->items.
 * shop_edge gives the user an interaction (type 0 purchase, 1 view, 2 dismiss). shop_drop_edge
 * removes the one at index `at` of their list. */
uint32_t shop_add_item(shop *s);
void shop_put_item(shop *s, uint32_t row, bool features);
void shop_drop_item(shop *s, uint32_t row);
uint32_t shop_add_user(shop *s);
void shop_edge(shop *s, uint32_t user, uint32_t item, uint8_t type);
void shop_drop_edge(shop *s, uint32_t user, size_t at);

/* shop_change fills `c` and `item` with the item's present state, in memory of `room`. */
typedef struct shop_change_room {
    change_item item;
    slice categories[SHOP_CATEGORIES], tags[4];
    attribute attributes[4];
    feature features[2];
    char texts[16][12];
} shop_change_room;
change shop_item_change(shop *s, uint32_t row, bool features, shop_change_room *room);

/* shop_model makes a random model over the shop's present rows and edges. */
model *shop_model(shop *s, unsigned seed);

/* shop_activate trains nothing: it activates shop_model as generation `number`. */
void shop_activate(shop *s, uint32_t number, const coldstart_tuning *tuning);

/* shop_check asserts that the view has the content of the arrays. */
void shop_check(const shop *s, const view *v);

/* shop_passes tells whether an item passes a filter, condition by condition. */
bool shop_passes(const shop *s, uint32_t row, const filter *f);

/* shop_filter fills a random filter in memory of `room`. */
typedef struct shop_filter_room {
    slice any[3], all[2], none[2];
    filter_attribute attributes[3];
    char texts[10][12];
} shop_filter_room;
filter shop_filter(shop *s, shop_filter_room *room);

/* Without the content affinity, so that a score is the inner product of two rows of H. */
extern const coldstart_tuning shop_plain;

/* A shop with a generation, with items, users and interactions that came after it, a view and a
 * scratch. */
typedef struct fixture {
    shop *shop;
    recommend_scratch *scratch;
    live_hold hold;
} fixture;

void fixture_open(fixture *f, uint64_t seed, const coldstart_tuning *tuning);
/* fixture_open_linked makes one whose generations have links. */
void fixture_open_linked(fixture *f, uint64_t seed);
/* fixture_open_bare makes one whose generations have links and know no features. */
void fixture_open_bare(fixture *f, uint64_t seed);
void fixture_close(fixture *f);

#endif
