/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_shop: a synthetic shop on which the model can be tried, measured and explained.
 *
 * Products have readable titles, descriptions, categories, a brand and a price, and vectors for
 * text and image. Shoppers' interactions are driven partly by what the vectors show (a product's
 * kind and style), partly by tastes that no vector shows (crowds that agree on products for no
 * visible reason), and partly by popularity. So a good recommender needs both the graph and the
 * content.
 *
 * Everything is drawn from the seed, entity by entity, and written as it is drawn: memory is a few
 * bytes an item and a user, so a million users with ten million interactions is only a matter of
 * time. The same options give the same bytes on every machine.
 *
 * Writes files; one call at a time per folder.
 */
#ifndef CORE_DEMO_SHOP_H
#define CORE_DEMO_SHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct demo_shop_options {
    const char *dir; /* must exist */
    uint32_t users;
    uint32_t items;
    uint64_t interactions; /* at least 5 a user is wise; at most items / 4 a user */
    uint32_t text_width;   /* 0: no text.npy */
    uint32_t image_width;  /* 0: no image.npy */
    uint64_t seed;
    int64_t end; /* epoch seconds of the last interaction; 0: 2024-12-31T23:59:59Z */
} demo_shop_options;

typedef struct demo_shop_hooks {
    void *ctx;
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    bool (*cancelled)(void *ctx);
} demo_shop_hooks;

typedef struct demo_shop_report {
    uint64_t users, items, interactions;
    uint64_t bytes; /* of all files */
} demo_shop_report;

/* demo_shop_write writes interactions.inter, items.jsonl, text.npy and image.npy into the folder,
 * over files of these names. ERR_INVALID for options out of range, ERR_IO, ERR_FULL,
 * ERR_CANCELLED. `hooks` may be NULL. */
err_code demo_shop_write(const demo_shop_options *options, const demo_shop_hooks *hooks,
                         demo_shop_report *report, err *e) ERR_CHECKED;

#endif
