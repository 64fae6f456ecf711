/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart: computes a row of E from an item's features
 * (docs/model.md, "What the paper leaves open").
 *
 * The map targets E and not H: a row without interactions has H = w E, and a background run of FSC
 * must not make it jump. The norm is limited to the largest norm that training produced, so that no
 * odd vector tops every list. Files and older stores may contain numbers so large that lengths
 * overflow. A modality whose vector has no finite length counts as missing, so a row of E is always
 * finite.
 */
#include "core/serve/state/coldstart.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/half.h"
#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/state/coldstart_fit.h"
#include "core/serve/state/view_tables.h"

void cold_item_free(cold_item *item)
{
    if (item != NULL) {
        mem_free(item->embedding);
        later_list_release(item->links);
        mem_free(item);
    }
}

size_t coldstart_modalities(const view *v)
{
    return v->base != NULL ? v->base->shared->model->modality_count : 0;
}

const word_space *coldstart_words(const view *v)
{
    return v->base != NULL ? v->base->shared->words : NULL;
}

bool coldstart_trained(const view *v, uint32_t item)
{
    return v->base != NULL && item < v->base->trained && view_bit(&v->placed, item);
}

slice coldstart_modality_name(const view *v, size_t modality)
{
    return slice_of(v->base->shared->model->modalities[modality].name);
}

static float feature_at(const feature *f, size_t j)
{
    if (f->dtype == FEATURE_F4) {
        float value;
        memcpy(&value, (const char *)f->data + j * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, (const char *)f->data + j * sizeof half, sizeof half);
    return half_to_float(half);
}

static void read_feature(const feature *f, float *out)
{
    for (size_t j = 0; j < f->width; j++) {
        out[j] = feature_at(f, j);
    }
}

/* project writes the whitened row (x - mean) P of one modality. */
static void project(const model_modality *m, size_t dim, const float *x, float *out)
{
    memset(out, 0, dim * sizeof *out);
    for (size_t d = 0; d < m->width; d++) {
        float centred = x[d] - m->mean[d];
        const float *row = m->projection + d * dim;
        if (centred == 0) {
            continue;
        }
        for (size_t j = 0; j < dim; j++) {
            out[j] += centred * row[j];
        }
    }
}

/* The state of one item while its vector is computed. */
typedef struct embedding {
    const coldstart *c;
    cold_item *item;
    float *input;    /* (inputs) whitened rows, a flag for each present modality, 1 */
    float *feature;  /* (the widest modality) */
    cold_seek *seek; /* where the neighbours and links of the item go */
} embedding;

static const feature *find_feature(const model_modality *m, const feature *features, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (features[i].data != NULL && slice_equal(features[i].modality, slice_of(m->name))) {
            return &features[i];
        }
    }
    return NULL;
}

uint32_t coldstart_known(const coldstart *c, const feature *features, size_t count)
{
    uint32_t known = 0;
    for (size_t m = 0; m < c->modalities; m++) {
        known |= find_feature(&c->m->modalities[m], features, count) != NULL ? 1U << m : 0;
    }
    return known;
}

/* fold_units makes the row of one modality's space that neighbours are searched with. */
static void fold_units(embedding *in, size_t m)
{
    const coldstart *c = in->c;
    const cold_space *space = &c->space[m];
    const model_modality *modality = &c->m->modalities[m];
    const float *whitened = in->input + m * c->dim;
    for (size_t j = 0; !space->raw && j < c->dim; j++) {
        in->feature[j] = whitened[j] * modality->spread[j];
    }
    size_t width = space->raw ? modality->width : c->dim;
    if (content_fold(in->feature, width, in->seek->units.of[m], space->width)) {
        in->seek->units.known |= 1U << m;
    }
}

static err_code check_width(const model_modality *m, const feature *f, err *e)
{
    return f->width == m->width
               ? ERR_OK
               : err_set(e, ERR_INVALID, "features.%s: expected %zu numbers, not %u", m->name,
                         m->width, f->width);
}

static bool has_length(const float *x, size_t width)
{
    return isfinite(scan_dot(x, x, width));
}

