/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/api_shop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/rng.h"
#include "core/serve/state/base.h"
#include "core/train/loop/train.h"
#include "server/jobs/train_argv.h"
#include "server/load/dataset_load.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"

static void must(err_code code, const err *e, const char *what)
{
    if (code != ERR_OK) {
        fprintf(stderr, "%s: %s\n", what, e->text);
        abort();
    }
}

static void health(void *ctx, api_health *out)
{
    *out = ((const api_shop *)ctx)->health;
}

static void metrics(void *ctx, buffer *out)
{
    (void)ctx;
    buffer_put_text(out, "# HELP up up\n# TYPE up gauge\nup 1\n");
}

/* train_start checks the options like the service. It starts nothing, but keeps the arguments that
 * the child would get. */
static err_code train_start(void *ctx, const api_train_option *options, size_t count,
                            json_report report, void *report_ctx, err *e)
{
    api_shop *s = ctx;
    size_t length = 0;
    train_argv argv;
    train_ask ask = {.program = "stair",
                     .store = s->store,
                     .options = options,
                     .count = count,
                     .report = report,
                     .report_ctx = report_ctx};
    s->train_options[0] = '\0';
    err_code code = train_argv_make(&argv, &ask, e);
    for (size_t i = 0; code == ERR_OK && i < argv.count; i++) {
        length += (size_t)snprintf(s->train_options + length, sizeof s->train_options - length,
                                   "%s ", argv.at[i]);
    }
    train_argv_fini(&argv);
    if (code == ERR_OK && s->training.state == API_TRAIN_RUNNING) {
        code = err_set(e, ERR_CONFLICT, "a training runs");
    }
    if (code == ERR_OK) {
        s->training.state = API_TRAIN_RUNNING;
        s->trains_started++;
    }
    return code;
}

static void train_status(void *ctx, api_train_status *out)
{
    *out = ((const api_shop *)ctx)->training;
}

static err_code train_cancel(void *ctx, err *e)
{
    api_shop *s = ctx;
    if (s->training.state != API_TRAIN_RUNNING) {
        return err_set(e, ERR_NOT_FOUND, "no training runs");
    }
    s->training.state = s->training_lingers ? API_TRAIN_RUNNING : API_TRAIN_CANCELLED;
    s->trains_cancelled++;
    return ERR_OK;
}

static err_code snapshot_start(void *ctx, slice name, err *e)
{
    api_shop *s = ctx;
    if (slice_equal(name, slice_of(s->snapshot))) {
        return err_set(e, ERR_CONFLICT, "the snapshot exists");
    }
    snprintf(s->snapshot, sizeof s->snapshot, "%.*s", (int)name.length, name.at);
    s->snapshots_started++;
    return ERR_OK;
}

static err_code snapshot_status(void *ctx, slice name, api_snapshot *out, err *e)
{
    const api_shop *s = ctx;
    if (s->snapshot[0] == '\0' || !slice_equal(name, slice_of(s->snapshot))) {
        return err_set(e, ERR_NOT_FOUND, "there is no such snapshot");
    }
    *out = (api_snapshot){.state = API_SNAPSHOT_DONE,
                          .bytes = 4096,
                          .seq = 1,
                          .started = SHOP_NOW,
                          .ended = SHOP_NOW};
    return ERR_OK;
}

/* tick is a clock that advances by a microsecond at every call, so a phase lasts as many
 * microseconds as it was entered. */
static uint64_t tick(void)
{
    static _Atomic uint64_t now;
    return now += 1000;
}

void shop_open(api_shop *s, const api_limits *limits)
{
    err e = ERR_INIT;
    memset(s, 0, sizeof *s);
    temp_folder(s->folder);
    s->store = open_store(s->folder);
    live_feature_source_init(&s->source, s->store);
    const live_options options = {.features = live_stored_features, .ctx = &s->source};
    must(live_new(&s->live, &options, &e), &e, "live_new");
    must(live_load(s->store, s->live, NULL, &e), &e, "live_load");
    must(interaction_types_parse(&s->types, INTERACTION_TYPES_DEFAULT, &e), &e, "types");
    s->health = (api_health){.ready = true, .writable = true};
    s->training = (api_train_status){.loss = NAN, .seconds_left = NAN, .metric_value = NAN};
    api_deps deps = {.live = s->live,
                     .store = s->store,
                     .types = &s->types,
                     .version = "test",
                     .spool_dir = s->folder,
                     .ctx = s,
                     .health = health,
                     .metrics = metrics,
                     .train_start = train_start,
                     .train_status = train_status,
                     .train_cancel = train_cancel,
                     .snapshot_start = snapshot_start,
                     .snapshot_status = snapshot_status,
                     .clock_ns = tick};
    if (limits != NULL) {
        deps.limits = *limits;
    }
    must(api_new(&s->api, &deps, &e), &e, "api_new");
    api_response_init(&s->response, (size_t)64 << 20);
    apply_result_init(&s->result);
}

