/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_op.h"

#include "core/common/arena.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"

/* begin_op makes an op with `count` empty entries, which the caller fills in. */
static err_code begin_op(op **out, size_t count, feature **features, op_item **items, err *e)
{
    err_code code = op_new(out, OP_ITEMS_ENCODED, count * 1024 + ((size_t)1 << 20), e);
    *items = code == ERR_OK ? arena_alloc(&(*out)->memory, count, sizeof **items) : NULL;
    *features = *items != NULL ? arena_alloc(&(*out)->memory, count, sizeof **features) : NULL;
    return code == ERR_OK && *features == NULL ? err_nomem(e, "the encoder's vectors") : code;
}

static err_code end_op(const encode_run_options *r, op *o, const op_item *items, size_t count,
                       err *e)
{
    o->items = items;
    o->count = (uint32_t)count;
    o->time = r->now();
    return r->apply(r->ctx, o, e);
}

err_code encode_op_apply(const encode_run_options *r, const encode_entries *of,
                         const embed_vectors *v, err *e)
{
    op *o = NULL;
    op_item *items = NULL;
    feature *features = NULL;
    size_t bytes = v != NULL ? (size_t)v->width * sizeof(float) : 0;
    err_code code = begin_op(&o, of->count, &features, &items, e);
    for (size_t i = 0; code == ERR_OK && i < of->count; i++) {
        features[i] = (feature){.modality = slice_of(r->encoder->modality)};
        items[i] = (op_item){.id = of->ids[i], .features = &features[i], .feature_count = 1};
        items[i].text_hash = of->hashes != NULL ? of->hashes[i] : item_text_hash("", 0);
        if (v != NULL) {
            features[i].dtype = FEATURE_F4;
            features[i].width = v->width;
            features[i].data = (const char *)v->numbers + i * bytes;
        }
    }
    if (code == ERR_OK) {
        code = end_op(r, o, items, of->count, e);
    }
    op_free(o);
    return code;
}

err_code encode_op_apply_batches(const encode_run_options *r, const encode_batch *first,
                                 size_t count, err *e)
{
    op *o = NULL;
    op_item *items = NULL;
    feature *features = NULL;
    size_t at = 0;
    err_code code = begin_op(&o, count, &features, &items, e);
    for (const encode_batch *b = first; code == ERR_OK && at < count; b = b->next) {
        for (size_t i = 0; i < b->asked; i++, at++) {
            features[at] = (feature){.modality = slice_of(r->encoder->modality),
                                     .dtype = FEATURE_F4,
                                     .width = b->vectors.width,
                                     .data = b->vectors.numbers + i * b->vectors.width};
            items[at] = (op_item){.id = b->ids[i],
                                  .features = &features[at],
                                  .feature_count = 1,
                                  .text_hash = b->hashes[i]};
        }
    }
    if (code == ERR_OK) {
        code = end_op(r, o, items, count, e);
    }
    op_free(o);
    return code;
}
