/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train_state.h"

#include <string.h>

#include "core/common/mem.h"

static const char magic[8] = "STAIRck2";

_Static_assert(sizeof(train_header) <= TRAIN_STATE_HEADER, "the header has its place");

static size_t table_floats(const train_header *h)
{
    return (size_t)(h->users + h->items) * (size_t)h->dim;
}

static uint32_t modalities_kept(const dataset *d)
{
    return (uint32_t)(d->modality_count < MODALITIES_MAX ? d->modality_count : MODALITIES_MAX);
}

err_code train_state_init(train_state *s, const dataset *d, const train_options *o,
                          const train_shape *shape, err *e)
{
    *s = (train_state){0};
    train_header h = {.users = d->users, .items = d->items, .dim = o->dim};
    memcpy(h.magic, magic, sizeof h.magic);
    h.data = dataset_fingerprint(d);
    h.options = train_options_fingerprint(o);
    h.tables = shape->evaluates ? 4 : 3;
    h.asked = *o;
    h.refit = shape->refit ? 1 : 0;
    h.modality_count = modalities_kept(d);
    for (size_t m = 0; m < h.modality_count; m++) {
        h.neighbours[m] = d->modalities[m].neighbours;
    }
    s->curve_room = shape->curve_room;
    size_t floats = table_floats(&h);
    size_t bytes = TRAIN_STATE_HEADER + h.tables * floats * sizeof(float);
    s->image = mem_table(bytes + s->curve_room * sizeof *s->curve, 1);
    if (s->image == NULL) {
        return err_nomem(e, "the training's tables");
    }
    s->head = (train_header *)(void *)s->image;
    *s->head = h;
    s->embeddings = (float *)(void *)(s->image + TRAIN_STATE_HEADER);
    s->m = s->embeddings + floats;
    s->v = s->m + floats;
    s->best = shape->evaluates ? s->v + floats : NULL;
    s->curve = (model_point *)(void *)(s->image + bytes);
    return ERR_OK;
}

void train_state_fini(train_state *s)
{
    mem_free(s->image);
    *s = (train_state){0};
}

size_t train_state_bytes(train_state *s)
{
    const train_header *h = s->head;
    size_t bytes = TRAIN_STATE_HEADER + h->tables * table_floats(h) * sizeof(float);
    s->head->bytes = bytes + h->curve_count * sizeof *s->curve;
    return s->head->bytes;
}

err_code train_state_peek(train_header *out, const void *bytes, size_t count, err *e)
{
    if (count < TRAIN_STATE_HEADER) {
        return err_set(e, ERR_CORRUPT, "the checkpoint is truncated to %zu bytes", count);
    }
    memcpy(out, bytes, sizeof *out);
    if (memcmp(out->magic, magic, sizeof magic) != 0) {
        return err_set(e, ERR_CORRUPT, "not a checkpoint of this version of stair");
    }
    if (out->bytes != count) {
        return err_set(e, ERR_CORRUPT, "the checkpoint has %zu bytes, expected %llu", count,
                       (unsigned long long)out->bytes);
    }
    return ERR_OK;
}

err_code train_state_check(const void *bytes, size_t count, const dataset *d,
                           const train_options *o, bool refit, err *e)
{
    train_header h;
    err_code code = train_state_peek(&h, bytes, count, e);
    if (code == ERR_OK) {
        code = train_options_same(&h.asked, o, e);
    }
    /* A different number of modalities means different data, which train_state_restore reports. */
    bool same = h.modality_count == modalities_kept(d);
    for (size_t m = 0; code == ERR_OK && same && m < h.modality_count; m++) {
        if (h.neighbours[m] != d->modalities[m].neighbours) {
            code = err_set(e, ERR_CONFLICT,
                           "neighbours: the checkpoint was made with %s=%u, not %s=%u; ask for the "
                           "same, or train without --resume",
                           d->modalities[m].name, h.neighbours[m], d->modalities[m].name,
                           d->modalities[m].neighbours);
        }
    }
    if (code == ERR_OK && (h.refit != 0) != refit) {
        code = err_set(e, ERR_CONFLICT,
                       "refit: the checkpoint is of a training %s, this one is %s; ask for the "
                       "same, or train without --resume",
                       refit ? "without" : "with it", refit ? "with it" : "without");
    }
    return code;
}

err_code train_state_restore(train_state *s, const void *bytes, size_t count, err *e)
{
    train_header h;
    err_code code = train_state_peek(&h, bytes, count, e);
    if (code != ERR_OK) {
        return code;
    }
    const train_header *mine = s->head;
    if (h.data != mine->data || h.users != mine->users || h.items != mine->items) {
        return err_set(e, ERR_CONFLICT,
                       "the data changed since the checkpoint; train without --resume");
    }
    if (h.options != mine->options || h.tables != mine->tables || h.dim != mine->dim) {
        return err_set(e, ERR_CONFLICT,
                       "the checkpoint was made with other options; train without --resume");
    }
    if (h.curve_count > s->curve_room) {
        return err_set(e, ERR_CONFLICT,
                       "the checkpoint has more epochs than this training allows; raise the number "
                       "of epochs, or train without --resume");
    }
    size_t expected = TRAIN_STATE_HEADER + h.tables * table_floats(&h) * sizeof(float) +
                      h.curve_count * sizeof *s->curve;
    if (count != expected) {
        return err_set(e, ERR_CORRUPT, "the checkpoint has %zu bytes, expected %zu", count,
                       expected);
    }
    memcpy(s->image, bytes, count);
    return ERR_OK;
}
