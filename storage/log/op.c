/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op: holds the memory of an op, and encodes and decodes it. op_check.c validates ops.
 */
#include "storage/log/op.h"

#include <string.h>

#include "core/common/mem.h"
#include "storage/log/log_private.h"
#include "storage/models/generations.h"
#include "storage/records/records.h"

/* The shortest possible entries, so that a wrong count is noticed before memory is allocated for
 * it. */
enum { OP_ITEM_BYTES_MIN = 37, OP_INTERACTION_BYTES_MIN = 26, OP_ENCODED_BYTES_MIN = 13 };

err_code op_new(op **out, op_kind kind, size_t bytes_max, err *e)
{
    *out = NULL;
    op *o = mem_array(1, sizeof *o);
    if (o == NULL) {
        return err_nomem(e, "a write");
    }
    o->kind = kind;
    arena_init(&o->memory, bytes_max);
    *out = o;
    return ERR_OK;
}

void op_free(op *o)
{
    if (o != NULL) {
        arena_fini(&o->memory);
        mem_free(o);
    }
}

/* --- encoding --- */

static void feature_encode(encoder *x, const feature *f)
{
    encode_slice(x, f->modality);
    encode_u8(x, f->data != NULL ? (uint8_t)f->dtype : 0);
    if (f->data != NULL) {
        encode_u32(x, f->width);
        encode_bytes(x, f->data, (size_t)f->width * feature_dtype_bytes(f->dtype));
    }
}

static void op_item_encode(encoder *x, const op_item *it)
{
    encode_slice(x, it->id);
    encode_u32(x, it->given);
    encode_slice(x, it->title);
    encode_slice(x, it->description);
    slices_encode(x, it->categories, it->category_count);
    attributes_encode(x, it->attributes, it->attribute_count);
    encode_i64(x, it->created);
    encode_u8(x, it->hidden);
    encode_u32(x, it->feature_count);
    for (uint32_t i = 0; i < it->feature_count; i++) {
        feature_encode(x, &it->features[i]);
    }
}

static void op_encoded_encode(encoder *x, const op_item *it)
{
    encode_slice(x, it->id);
    encode_u64(x, it->text_hash);
    feature_encode(x, &it->features[0]);
}

static void op_interaction_encode(encoder *x, const op_interaction *i)
{
    encode_slice(x, i->user);
    encode_slice(x, i->item);
    encode_slice(x, i->type);
    encode_i64(x, i->time);
    encode_f32(x, i->weight);
    encode_u8(x, i->flags);
    encode_u8(x, i->split);
}

static void registration_encode(encoder *x, const op_registration *g)
{
    encode_bytes(x, g->id, sizeof g->id);
    encode_bytes(x, g->sha256, sizeof g->sha256);
    encode_bytes(x, g->lineage, sizeof g->lineage);
    encode_i64(x, g->created);
    encode_u64(x, g->seq);
    encode_u64(x, g->bytes);
    encode_u32(x, g->users);
    encode_u32(x, g->items);
    encode_u8(x, g->activate);
    encode_slice(x, g->summary);
}

static void answer_encode(encoder *x, const op_answer *a, uint32_t count)
{
    encode_u8(x, a->single);
    encode_u16(x, a->errors_max);
    encode_u32(x, a->model);
    encode_slice(x, a->list);
    encode_slice(x, a->request_id);
    encode_u8(x, a->embeddings != NULL);
    for (uint32_t i = 0; i < count && a->embeddings != NULL; i++) {
        encode_slice(x, a->embeddings[i]);
    }
}

void op_write(const op *o, encoder *x)
{
    encode_u8(x, (uint8_t)op_version(o));
    encode_u8(x, (uint8_t)o->kind);
    encode_i64(x, o->time);
    encode_u8(x, o->create_items);
    encode_u32(x, o->count);
    for (uint32_t i = 0; i < o->count && op_about_items(o->kind); i++) {
        if (o->kind == OP_ITEMS_ENCODED) {
            op_encoded_encode(x, &o->items[i]);
        } else {
            op_item_encode(x, &o->items[i]);
        }
    }
    for (uint32_t i = 0; i < o->count && op_about_interactions(o->kind); i++) {
        op_interaction_encode(x, &o->interactions[i]);
    }
    encode_slice(x, o->user);
    encode_u32(x, o->user_row);
    encode_u32(x, o->generation);
    if (o->kind == OP_GENERATION_REGISTER) {
        registration_encode(x, &o->registration);
    } else if (o->kind == OP_GENERATION_PRUNE) {
        encode_u32(x, o->keep);
    }
    encode_slice(x, o->idempotency_key);
    if (o->idempotency_key.at != NULL) {
        encode_bytes(x, o->idempotency_hash, IDEMPOTENCY_HASH_BYTES);
        answer_encode(x, &o->answer, o->count);
    }
}