static void take_features(embedding *in, const feature *features, size_t count)
{
    const coldstart *c = in->c;
    for (size_t m = 0; m < c->modalities; m++) {
        const model_modality *modality = &c->m->modalities[m];
        const feature *f = find_feature(modality, features, count);
        if (f == NULL || f->width != modality->width) {
            /* the item has the modality in another width, made for the next generation */
            in->item->missing |= 1U << m;
            continue;
        }
        float *whitened = in->input + m * c->dim;
        read_feature(f, in->feature);
        project(modality, c->dim, in->feature, whitened);
        if (!has_length(in->feature, f->width) || !has_length(whitened, c->dim)) {
            memset(whitened, 0, c->dim * sizeof *whitened);
            in->item->missing |= 1U << m;
            continue;
        }
        in->item->used |= 1U << m;
        in->input[c->modalities * c->dim + m] = 1;
        fold_units(in, m);
    }
}

/* map_row adds factor times the ridge map of an item's whitened inputs to out. */
static void map_row(const coldstart *c, const float *input, float factor, float *out)
{
    for (size_t p = 0; p < c->inputs; p++) {
        float x = input[p] * factor;
        for (size_t j = 0; x != 0 && j < c->dim; j++) {
            out[j] += x * c->map[p * c->dim + j];
        }
    }
}

/* add_neighbours adds the softmax-weighted mean over the neighbours of E or, with residuals, of the
 * map's error there. */
static void add_neighbours(embedding *in, bool residuals)
{
    const coldstart *c = in->c;
    cold_item *item = in->item;
    float weights[COLD_NEIGHBOURS_MAX], sum = 0;
    for (size_t i = 0; i < item->neighbour_count; i++) {
        const cold_neighbour *n = &item->neighbours[i];
        float k = (float)c->m->modalities[n->modality].neighbours;
        weights[i] = k * expf((n->similarity - 1) / c->tuning.temperature);
        sum += weights[i];
    }
    for (size_t i = 0; i < item->neighbour_count && sum > 0; i++) {
        uint32_t row = item->neighbours[i].item;
        float share = weights[i] / sum;
        for (size_t j = 0; j < c->dim; j++) {
            item->embedding[j] += share * c->m->item_e[(size_t)row * c->dim + j];
        }
        if (residuals) {
            cold_input_row(c, row, in->input);
            map_row(c, in->input, -share, item->embedding);
        }
    }
}

static void make_mi(embedding *in)
{
    const coldstart *c = in->c;
    float sum = 0;
    for (size_t m = 0; m < c->modalities; m++) {
        float k = (float)c->m->modalities[m].neighbours * (float)(in->item->used >> m & 1);
        sum += k;
        for (size_t j = 0; j < c->dim; j++) {
            in->item->embedding[j] += k * in->input[m * c->dim + j];
        }
    }
    for (size_t j = 0; j < c->dim && sum > 0; j++) {
        in->item->embedding[j] /= sum;
    }
}

static void make_row(embedding *in)
{
    const coldstart *c = in->c;
    switch (c->tuning.way) {
    case COLDSTART_MI: make_mi(in); break;
    case COLDSTART_NEIGHBOURS:
        add_neighbours(in, false);
        if (in->item->neighbour_count == 0) {
            make_mi(in); /* there is no similar item, or all features are zero */
        }
        break;
    case COLDSTART_RIDGE: map_row(c, in->input, 1, in->item->embedding); break;
    case COLDSTART_RESIDUALS:
        map_row(c, in->input, 1, in->item->embedding);
        add_neighbours(in, true);
        break;
    }
    float norm = sqrtf(scan_dot(in->item->embedding, in->item->embedding, c->dim));
    for (size_t j = 0; norm > c->norm_max && j < c->dim; j++) {
        in->item->embedding[j] *= c->norm_max / norm;
    }
}

