/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare: computes what a training needs before its first step.
 *
 * These are the interaction graph, the whitened rows and the neighbours of every modality, the item
 * graph, the content links, and E0. An item's E0 is the mean of its modalities' whitened rows,
 * weighted by their k_m; a user's is the mean of their training items. Without modality
 * initialisation, or if no item has any feature, E0 is drawn from N(0, 1e-4^2) by the seed instead,
 * because nothing can be learned from zeros alone.
 *
 * Deterministic. One thread calls.
 */
#ifndef CORE_PREPARE_H
#define CORE_PREPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "core/model/train_options.h"

typedef struct prepared {
    csr *a;                     /* (N, N) interactions */
    csr *s;                     /* (items, items) item graph; NULL without BSC or neighbours */
    model_modality *modalities; /* (modality_count) */
    size_t modality_count;
    links_table content;                  /* content links; NULL tables if there are none */
    float content_weight[MODALITIES_MAX]; /* weight of each modality in them */
} prepared;

typedef struct prepare_hooks {
    /* called when a modality's preparation begins; may be NULL */
    void (*modality)(void *ctx, const char *name);
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *ctx;
} prepare_hooks;

/* prepare_run fills *out. Free it with prepared_fini whatever the outcome. */
err_code prepare_run(prepared *out, const dataset *d, const train_options *o,
                     const prepare_hooks *hooks, err *e) ERR_CHECKED;
void prepared_fini(prepared *p);

/* prepare_again is prepare_run for other interactions over the same features and options. It moves
 * everything except the interaction graph out of *from. */
err_code prepare_again(prepared *out, prepared *from, const dataset *d, const train_options *o,
                       err *e) ERR_CHECKED;

/* prepared_rank returns how many columns of E0 content fills: the largest rank of a modality. The
 * other columns start from small random numbers, so that interactions can use them. */
size_t prepared_rank(const prepared *p, size_t dim);

/* prepare_initial writes E0 (users + items, dim). */
void prepare_initial(const prepared *p, const dataset *d, const train_options *o, float *e0);

#endif