err_code op_encode(const op *o, arena *a, slice *out, err *e)
{
    encoder x;
    out->at = NULL;
    out->length = 0;
    encoder_init(&x, OP_BYTES_MAX);
    op_write(o, &x);
    err_code code = encoder_check(&x, "write", e);
    if (code == ERR_OK) {
        *out = arena_slice(a, encoder_slice(&x));
        code = out->at != NULL ? ERR_OK : err_nomem(e, "a write");
    }
    encoder_fini(&x);
    return code;
}

/* --- decoding: all values borrow from a copy of the bytes in the op's arena --- */

static void feature_read(decoder *d, feature *f)
{
    f->modality = decode_slice(d, MODALITY_NAME_BYTES_MAX);
    uint8_t dtype = decode_u8(d);
    f->dtype = dtype;
    if (dtype == 0) {
        return;
    }
    if (dtype != FEATURE_F2 && dtype != FEATURE_F4) {
        d->failed = true;
        return;
    }
    f->width = decode_u32(d);
    if (f->width == 0 || f->width > FEATURE_WIDTH_MAX) {
        d->failed = true;
        return;
    }
    f->data = decode_bytes(d, (size_t)f->width * feature_dtype_bytes(f->dtype));
}

static void op_item_decode(decoder *d, arena *a, op_item *it)
{
    it->id = decode_slice(d, ID_BYTES_MAX);
    it->given = decode_u32(d);
    it->title = decode_slice(d, TITLE_BYTES_MAX);
    it->description = decode_slice(d, DESCRIPTION_BYTES_MAX);
    slices_decode(d, a, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &it->categories, &it->category_count);
    attributes_decode(d, a, &it->attributes, &it->attribute_count);
    it->created = decode_i64(d);
    it->hidden = decode_u8(d) != 0;
    it->feature_count = decode_count(d, MODALITIES_MAX, 5);
    feature *features =
        it->feature_count > 0 ? arena_alloc(a, it->feature_count, sizeof *features) : NULL;
    if (it->feature_count > 0 && features == NULL) {
        decode_nomem(d);
        return;
    }
    for (uint32_t i = 0; i < it->feature_count; i++) {
        feature_read(d, &features[i]);
    }
    it->features = features;
}

static void op_encoded_decode(decoder *d, arena *a, op_item *it)
{
    it->id = decode_slice(d, ID_BYTES_MAX);
    it->text_hash = decode_u64(d);
    feature *f = arena_alloc(a, 1, sizeof *f);
    if (f != NULL) {
        feature_read(d, f);
    } else {
        decode_nomem(d);
    }
    it->features = f;
    it->feature_count = f != NULL;
}

static void op_interaction_decode(decoder *d, op_interaction *i)
{
    i->user = decode_slice(d, ID_BYTES_MAX);
    i->item = decode_slice(d, ID_BYTES_MAX);
    i->type = decode_slice(d, INTERACTION_TYPE_BYTES_MAX);
    i->time = decode_i64(d);
    i->weight = decode_f32(d);
    i->flags = decode_u8(d);
    i->split = decode_u8(d);
}

static err_code decode_entries(decoder *d, op *o, err *e)
{
    bool of_items = op_about_items(o->kind);
    if (!of_items && !op_about_interactions(o->kind)) {
        if (o->count > 1) {
            d->failed = true;
        }
        return ERR_OK;
    }
    void *entries =
        arena_alloc(&o->memory, o->count, of_items ? sizeof(op_item) : sizeof(op_interaction));
    if (entries == NULL) {
        return err_nomem(e, "a write");
    }
    for (uint32_t i = 0; i < o->count && !d->failed; i++) {
        if (o->kind == OP_ITEMS_ENCODED) {
            op_encoded_decode(d, &o->memory, (op_item *)entries + i);
        } else if (of_items) {
            op_item_decode(d, &o->memory, (op_item *)entries + i);
        } else {
            op_interaction_decode(d, (op_interaction *)entries + i);
        }
    }
    o->items = of_items ? entries : NULL;
    o->interactions = of_items ? NULL : entries;
    return ERR_OK;
}

static void registration_decode(decoder *d, op_registration *g)
{
    decode_into(d, g->id, sizeof g->id);
    decode_into(d, g->sha256, sizeof g->sha256);
    decode_into(d, g->lineage, sizeof g->lineage);
    g->created = decode_i64(d);
    g->seq = decode_u64(d);
    g->bytes = decode_u64(d);
    g->users = decode_u32(d);
    g->items = decode_u32(d);
    g->activate = decode_u8(d) != 0;
    g->summary = decode_slice(d, GENERATION_SUMMARY_BYTES_MAX);
}

