/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_shopper: one customer of the synthetic shop, with their tastes and purchases.
 *
 * A shopper likes a few kinds of goods in one or two styles (which pictures and texts show) and
 * belongs to two crowds (which nothing shows). A purchase starts from a kind, a crowd or the shop
 * window, and the item is accepted if the other properties fit well enough. A favourite kind
 * changes over time, so recent interactions say more than old ones. Part of demo_shop.
 */
#ifndef CORE_DEMO_SHOPPER_H
#define CORE_DEMO_SHOPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/rng.h"
#include "core/demo/demo_catalogue.h"

enum { DEMO_FAVOURITES = 3, DEMO_TRIES = 64 };

typedef struct demo_shopper {
    rng random;
    uint8_t kinds[2][DEMO_FAVOURITES]; /* early and late */
    uint8_t styles[2];
    uint16_t crowds[2];
    uint32_t since; /* in seconds after the shop opened */
    uint32_t span;
} demo_shopper;

/* demo_shopper_init draws user `index`; the same arguments give the same shopper. */
void demo_shopper_init(demo_shopper *s, const demo_catalogue *c, uint64_t seed, uint64_t index,
                       uint32_t span);

/* demo_shopper_weight returns how much this user buys, relative to others (log-normal). */
double demo_shopper_weight(uint64_t seed, uint64_t index);

/* demo_shopper_take draws the item that the shopper takes at `time` (in seconds after the shop
 * opened), or UINT32_MAX if nothing on sale suited in many tries. */
uint32_t demo_shopper_take(demo_shopper *s, const demo_catalogue *c, uint32_t time);

#endif
