/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart: computes a vector, from its features, for an item that the generation does not know.
 *
 * The maps are fitted once per generation from its own tables (base_new) and are immutable.
 * Preparing an item takes a pass over the content tables to find its neighbours, so it runs on the
 * request's thread, before the op is queued. The result travels with the op in memory, and is used
 * if the same generation is still active when the op is applied.
 */
#ifndef CORE_COLDSTART_H
#define CORE_COLDSTART_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/types.h"
#include "core/serve/state/later_links.h"
#include "core/serve/state/view.h"
#include "core/words/words.h"

enum { COLD_NEIGHBOURS_MAX = 24, COLD_LINKS_MAX = 256 };

typedef struct cold_neighbour {
    uint32_t item;     /* row */
    uint32_t modality; /* number in the generation, see cold_modality_name */
    float similarity;  /* cosine */
} cold_neighbour;

/* The result of an item's features under one generation. Immutable; freed by cold_item_free. */
typedef struct cold_item {
    uint32_t generation;
    uint32_t used;    /* bit m: the item has modality m of the generation */
    uint32_t missing; /* bit m: it lacks modality m, or its numbers are too large to be measured */
    size_t dim;
    float *embedding; /* (dim) the row of E; all zero without any modality */
    size_t neighbour_count;
    cold_neighbour neighbours[COLD_NEIGHBOURS_MAX]; /* grouped by modality, best first */
    later_list *links; /* (<= COLD_LINKS_MAX) to trained items; NULL if they were not searched */
} cold_item;

/* coldstart_prepare computes the vector of an item with these features under the view's generation.
 * *out stays NULL if the view has no model. Features of unknown modalities are skipped.
 * ERR_INVALID: a known modality has another width. Thread-safe. */
err_code coldstart_prepare(cold_item **out, const view *v, const feature *features, size_t count,
                           err *e) ERR_CHECKED;

/* An item to prepare together with others. This costs less, because the tables are read once for
 * COLD_BATCH items. */
enum { COLD_BATCH = 32 };
typedef struct cold_request {
    const feature *features; /* (count) borrowed */
    size_t count;
    cold_item *item; /* output, to be freed by the caller; NULL if the view has no model */
} cold_request;

/* coldstart_prepare_many does coldstart_prepare for each request. After a failure no request has an
 * item. */
err_code coldstart_prepare_many(cold_request *requests, size_t count, const view *v,
                                err *e) ERR_CHECKED;

/* coldstart_fits returns ERR_INVALID if a feature has another width than in the view's
 * generation. */
err_code coldstart_fits(const view *v, const feature *features, size_t count, err *e) ERR_CHECKED;

void cold_item_free(cold_item *item);

/* coldstart_words borrows the vocabulary that encodes texts under the view's generation, or returns
 * NULL. */
const word_space *coldstart_words(const view *v);

/* coldstart_trained tells whether training has placed the item. Its vector then stays the same if
 * its features change. */
bool coldstart_trained(const view *v, uint32_t item);

/* coldstart_modalities returns the number of modalities of the view's generation, 0 without a
 * model. coldstart_modality_name returns the name of one, borrowed from the view. */
size_t coldstart_modalities(const view *v);
slice coldstart_modality_name(const view *v, size_t modality);

#endif