static void answer_decode(decoder *d, op *o)
{
    op_answer *a = &o->answer;
    a->single = decode_u8(d) != 0;
    a->errors_max = decode_u16(d);
    a->model = decode_u32(d);
    a->list = decode_slice(d, OP_LIST_BYTES_MAX);
    a->request_id = decode_slice(d, OP_REQUEST_ID_BYTES_MAX);
    if (decode_u8(d) == 0 || d->failed) {
        return;
    }
    slice *embeddings = arena_alloc(&o->memory, o->count, sizeof *embeddings);
    if (embeddings == NULL) {
        decode_nomem(d);
        return;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        embeddings[i] = decode_slice(d, OP_EMBEDDING_BYTES_MAX);
    }
    a->embeddings = embeddings;
}

static void key_decode(decoder *d, op *o)
{
    o->idempotency_key = decode_slice(d, IDEMPOTENCY_KEY_BYTES_MAX);
    if (o->idempotency_key.at == NULL) {
        return;
    }
    decode_into(d, o->idempotency_hash, IDEMPOTENCY_HASH_BYTES);
    d->failed = d->failed || o->idempotency_key.length == 0;
    answer_decode(d, o);
}

static size_t entry_bytes_min(op_kind kind)
{
    return kind == OP_ITEMS_ENCODED      ? OP_ENCODED_BYTES_MIN
           : op_about_items(kind)        ? OP_ITEM_BYTES_MIN
           : op_about_interactions(kind) ? OP_INTERACTION_BYTES_MIN
                                         : 0;
}

/* emptied tells whether an erasure removed the user, or all entries, from a logged op. */
static bool emptied(const op *o)
{
    return o->kind == OP_USER_ERASE ? o->user.at == NULL
                                    : !op_about_generations(o->kind) && o->count == 0;
}

static err_code version_decode(decoder *d, op *o, err *e)
{
    o->version = decode_u8(d);
    if (d->failed) {
        return err_set(e, ERR_CORRUPT, "write: empty record");
    }
    if (o->version > OP_VERSION) {
        return err_set(e, ERR_CONFLICT,
                       "a write of version %u, but this version of stair applies up to %d",
                       o->version, OP_VERSION);
    }
    return o->version >= OP_VERSION_OLDEST
               ? ERR_OK
               : err_set(e, ERR_CORRUPT, "write: record of version %u, expected %d to %d",
                         o->version, OP_VERSION_OLDEST, OP_VERSION);
}

/* decode_members reads an op that borrows from `bytes`, and validates it. */
static err_code decode_members(op *o, slice bytes, err *e)
{
    decoder d;
    decoder_init(&d, bytes);
    err_code code = version_decode(&d, o, e);
    if (code != ERR_OK) {
        return code;
    }
    o->kind = decode_u8(&d);
    o->time = decode_i64(&d);
    o->create_items = decode_u8(&d) != 0;
    o->count = decode_count(&d, OP_ENTRIES_MAX, entry_bytes_min(o->kind));
    code = decode_entries(&d, o, e);
    if (code != ERR_OK) {
        return code;
    }
    o->user = decode_slice(&d, ID_BYTES_MAX);
    o->user_row = decode_u32(&d);
    o->generation = decode_u32(&d);
    if (o->kind == OP_GENERATION_REGISTER) {
        registration_decode(&d, &o->registration);
    } else if (o->kind == OP_GENERATION_PRUNE) {
        o->keep = decode_u32(&d);
    }
    key_decode(&d, o);
    code = decoder_check(&d, "write", e);
    if (code == ERR_OK && !emptied(o) && op_check(o, e) != ERR_OK) {
        code = ERR_CORRUPT;
        if (e != NULL) {
            e->code = ERR_CORRUPT;
        }
    }
    return code;
}

err_code op_decode(op **out, slice bytes, err *e)
{
    op *o = NULL;
    *out = NULL;
    /* In memory, lists are pointers and on disk lengths, so the op is at most about 20 times
     * larger. */
    err_code code = op_new(&o, OP_ITEMS_PUT, (bytes.length + 64) * 32, e);
    if (code != ERR_OK) {
        return code;
    }
    slice copy = arena_slice(&o->memory, bytes.at != NULL ? bytes : slice_of(""));
    code = copy.at != NULL ? decode_members(o, copy, e) : err_nomem(e, "a write");
    if (code != ERR_OK) {
        op_free(o);
        return code;
    }
    *out = o;
    return ERR_OK;
}
