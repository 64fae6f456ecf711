/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/model_record.h"

#include <string.h>

#include "core/common/item_fields.h"
#include "core/common/mem.h"

/* Version 1 has no links and only one way of serving. */
enum { MODEL_RECORD_VERSION = 2, CURVE_MAX = 1000000 };

static void options_encode(const train_options *o, encoder *x)
{
    encode_u32(x, o->dim);
    encode_u32(x, o->layers);
    encode_f64(x, o->gamma_forward);
    encode_f64(x, o->gamma_backward);
    encode_f64(x, o->lr);
    encode_f64(x, o->weight_decay);
    encode_u32(x, o->batch);
    encode_u32(x, o->epochs);
    encode_u32(x, o->patience);
    encode_u32(x, o->eval_every);
    encode_u64(x, o->seed);
    encode_u32(x, (uint32_t)o->threads);
    encode_u8(x, (uint8_t)o->select_metric);
    encode_u32(x, o->select_at);
    encode_u8(x, (uint8_t)o->protocol);
    encode_u8(x, (uint8_t)((o->without_mi ? 1 : 0) | (o->without_fsc ? 2 : 0) |
                           (o->without_bsc ? 4 : 0) | (o->without_links ? 8 : 0)));
    encode_f64(x, o->knn_recall_min);
}

static void options_decode(decoder *d, train_options *o)
{
    o->dim = decode_u32(d);
    o->layers = decode_u32(d);
    o->gamma_forward = decode_f64(d);
    o->gamma_backward = decode_f64(d);
    o->lr = decode_f64(d);
    o->weight_decay = decode_f64(d);
    o->batch = decode_u32(d);
    o->epochs = decode_u32(d);
    o->patience = decode_u32(d);
    o->eval_every = decode_u32(d);
    o->seed = decode_u64(d);
    uint32_t threads = decode_u32(d);
    uint8_t metric = decode_u8(d);
    o->select_at = decode_u32(d);
    uint8_t protocol = decode_u8(d);
    uint8_t without = decode_u8(d);
    o->knn_recall_min = decode_f64(d);
    if (threads > TRAIN_THREADS_MAX || metric > TRAIN_NDCG || protocol > PROTOCOL_MMREC ||
        without > 15) {
        d->failed = true;
        return;
    }
    o->threads = (int)threads;
    o->select_metric = metric;
    o->protocol = protocol;
    o->without_mi = (without & 1) != 0;
    o->without_fsc = (without & 2) != 0;
    o->without_bsc = (without & 4) != 0;
    o->without_links = (without & 8) != 0;
}

static void metrics_encode(const eval_metrics *m, encoder *x)
{
    encode_u64(x, m->users);
    encode_u64(x, m->dropped);
    encode_u32(x, (uint32_t)m->at_count);
    for (size_t i = 0; i < m->at_count; i++) {
        encode_u32(x, m->at[i]);
        encode_f64(x, m->recall[i]);
        encode_f64(x, m->ndcg[i]);
    }
}

static void metrics_decode(decoder *d, eval_metrics *m)
{
    m->users = (size_t)decode_u64(d);
    m->dropped = (size_t)decode_u64(d);
    m->at_count = decode_count(d, EVAL_AT_MAX, 20);
    for (size_t i = 0; i < m->at_count; i++) {
        m->at[i] = decode_u32(d);
        m->recall[i] = decode_f64(d);
        m->ndcg[i] = decode_f64(d);
    }
}

static void choice_encode(const model *m, encoder *x)
{
    encode_u8(x, (uint8_t)m->serving);
    encode_f64(x, m->serving_gain);
    encode_f64(x, m->links_gain);
    encode_u8(x, m->links != NULL);
    if (m->links == NULL) {
        return;
    }
    const links_choice *c = &m->links->choice;
    for (size_t s = 0; s < LINKS_SOURCES; s++) {
        encode_f32(x, c->beta[s]);
        encode_f32(x, c->recency[s]);
    }
    encode_u8(x, (uint8_t)c->kind);
    encode_f32(x, c->shrinkage);
    for (size_t i = 0; i < m->modality_count; i++) {
        encode_f32(x, c->modality[i]);
    }
}

static err_code choice_decode(decoder *d, model *m, err *e)
{
    uint8_t serving = decode_u8(d);
    m->serving_gain = decode_f64(d);
    m->links_gain = decode_f64(d);
    uint8_t linked = decode_u8(d);
    d->failed |= serving >= SERVE_WAYS || linked > 1;
    m->serving = d->failed ? SERVE_AS_TRAINED : (model_serving)serving;
    if (d->failed || linked == 0) {
        return ERR_OK;
    }
    m->links = mem_array(1, sizeof *m->links);
    if (m->links == NULL) {
        return err_nomem(e, "a model");
    }
    links_choice *c = &m->links->choice;
    m->links->items = m->items;
    for (size_t s = 0; s < LINKS_SOURCES; s++) {
        c->beta[s] = decode_f32(d);
        c->recency[s] = decode_f32(d);
    }
    uint8_t kind = decode_u8(d);
    c->shrinkage = decode_f32(d);
    for (size_t i = 0; i < m->modality_count; i++) {
        c->modality[i] = decode_f32(d);
    }
    c->kind = kind < LINKS_KINDS ? (links_kind)kind : LINKS_COSINE;
    d->failed |= kind >= LINKS_KINDS || links_choice_check(c, NULL) != ERR_OK;
    return ERR_OK;
}

