/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api_shop: the whole service without a process: a real store in a temporary folder, live tables
 * and the API over them, called synchronously.
 *
 * Time stands still at SHOP_NOW. The clock of the phases advances at every call. If a call on which
 * the test relies fails, it aborts the test.
 */
#ifndef TESTS_SUPPORT_API_SHOP_H
#define TESTS_SUPPORT_API_SHOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/interaction_types.h"
#include "core/serve/update/live.h"
#include "server/load/live_load.h"
#include "storage/env/store.h"
#include "tests/support/store_fixture.h"

enum { SHOP_NOW = 1700000000 };

/* Sizes of the filled shop: items sku-0 .. sku-59, users user-0 .. user-29. */
enum { SHOP_ITEMS = 60, SHOP_USERS = 30, SHOP_TEXT = 16, SHOP_IMAGE = 8 };

typedef struct api_shop {
    char folder[TEMP_PATH_MAX];
    store *store;
    live *live;
    live_feature_source source;
    interaction_types types;
    api *api;
    api_response response; /* the last response */
    json_t *json;          /* the last response's body if it is JSON, otherwise NULL */
    apply_result result;   /* the result of the last write */
    /* What the callbacks received, and what they return. */
    api_health health;
    api_train_status training;
    bool training_lingers; /* a cancelled training has not ended yet */
    unsigned trains_started, trains_cancelled, snapshots_started;
    char train_options[512];
    char snapshot[64];
    err_code next_commit; /* if not ERR_OK, the next write fails with this instead of a commit */
} api_shop;

/* shop_open makes an empty shop; `limits` may be NULL. shop_stock adds items and interactions.
 * shop_train trains a few epochs and activates the generation. */
void shop_open(api_shop *s, const api_limits *limits);
void shop_stock(api_shop *s);
void shop_train(api_shop *s);
void shop_close(api_shop *s);

typedef struct shop_request {
    const char *method, *target;
    const char *content_type; /* NULL if none */
    const char *idempotency_key;
    const char *body;   /* NULL if none */
    size_t body_length; /* 0: the length of the string */
} shop_request;

/* shop_send runs a request to its end and returns the status. */
unsigned shop_send(api_shop *s, const shop_request *r);

/* shop_get and shop_call are shop_send with the usual headers; body may be NULL. */
unsigned shop_get(api_shop *s, const char *target);
unsigned shop_call(api_shop *s, const char *method, const char *target, const char *body);

/* shop_at returns a member of the last answer by path ("items/0/item"), or NULL. shop_text,
 * shop_number and shop_count (of a list) return it in the usual types, and abort the test if it is
 * missing. */
json_t *shop_at(const api_shop *s, const char *path);
const char *shop_text(const api_shop *s, const char *path);
double shop_number(const api_shop *s, const char *path);
size_t shop_count(const api_shop *s, const char *path);

/* shop_lists tells whether the list at `path` has an entry whose `item` is this id. */
bool shop_lists(const api_shop *s, const char *path, const char *id);

/* shop_seq returns the store's seq. */
uint64_t shop_seq(const api_shop *s);

#endif
