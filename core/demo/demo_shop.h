/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_shop: writes a synthetic shop, for trying and measuring the model.
 *
 * Products have readable titles, descriptions, categories, a brand and a price, and vectors for
 * text and image. Three things drive interactions: what the vectors show (a product's kind and
 * style), tastes that no vector shows (crowds that agree on products for no visible reason), and
 * popularity. So a good recommender needs both the graph and the content.
 *
 * Every entity is drawn from the seed and written at once. Memory is a few bytes for each item and
 * user, so a million users with ten million interactions only take more time. The same options give
 * the same bytes on every machine.
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
    uint64_t interactions; /* use at least 5 for each user; at most items / 4 for each user */
    uint32_t text_width;   /* 0 writes no text.npy */
    uint32_t image_width;  /* 0 writes no image.npy */
    uint64_t seed;
    int64_t end; /* epoch seconds of the last interaction; 0 means 2024-12-31T23:59:59Z */
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
 * replacing files of these names. ERR_INVALID: an option is out of range. ERR_IO, ERR_FULL,
 * ERR_CANCELLED. `hooks` may be NULL. */
err_code demo_shop_write(const demo_shop_options *options, const demo_shop_hooks *hooks,
                         demo_shop_report *report, err *e) ERR_CHECKED;

#endif