void model_encode(const model *m, encoder *x)
{
    encode_u8(x, MODEL_RECORD_VERSION);
    encode_u32(x, m->dim);
    encode_u32(x, m->layers);
    encode_u64(x, m->users);
    encode_u64(x, m->items);
    encode_u32(x, (uint32_t)m->modality_count);
    for (size_t i = 0; i < m->modality_count; i++) {
        const model_modality *mo = &m->modalities[i];
        encode_slice(x, slice_of(mo->name));
        encode_u32(x, (uint32_t)mo->width);
        encode_u32(x, mo->neighbours);
    }
    options_encode(&m->options, x);
    encode_u32(x, m->epochs);
    encode_u32(x, m->best_epoch);
    encode_f64(x, m->seconds);
    encode_f64(x, m->seconds_per_epoch);
    metrics_encode(&m->valid, x);
    metrics_encode(&m->test, x);
    encode_u32(x, (uint32_t)m->curve_count);
    for (size_t i = 0; i < m->curve_count; i++) {
        const model_point *p = &m->curve[i];
        encode_u32(x, p->epoch);
        encode_f32(x, p->loss);
        encode_f32(x, p->recall);
        encode_f32(x, p->ndcg);
        encode_f64(x, p->seconds);
    }
    choice_encode(m, x);
}

static err_code modalities_decode(decoder *d, model *m, err *e)
{
    m->modality_count = decode_count(d, MODALITIES_MAX, 12);
    m->modalities = mem_array(m->modality_count, sizeof *m->modalities);
    if (m->modalities == NULL) {
        m->modality_count = 0;
        return err_nomem(e, "a model");
    }
    for (size_t i = 0; i < m->modality_count; i++) {
        model_modality *mo = &m->modalities[i];
        slice name = decode_slice(d, FEATURE_NAME_BYTES - 1);
        if (name.at != NULL) {
            memcpy(mo->name, name.at, name.length);
        }
        mo->width = decode_u32(d);
        mo->neighbours = decode_u32(d);
        if (name.length == 0 || mo->width == 0 || mo->width > FEATURE_WIDTH_MAX) {
            d->failed = true;
        }
    }
    return ERR_OK;
}

static err_code curve_decode(decoder *d, model *m, err *e)
{
    m->curve_count = decode_count(d, CURVE_MAX, 24);
    m->curve = mem_array(m->curve_count, sizeof *m->curve);
    if (m->curve == NULL) {
        m->curve_count = 0;
        return err_nomem(e, "a model");
    }
    for (size_t i = 0; i < m->curve_count; i++) {
        model_point *p = &m->curve[i];
        p->epoch = decode_u32(d);
        p->loss = decode_f32(d);
        p->recall = decode_f32(d);
        p->ndcg = decode_f32(d);
        p->seconds = decode_f64(d);
    }
    return ERR_OK;
}

err_code model_decode(model **out, slice bytes, err *e)
{
    decoder d;
    *out = NULL;
    decoder_init(&d, bytes);
    bool first = bytes.length > 0 && bytes.at[0] == 1;
    err_code code = decode_version(&d, first ? 1 : MODEL_RECORD_VERSION, "model", e);
    model *m = code == ERR_OK ? mem_array(1, sizeof *m) : NULL;
    if (m == NULL) {
        return code != ERR_OK ? code : err_nomem(e, "a model");
    }
    m->dim = decode_u32(&d);
    m->layers = decode_u32(&d);
    uint64_t users = decode_u64(&d), items = decode_u64(&d);
    if (m->dim == 0 || m->dim > TRAIN_DIM_MAX || m->layers > TRAIN_LAYERS_MAX ||
        users > UINT32_MAX || items > UINT32_MAX) {
        d.failed = true;
    }
    m->users = (size_t)users;
    m->items = (size_t)items;
    code = modalities_decode(&d, m, e);
    options_decode(&d, &m->options);
    m->epochs = decode_u32(&d);
    m->best_epoch = decode_u32(&d);
    m->seconds = decode_f64(&d);
    m->seconds_per_epoch = decode_f64(&d);
    metrics_decode(&d, &m->valid);
    metrics_decode(&d, &m->test);
    if (code == ERR_OK) {
        code = curve_decode(&d, m, e);
    }
    m->serving_gain = m->links_gain = 1;
    if (code == ERR_OK && !first) {
        code = choice_decode(&d, m, e);
    }
    if (code == ERR_OK) {
        code = decoder_check(&d, "model", e);
    }
    if (code != ERR_OK) {
        model_free(m);
        return code;
    }
    *out = m;
    return ERR_OK;
}
