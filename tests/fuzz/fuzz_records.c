/* SPDX-License-Identifier: Apache-2.0 */
/* Stored records of every kind; the first byte selects the decoder. For any bytes, decoding gives
 * an error or a struct whose members are inside the input; the result can be encoded and decoded
 * again. */
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/log/log_private.h"
#include "storage/maintenance/migrate_records.h"
#include "storage/models/model_private.h"
#include "storage/models/model_record.h"
#include "storage/records/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROW = 7, WIDTH = 4, ARENA_BYTES = 64 * 1024 * 1024 };

/* touch reads every byte, so that the sanitizer detects a wrong length. */
static unsigned touch(const void *at, size_t bytes)
{
    const unsigned char *from = at;
    unsigned sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum += from[i];
    }
    return sum;
}

static void item_again(const stored_item *it)
{
    encoder x;
    arena memory;
    stored_item again;
    encoder_init(&x, 64 * 1024 * 1024);
    arena_init(&memory, ARENA_BYTES);
    item_encode(it, &x);
    if (item_decode(&again, ROW, encoder_slice(&x), &memory, NULL) != ERR_OK ||
        !slice_equal(again.title, it->title) || !slice_equal(again.later, it->later) ||
        !slice_equal(again.description, it->description) ||
        again.attribute_count != it->attribute_count) {
        abort();
    }
    arena_fini(&memory);
    encoder_fini(&x);
}

static void decode_item(slice bytes)
{
    arena memory;
    stored_item it;
    arena_init(&memory, ARENA_BYTES);
    if (item_decode(&it, ROW, bytes, &memory, NULL) == ERR_OK) {
        item_again(&it);
    }
    arena_fini(&memory);
}

static void decode_model(slice bytes)
{
    model *m = NULL;
    if (model_decode(&m, bytes, NULL) == ERR_OK) {
        encoder x;
        model *again = NULL;
        encoder_init(&x, MODEL_RECORD_BYTES_MAX);
        model_encode(m, &x);
        if (model_decode(&again, encoder_slice(&x), NULL) != ERR_OK) {
            abort();
        }
        model_free(again);
        encoder_fini(&x);
    }
    model_free(m);
}

static void decode_kept(slice bytes)
{
    idempotency_record record;
    if (idempotency_decode(&record, bytes, NULL) == ERR_OK) {
        (void)touch(record.hash, IDEMPOTENCY_HASH_BYTES);
        (void)touch(record.users, (size_t)4 * record.user_count);
        (void)touch(record.body.at, record.body.length);
    }
}

static void decode_small(uint8_t kind, slice bytes)
{
    union {
        store_state state;
        stored_user u;
        interaction edge;
        feature f;
        modality m;
        oplog_entry entry;
        generation_info info;
        blob_record blob;
        slice text;
    } out;
    err e = ERR_INIT;
    switch (kind) {
    case 0: (void)!state_decode(&out.state, bytes, &e); break;
    case 1: (void)!user_decode(&out.u, ROW, bytes, &e); break;
    case 2: (void)!edge_decode(&out.edge, true, ROW, bytes, &e); break;
    case 3:
        if (feature_decode(&out.f, WIDTH, bytes, &e) == ERR_OK) {
            (void)touch(out.f.data, WIDTH * feature_dtype_bytes(out.f.dtype));
        }
        break;
    case 4: (void)!modality_decode(&out.m, 0, bytes, &e); break;
    case 5: (void)!oplog_decode(&out.entry, 1, bytes, &e); break;
    case 6: (void)!generation_decode(&out.info, bytes, &e); break;
    case 7: (void)!blob_decode(&out.blob, bytes, &e); break;
    case 8: (void)!piece_decode(&out.text, bytes, true, &e); break;
    default: (void)!type_decode(&out.text, bytes, &e); break;
    }
}

/* migrate_item checks that the result of migrating an older record can be decoded. */
static void migrate_item(slice bytes)
{
    encoder x;
    arena memory;
    stored_item it;
    encoder_init(&x, ARENA_BYTES);
    arena_init(&memory, ARENA_BYTES);
    if (old_item(bytes, &memory, &it, NULL) == ERR_OK) {
        item_encode(&it, &x);
        if (item_decode(&it, ROW, encoder_slice(&x), &memory, NULL) != ERR_OK) {
            abort();
        }
    }
    store_state state;
    (void)!old_state(bytes, &state, NULL);
    arena_fini(&memory);
    encoder_fini(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    /* A copy of exactly this size, so that reading one byte too far is detected. */
    char *copy = mem_copy(data + 1, size - 1);
    slice bytes = {copy, size - 1};
    switch (data[0] % 14) {
    case 10: decode_item(bytes); break;
    case 11: decode_model(bytes); break;
    case 12: decode_kept(bytes); break;
    case 13: migrate_item(bytes); break;
    default: decode_small(data[0] % 14, bytes); break;
    }
    mem_free(copy);
    return 0;
}