void shop_close(api_shop *s)
{
    json_decref(s->json);
    apply_result_fini(&s->result);
    api_response_fini(&s->response);
    api_free(s->api);
    live_free(s->live);
    live_feature_source_fini(&s->source);
    store_close(s->store);
    temp_remove(s->folder);
}

/* commit does what the writer thread does with one op. */
static void commit(api_shop *s, const op *o)
{
    err e = ERR_INIT;
    apply_result_fini(&s->result);
    apply_result_init(&s->result);
    if (s->next_commit != ERR_OK) {
        s->result.code = s->next_commit;
        snprintf(s->result.detail, sizeof s->result.detail, "secret internal detail");
        s->next_commit = ERR_OK;
        return;
    }
    base *b = NULL;
    if (o->kind == OP_GENERATION_ACTIVATE &&
        base_load(s->store, o->generation, 1, &b, &e) != ERR_OK) {
        b = NULL;
    }
    err_code code = apply_one(s->store, o, &s->result, &e);
    if (code == ERR_OK && s->result.changes.seq != 0) {
        must(live_apply(s->live, &s->result.changes, &e), &e, "live_apply");
        if (b != NULL) {
            must(live_activate(s->live, b, s->result.seq, &e), &e, "live_activate");
            b = NULL;
        }
    }
    base_release(b);
}

unsigned shop_send(api_shop *s, const shop_request *r)
{
    api_write *write = NULL;
    size_t length = r->body_length > 0 ? r->body_length : r->body != NULL ? strlen(r->body) : 0;
    const api_request request = {.method = slice_of(r->method),
                                 .target = slice_of(r->target),
                                 .content_type = slice_of(r->content_type),
                                 .idempotency_key = slice_of(r->idempotency_key),
                                 .request_id = slice_of("test-request"),
                                 .body = {r->body, length},
                                 .now = SHOP_NOW};
    api_response_reset(&s->response);
    json_decref(s->json);
    s->json = NULL;
    api_begin(s->api, &request, &s->response, &write);
    if (write != NULL) {
        commit(s, api_write_op(write));
        api_finish(s->api, write, &s->result, &s->response);
    }
    const char *type = s->response.content_type;
    if (type != NULL && strstr(type, "json") != NULL && s->response.file < 0) {
        json_error_t error;
        s->json = json_loadb(s->response.body.at, s->response.body.length,
                             JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
        if (s->json == NULL) {
            fprintf(stderr, "not JSON: %s: %.*s\n", error.text, (int)s->response.body.length,
                    s->response.body.at);
            abort();
        }
    }
    return s->response.status;
}

unsigned shop_get(api_shop *s, const char *target)
{
    return shop_send(s, &(shop_request){.method = "GET", .target = target});
}

unsigned shop_call(api_shop *s, const char *method, const char *target, const char *body)
{
    return shop_send(s, &(shop_request){.method = method,
                                        .target = target,
                                        .content_type = body != NULL ? "application/json" : NULL,
                                        .body = body});
}

json_t *shop_at(const api_shop *s, const char *path)
{
    json_t *at = s->json;
    while (at != NULL && *path != '\0') {
        char name[64];
        size_t length = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10))
                               : json_object_get(at, name);
        path += length + (path[length] == '/');
    }
    return at;
}

static json_t *at_or_abort(const api_shop *s, const char *path)
{
    json_t *value = shop_at(s, path);
    if (value == NULL) {
        fprintf(stderr, "no %s in the answer: %.*s\n", path, (int)s->response.body.length,
                s->response.body.at);
        abort();
    }
    return value;
}

const char *shop_text(const api_shop *s, const char *path)
{
    const char *text = json_string_value(at_or_abort(s, path));
    return text != NULL ? text : "(not a string)";
}

double shop_number(const api_shop *s, const char *path)
{
    return json_number_value(at_or_abort(s, path));
}

size_t shop_count(const api_shop *s, const char *path)
{
    return json_array_size(at_or_abort(s, path));
}

