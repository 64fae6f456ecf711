/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api_target: the API over an empty shop, for fuzz targets. Each request runs to its end, except
 * for the commit: a prepared write is checked and then abandoned. So no input changes what the next
 * input sees. */
#ifndef TESTS_FUZZ_API_TARGET_H
#define TESTS_FUZZ_API_TARGET_H

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "core/common/interaction_types.h"
#include "core/serve/update/live.h"
#include "server/jobs/train_argv.h"
#include "server/load/live_load.h"
#include "storage/env/store.h"
#include "storage/log/op.h"
#include "storage/maintenance/recover.h"

static api *fuzz_api;
static store *fuzz_store;
static api_response fuzz_response;
static char fuzz_folder[] = "/tmp/stair-fuzz-XXXXXX";

static inline void fuzz_health(void *ctx, api_health *out)
{
    (void)ctx;
    *out = (api_health){.ready = true, .writable = true};
}

/* fuzz_train checks the options like the service, but starts nothing. */
static inline err_code fuzz_train(void *ctx, const api_train_option *options, size_t count,
                                  json_report report, void *report_ctx, err *e)
{
    (void)ctx;
    train_argv argv;
    train_ask ask = {.program = "stair",
                     .store = fuzz_store,
                     .options = options,
                     .count = count,
                     .report = report,
                     .report_ctx = report_ctx};
    err_code code = train_argv_make(&argv, &ask, e);
    train_argv_fini(&argv);
    return code == ERR_OK ? err_set(e, ERR_CONFLICT, "not here") : code;
}

static inline void fuzz_status(void *ctx, api_train_status *out)
{
    (void)ctx;
    (void)out;
}

static inline err_code fuzz_snapshot(void *ctx, slice name, err *e)
{
    (void)ctx;
    assert(name.length > 0 && memchr(name.at, '/', name.length) == NULL);
    return err_set(e, ERR_CONFLICT, "it exists");
}

static inline err_code fuzz_snapshot_status(void *ctx, slice name, api_snapshot *out, err *e)
{
    (void)ctx;
    (void)name;
    (void)out;
    return err_set(e, ERR_NOT_FOUND, "no such snapshot");
}

static inline void fuzz_remove(void)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock", "train.lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", fuzz_folder, names[i]);
        unlink(path);
    }
    rmdir(fuzz_folder);
}

static inline void fuzz_open(void)
{
    static interaction_types types;
    live *l = NULL;
    const store_options options = {.mode = STORE_OWNER, .create = true, .now = 1700000000};
    assert(mkdtemp(fuzz_folder) != NULL);
    atexit(fuzz_remove);
    err_code code = recover_open(&fuzz_store, fuzz_folder, &options, NULL);
    assert(code == ERR_OK);
    code = live_new(&l, &(live_options){0}, NULL);
    assert(code == ERR_OK);
    code = live_load(fuzz_store, l, NULL, NULL);
    assert(code == ERR_OK);
    code = interaction_types_parse(&types, INTERACTION_TYPES_DEFAULT, NULL);
    assert(code == ERR_OK);
    const api_deps deps = {.live = l,
                           .store = fuzz_store,
                           .types = &types,
                           .limits = {.body_values_max = 100000, .errors_max = 5},
                           .spool_dir = fuzz_folder,
                           .health = fuzz_health,
                           .train_start = fuzz_train,
                           .train_status = fuzz_status,
                           .snapshot_start = fuzz_snapshot,
                           .snapshot_status = fuzz_snapshot_status};
    code = api_new(&fuzz_api, &deps, NULL);
    assert(code == ERR_OK);
    api_response_init(&fuzz_response, (size_t)16 << 20);
}

/* fuzz_request_run runs a request and checks what holds for any input: the status is a known one,
 * the body is JSON if the content type says so, the answer is a problem document exactly if the
 * status is 400 or more, and storage accepts the op of a write. */
static inline void fuzz_request_run(const api_request *request)
{
    static const unsigned statuses[] = {200, 202, 204, 302, 400, 404, 405, 409, 413, 415, 503};
    api_write *write = NULL;
    if (fuzz_api == NULL) {
        fuzz_open();
    }
    api_route route;
    api_route_find(fuzz_api, request->method, request->target, &route);
    api_response_reset(&fuzz_response);
    api_begin(fuzz_api, request, &fuzz_response, &write);
    if (write != NULL) {
        err_code code = op_check(api_write_op(write), NULL);
        assert(code == ERR_OK);
        api_abandon(fuzz_api, write);
        return;
    }
    size_t known = 0;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        known += fuzz_response.status == statuses[i];
    }
    assert(known == 1);
    const char *type = fuzz_response.content_type;
    bool problem = type != NULL && strcmp(type, "application/problem+json") == 0;
    assert(problem == (fuzz_response.status >= 400));
    if (type != NULL && strstr(type, "/json") != NULL) {
        problem = true;
    }
    if (problem && fuzz_response.file < 0) {
        json_t *tree = json_loadb(fuzz_response.body.at, fuzz_response.body.length,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert(tree != NULL);
        json_decref(tree);
    }
}

#endif
