/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_store.h"

#include <stdio.h>

#include "server/cli/command.h"
#include "server/encode/encode_run.h"
#include "server/telemetry/clock.h"
#include "storage/log/apply.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"
#include "storage/records/items.h"

/* After this many failed calls in a row it gives up: with the back-off, after some minutes. */
enum { FAILURES_MAX = 8 };
static const double STEP_SECONDS = 0.5;

enum { ITEM_BYTES_MAX = 16 << 20 };

/* The context of the callbacks: where ops are applied. */
typedef struct target {
    store *store;
    const encoder_options *encoder;
} target;

static err_code apply_now(void *ctx, op *o, err *e)
{
    apply_result result;
    const op *one = o;
    apply_result_init(&result);
    err_code code = apply_group(((target *)ctx)->store, &one, 1, &result, e);
    bool whole = result.code == ERR_OK || result.code == ERR_CONFLICT ||
                 result.code == ERR_NOT_FOUND; /* the text or the item has changed meanwhile */
    if (code == ERR_OK && !whole) {
        code = err_set(e, result.code, "%s", result.detail);
    }
    apply_result_fini(&result);
    return code;
}

typedef struct replacing {
    store_write *w;
    modality from;
    arena memory;
    uint64_t given; /* number of vectors that clients gave */
} replacing;

/* forget marks an encoder's vector as one to replace, and counts a given one. */
static err_code forget(replacing *x, uint32_t row, err *e)
{
    stored_item it;
    feature_origin origin = FEATURE_ABSENT;
    err why = ERR_INIT;
    arena_reset(&x->memory);
    err_code code = item_get(store_write_reads(x->w), row, &x->memory, &it, &why);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", why.text);
    }
    code = feature_origin_get(store_write_reads(x->w), row, x->from.number, &origin, e);
    bool given = item_text_given(&it, origin);
    x->given += given;
    if (code != ERR_OK || it.deleted || given || it.encoded_hash == 0) {
        return code;
    }
    it.encoded_hash = ITEM_TEXT_AGAIN;
    return item_put(x->w, &it, e);
}

/* replace_in marks all vectors of the encoder as to be replaced. Those of another width it
 * removes. */
static err_code replace_in(replacing *x, uint32_t rows, uint32_t width, err *e)
{
    slice name = x->from.name;
    err_code code = modality_find(store_write_reads(x->w), name, &x->from, e);
    for (uint32_t row = 0; code == ERR_OK && row < rows; row++) {
        code = forget(x, row, e);
    }
    if (code != ERR_OK || width == x->from.width) {
        return code;
    }
    if (x->given > 0) {
        return err_set(e, ERR_CONFLICT,
                       "the encoder's vectors have %u numbers, but clients gave %llu items vectors "
                       "of %u numbers for \"%.*s\"; remove these first, or choose another "
                       "--encoder-modality",
                       width, (unsigned long long)x->given, x->from.width, (int)name.length,
                       name.at);
    }
    return modality_resize(x->w, name, width, e);
}

/* replace works in one transaction, so that a store never has vectors of two widths, or vectors of
 * two models of which none waits. If this run ends early, the next one continues. */
static err_code replace(void *ctx, uint32_t width, err *e)
{
    const target *to = ctx;
    store_info info;
    replacing x = {.from.name = slice_of(to->encoder->modality)};
    err_code code = store_stat(to->store, &info, e);
    if (code == ERR_OK) {
        code = store_write_begin(to->store, &x.w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    arena_init(&x.memory, ITEM_BYTES_MAX);
    code = replace_in(&x, info.item_rows, width, e);
    arena_fini(&x.memory);
    if (code != ERR_OK) {
        store_write_abort(x.w);
        return code;
    }
    return store_write_commit(x.w, e);
}

static err_code work(encode_run *r, const encode_hooks *hooks, encode_report *out, err *e)
{
    encode_status status;
    uint64_t known = 0, failures = 0;
    encode_run_tell(r, &status);
    size_t total = status.pending;
    err_code code = ERR_OK;
    while (code == ERR_OK && status.pending > 0) {
        code = encode_run_step(r, STEP_SECONDS, e);
        encode_run_tell(r, &status);
        uint64_t done = status.encoded + status.refused;
        if (done > known) {
            known = done;
            failures = status.failures;
        }
        hooks->progress(hooks->ctx, done, total, status.problem[0] != '\0' ? status.problem : NULL);
        if (code == ERR_OK && hooks->cancelled(hooks->ctx)) {
            code =
                err_set(e, ERR_CANCELLED,
                        "interrupted; %zu items still need the encoder: continue with stair encode",
                        status.pending);
        } else if (code == ERR_OK && status.failures - failures >= FAILURES_MAX) {
            code = err_set(e, ERR_UNAVAILABLE,
                           "the encoder keeps failing (%s); %zu items still need it: continue with "
                           "stair encode",
                           status.problem, status.pending);
        }
    }
    *out = (encode_report){status.encoded, status.refused, status.failures, status.pending};
    return code;
}

err_code encode_store(store *s, const encoder_options *o, bool replace_old,
                      const encode_hooks *hooks, encode_report *out, err *e)
{
    encode_run *r = NULL;
    target to = {s, o};
    encode_run_options options = {.store = s,
                                  .encoder = o,
                                  .replace = replace_old,
                                  .apply = apply_now,
                                  .begin_replacing = replace_old ? replace : NULL,
                                  .now = clock_now,
                                  .seconds = clock_seconds,
                                  .ctx = &to};
    *out = (encode_report){0};
    err_code code = encode_run_new(&r, &options, e);
    if (code == ERR_OK) {
        code = encode_run_scan(r, e);
    }
    if (code == ERR_OK) {
        code = work(r, hooks, out, e);
    }
    encode_run_free(r);
    return code;
}