bool shop_lists(const api_shop *s, const char *path, const char *id)
{
    const json_t *list = at_or_abort(s, path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_object_get(json_array_get(list, i), "item"));
        if (item != NULL && strcmp(item, id) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t shop_seq(const api_shop *s)
{
    store_info info;
    err e = ERR_INIT;
    must(store_stat(s->store, &info, &e), &e, "store_stat");
    return info.seq;
}

/* vector draws features around the centre of a group. The shop has three groups of items, and users
 * buy within one group. */
static json_t *vector(rng *r, size_t width, size_t group)
{
    json_t *list = json_array();
    for (size_t i = 0; i < width; i++) {
        double centre = i % 3 == group ? 1.0 : 0.0;
        json_array_append_new(list, json_real(centre + 0.3 * rng_normal(r)));
    }
    return list;
}

static void post(api_shop *s, const char *target, json_t *taken)
{
    char *body = json_dumps(taken, JSON_COMPACT);
    json_decref(taken);
    if (shop_call(s, "POST", target, body) != 200) {
        fprintf(stderr, "%s: %.*s\n", target, (int)s->response.body.length, s->response.body.at);
        abort();
    }
    free(body);
}

void shop_stock(api_shop *s)
{
    static const char *const categories[] = {"shoes", "books", "garden"};
    rng r;
    rng_init(&r, 7, 0);
    json_t *items = json_array();
    for (size_t i = 0; i < SHOP_ITEMS; i++) {
        char id[32], title[64];
        snprintf(id, sizeof id, "sku-%zu", i);
        snprintf(title, sizeof title, "Thing \"%zu\"", i);
        json_array_append_new(
            items,
            json_pack("{s:s,s:s,s:[s],s:{s:f,s:s,s:b},s:I,s:{s:o,s:o}}", "id", id, "title", title,
                      "categories", categories[i % 3], "attributes", "price", (double)i, "brand",
                      i % 2 ? "odd" : "even", "sale", (int)(i % 5 == 0), "created",
                      (json_int_t)(SHOP_NOW - 86400 * (json_int_t)(i + 1)), "features", "text",
                      vector(&r, SHOP_TEXT, i % 3), "image", vector(&r, SHOP_IMAGE, i % 3)));
    }
    post(s, "/items", json_pack("{s:o}", "items", items));
    json_t *interactions = json_array();
    for (size_t u = 0; u < SHOP_USERS; u++) {
        for (size_t n = 0; n < 6; n++) {
            char user[32], item[32];
            snprintf(user, sizeof user, "user-%zu", u);
            snprintf(item, sizeof item, "sku-%zu", u % 3 + 3 * (size_t)rng_below(&r, 15));
            json_array_append_new(interactions,
                                  json_pack("{s:s,s:s,s:I}", "user", user, "item", item,
                                            "timestamp", (json_int_t)(SHOP_NOW - 3600)));
        }
    }
    post(s, "/interactions", json_pack("{s:o}", "interactions", interactions));
}

void shop_train(api_shop *s)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    model *m = NULL;
    store_info origin;
    generation_id id;
    uint32_t number;
    train_options options = TRAIN_OPTIONS_INIT;
    options.dim = 16;
    options.epochs = 20;
    options.eval_every = 0;
    options.batch = 64;
    must(store_train_lock(s->store, &e), &e, "store_train_lock");
    must(dataset_load(s->store, NULL, &d, &origin, &e), &e, "dataset_load");
    must(train_run(&m, d, &options, &(train_hooks){0}, &e), &e, "train_run");
    generation_info info = {.created = SHOP_NOW,
                            .seq = origin.seq,
                            .users = (uint32_t)m->users,
                            .items = (uint32_t)m->items};
    memcpy(info.lineage, origin.lineage, sizeof info.lineage);
    must(generation_begin(s->store, &info, &id, &e), &e, "generation_begin");
    must(model_put(s->store, &id, m, NULL, 0, &e), &e, "model_put");
    must(generation_finish(s->store, &id, slice_of("{\"epochs\":20}"), false, &e), &e,
         "generation_finish");
    must(generation_register(s->store, &id, SHOP_NOW, &number, &e), &e, "generation_register");
    store_train_unlock(s->store);
    model_free(m);
    dataset_free(d);
    char body[64];
    snprintf(body, sizeof body, "{\"generation\":%u}", number);
    if (shop_call(s, "POST", "/model/activate", body) != 200) {
        fprintf(stderr, "activate: %.*s\n", (int)s->response.body.length, s->response.body.at);
        abort();
    }
}
