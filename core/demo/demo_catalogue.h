/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_catalogue: the items of the synthetic shop, and random draws from them. Part of demo_shop.
 *
 * Every item has visible properties (kind, style, colour, brand, price) and one hidden property:
 * the crowd that favours it, drawn independently of the others. Items are drawn by popularity from
 * lists of three sorts: one kind, one crowd, or all items. Immutable after new.
 */
#ifndef CORE_DEMO_CATALOGUE_H
#define CORE_DEMO_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/rng.h"

enum {
    DEMO_DEPARTMENTS = 8,
    DEMO_KINDS_EACH = 6, /* in a department */
    DEMO_KINDS = DEMO_DEPARTMENTS * DEMO_KINDS_EACH,
    DEMO_STYLES = 8,
    DEMO_COLOURS = 10,
    DEMO_BRANDS_EACH = 5, /* in a department */
    DEMO_TITLE_MAX = 128,
    DEMO_DESCRIPTION_MAX = 512
};

/* Separate random streams, so that the draws of one part do not depend on those of another. */
enum { DEMO_STREAM_ITEM = 1, DEMO_STREAM_VECTOR, DEMO_STREAM_NOISE, DEMO_STREAM_USER };

static inline uint64_t demo_stream(unsigned what, uint64_t index)
{
    return (uint64_t)what << 56 | index;
}

typedef struct demo_item {
    uint32_t cents;   /* price */
    uint32_t since;   /* when it was first sold, in seconds after the shop opened */
    float popularity; /* relative */
    uint16_t crowd;   /* the crowd that favours it */
    uint8_t kind, style, colour, brand;
} demo_item;

/* The items of one list with the running sum of their popularity, so that a draw is a binary
 * search. */
typedef struct demo_list {
    const uint32_t *items; /* (count) borrowed from the catalogue */
    const float *sums;     /* (count) over this list alone */
    uint32_t count;
} demo_list;

typedef struct demo_catalogue {
    uint32_t count;
    uint32_t crowds;
    demo_item *items; /* (count) */
    demo_list kinds[DEMO_KINDS];
    demo_list *of_crowd; /* (crowds) */
    demo_list all;
    void *memory[6];
} demo_catalogue;

/* demo_catalogue_new draws `count` items for a shop that is open for `span` seconds. */
err_code demo_catalogue_new(demo_catalogue **out, uint32_t count, uint32_t span, uint64_t seed,
                            err *e) ERR_CHECKED;
void demo_catalogue_free(demo_catalogue *c);

/* demo_list_draw draws an item by popularity; the list must not be empty. */
uint32_t demo_list_draw(const demo_list *list, rng *random);

/* Texts. demo_title and demo_description write them; the other functions borrow. */
void demo_title(const demo_item *it, uint32_t index, char out[DEMO_TITLE_MAX]);
/* demo_description writes a few sentences about the item, as on a shop's page. */
void demo_description(const demo_item *it, uint32_t index, char out[DEMO_DESCRIPTION_MAX]);
const char *demo_department(const demo_item *it);
const char *demo_kind(const demo_item *it);
const char *demo_style(const demo_item *it);
const char *demo_colour(const demo_item *it);
const char *demo_brand(const demo_item *it);

#endif