static err_code embedding_init(embedding *in, const coldstart *c, cold_seek *seek, err *e)
{
    size_t widest = c->dim;
    bool whole = true;
    *in = (embedding){.c = c, .seek = seek};
    for (size_t m = 0; m < c->modalities; m++) {
        size_t width = c->m->modalities[m].width;
        widest = width > widest ? width : widest;
        seek->units.of[m] = mem_array(c->space[m].width, sizeof(float));
        whole = whole && seek->units.of[m] != NULL;
    }
    in->item = seek->item = mem_array(1, sizeof *in->item);
    in->input = mem_array(c->inputs, sizeof *in->input);
    in->feature = mem_array(widest, sizeof *in->feature);
    if (!whole || in->item == NULL || in->input == NULL || in->feature == NULL) {
        return err_nomem(e, "a new item's vector");
    }
    in->item->generation = c->generation;
    in->item->dim = c->dim;
    in->item->embedding = mem_array(c->dim, sizeof(float));
    return in->item->embedding != NULL ? ERR_OK : err_nomem(e, "a new item's vector");
}

static void embedding_fini(embedding *in, cold_seek *seek)
{
    mem_free(in->input);
    mem_free(in->feature);
    for (size_t m = 0; m < MODALITIES_MAX; m++) {
        mem_free(seek->units.of[m]);
    }
    cold_item_free(seek->item);
}

/* embed_batch computes the items of up to COLD_BATCH requests. */
static err_code embed_batch(cold_request *requests, size_t count, const coldstart *c, err *e)
{
    embedding in[COLD_BATCH] = {0};
    err_code code = ERR_OK;
    cold_seek *seeks = mem_array(count, sizeof *seeks);
    if (seeks == NULL) {
        return err_nomem(e, "new items' vectors");
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        code = embedding_init(&in[i], c, &seeks[i], e);
        if (code == ERR_OK) {
            take_features(&in[i], requests[i].features, requests[i].count);
        }
    }
    if (code == ERR_OK) {
        code = coldstart_near(seeks, count, c, e);
    }
    for (size_t i = 0; i < count; i++) {
        if (code == ERR_OK) {
            if (seeks[i].item->used != 0) {
                in[i].input[c->inputs - 1] = 1;
                make_row(&in[i]);
            }
            requests[i].item = seeks[i].item;
            seeks[i].item = NULL;
        }
        embedding_fini(&in[i], &seeks[i]);
    }
    mem_free(seeks);
    return code;
}

err_code coldstart_embed_many(cold_request *requests, size_t count, const coldstart *c, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        requests[i].item = NULL;
    }
    for (size_t first = 0; first < count && code == ERR_OK; first += COLD_BATCH) {
        size_t some = count - first < COLD_BATCH ? count - first : COLD_BATCH;
        code = embed_batch(requests + first, some, c, e);
    }
    for (size_t i = 0; i < count && code != ERR_OK; i++) {
        cold_item_free(requests[i].item);
        requests[i].item = NULL;
    }
    return code;
}

err_code coldstart_embed(cold_item **out, const coldstart *c, const feature *features, size_t count,
                         err *e)
{
    cold_request request = {.features = features, .count = count};
    err_code code = coldstart_embed_many(&request, 1, c, e);
    *out = request.item;
    return code;
}

err_code coldstart_prepare(cold_item **out, const view *v, const feature *features, size_t count,
                           err *e)
{
    cold_request request = {.features = features, .count = count};
    err_code code = coldstart_prepare_many(&request, 1, v, e);
    *out = request.item;
    return code;
}

err_code coldstart_prepare_many(cold_request *requests, size_t count, const view *v, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        requests[i].item = NULL;
        if (code == ERR_OK) {
            code = coldstart_fits(v, requests[i].features, requests[i].count, e);
        }
    }
    if (code != ERR_OK) {
        return code;
    }
    return v->base != NULL ? coldstart_embed_many(requests, count, v->base->shared->cold, e)
                           : ERR_OK;
}

err_code coldstart_fits(const view *v, const feature *features, size_t count, err *e)
{
    const coldstart *c = v->base != NULL ? v->base->shared->cold : NULL;
    for (size_t m = 0; c != NULL && m < c->modalities; m++) {
        const model_modality *modality = &c->m->modalities[m];
        const feature *f = find_feature(modality, features, count);
        err_code code = f != NULL ? check_width(modality, f, e) : ERR_OK;
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}
