/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/model.h"

#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/model/fsc.h"
#include "core/model/stepwise.h"

static void own_weights(model *m)
{
    for (uint32_t j = 0; j < m->dim; j++) {
        m->user_w[j] = m->serving == SERVE_USERS_WITHOUT_OWN ? 0 : m->w[j];
    }
}

void model_serve(model *m, model_serving serving)
{
    bool as_trained = serving == SERVE_AS_TRAINED;
    m->serving = serving;
    m->layers = serving == SERVE_PLAIN_TWO && m->options.layers > 2 ? 2 : m->options.layers;
    if (as_trained && !m->options.without_fsc) {
        stepwise_layer(m->options.gamma_forward, m->dim, m->f);
    } else {
        for (uint32_t j = 0; j < m->dim; j++) {
            m->f[j] = 1;
        }
    }
    stepwise_scale(m->f, m->dim, m->layers, m->w);
    own_weights(m);
}

err_code model_own_weights(model *m, err *e)
{
    mem_free(m->user_w);
    m->user_w = mem_table(m->dim, sizeof *m->user_w);
    if (m->user_w == NULL) {
        return err_nomem(e, "a model");
    }
    own_weights(m);
    return ERR_OK;
}

const char *model_serving_name(model_serving serving)
{
    static const char *const names[SERVE_WAYS] = {"as trained", "plain", "plain, two layers",
                                                  "plain, users without their own layer"};
    return serving < SERVE_WAYS ? names[serving] : NULL;
}

err_code model_new(model **out, const train_options *o, size_t users, size_t items,
                   size_t modality_count, err *e)
{
    *out = NULL;
    model *m = mem_array(1, sizeof *m);
    if (m == NULL) {
        return err_nomem(e, "a model");
    }
    m->options = *o;
    m->dim = o->dim;
    m->layers = o->layers;
    m->users = users;
    m->items = items;
    m->modality_count = modality_count;
    m->w = mem_table(m->dim, sizeof *m->w);
    m->f = mem_table(m->dim, sizeof *m->f);
    m->user_w = mem_table(m->dim, sizeof *m->user_w);
    m->user_e = mem_table(users * m->dim, sizeof *m->user_e);
    m->item_e = mem_table(items * m->dim, sizeof *m->item_e);
    m->item_h = mem_table(items * m->dim, sizeof *m->item_h);
    m->item_g = mem_table(items * m->dim, sizeof *m->item_g);
    m->modalities = mem_array(modality_count, sizeof *m->modalities);
    if (m->w == NULL || m->f == NULL || m->user_w == NULL || m->user_e == NULL ||
        m->item_e == NULL || m->item_h == NULL || m->item_g == NULL || m->modalities == NULL) {
        model_free(m);
        return err_nomem(e, "a model");
    }
    m->serving_gain = m->links_gain = 1;
    model_serve(m, SERVE_AS_TRAINED);
    *out = m;
    return ERR_OK;
}

void model_free(model *m)
{
    if (m == NULL) {
        return;
    }
    mem_free(m->w);
    mem_free(m->f);
    mem_free(m->user_w);
    mem_free(m->user_e);
    mem_free(m->user_pairs);
    mem_free(m->item_e);
    mem_free(m->item_h);
    mem_free(m->item_g);
    links_free(m->links);
    content_map_free(m->map);
    for (size_t i = 0; m->modalities != NULL && i < m->modality_count; i++) {
        mem_free(m->modalities[i].mean);
        mem_free(m->modalities[i].projection);
        mem_free(m->modalities[i].spread);
        mem_free(m->modalities[i].content);
    }
    mem_free(m->modalities);
    mem_free(m->curve);
    mem_free(m);
}

err_code model_modality_alloc(model *m, size_t index, const char *name, size_t width, err *e)
{
    model_modality *x = &m->modalities[index];
    snprintf(x->name, sizeof x->name, "%s", name);
    x->width = width;
    x->mean = mem_table(width, sizeof *x->mean);
    x->projection = mem_table(width * m->dim, sizeof *x->projection);
    x->spread = mem_table(m->dim, sizeof *x->spread);
    x->content = mem_table(m->items * m->dim, sizeof *x->content);
    if (x->mean == NULL || x->projection == NULL || x->spread == NULL || x->content == NULL) {
        return err_nomem(e, "a modality's tables");
    }
    return ERR_OK;
}

size_t model_rank(const model_modality *x, size_t dim)
{
    size_t rank = 0;
    while (rank < dim && x->spread[rank] > 0) {
        rank++;
    }
    return rank;
}

err_code model_count(model *m, const pair *train, size_t count, err *e)
{
    mem_free(m->user_pairs);
    m->user_pairs = mem_array(m->users, sizeof *m->user_pairs);
    if (m->user_pairs == NULL) {
        return err_nomem(e, "a model");
    }
    for (size_t i = 0; i < count; i++) {
        m->user_pairs[train[i].user]++;
    }
    return ERR_OK;
}

err_code model_convolve(model *m, const pair *pairs, size_t count, err *e)
{
    fsc_tables t = {.users = m->users,
                    .items = m->items,
                    .dim = m->dim,
                    .layers = m->layers,
                    .w = m->w,
                    .f = m->f,
                    .user_e = m->user_e,
                    .item_e = m->item_e,
                    .pairs = pairs,
                    .pair_count = count,
                    .threads = m->options.threads,
                    .item_h = m->item_h,
                    .item_g = m->item_g};
    return fsc_propagate(&t, e);
}

err_code model_finish(model *m, const pair *train, size_t count, err *e)
{
    err_code code = model_count(m, train, count, e);
    return code == ERR_OK ? model_convolve(m, train, count, e) : code;
}

const eval_metrics *model_judged(const model *m)
{
    return m->test.users > 0 ? &m->test : &m->valid;
}

void model_user_vector(const model *m, const float *e_u, const uint32_t *items, const float *a,
                       size_t count, float *out)
{
    for (uint32_t j = 0; j < m->dim; j++) {
        out[j] = m->user_w[j] * e_u[j];
    }
    for (size_t k = 0; k < count; k++) {
        const float *g = m->item_g + (size_t)items[k] * m->dim;
        for (uint32_t j = 0; j < m->dim; j++) {
            out[j] += a[k] * g[j];
        }
    }
}
