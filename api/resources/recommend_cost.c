/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/recommend_cost.h"

#include "api/resources/encoded_text.h"

/* How many of each make one unit: hits that are searched, and written as id and score. */
static const double HITS = 64;
static const double FIELD_HITS = 32;      /* hits with members that are read from the store */
static const double EXPLAINED_HITS = 100; /* hits whose parts and reasons are written */
static const double REASONS = 8000;       /* comparisons of a hit with an item of the user */
static const double DIVERSE = 12000;      /* comparisons of two candidates */
static const double INTERACTIONS = 400;   /* interactions of the user's history */
/* items of a session that are parsed, found and added up */
static const double SESSION_ITEMS = 32;
/* rows that are compared to find the neighbours of a text */
static const double TEXT_ROWS = 60000;
static const double ENCODED_TEXT = 10;      /* units for one call of the encoder */
static const double EXCLUDED_ITEMS = 64;    /* ids that are parsed and found */
static const double NAMES = 128;            /* names of categories that are parsed and found */
static const double NAMED_ROWS = 12000000;  /* rows of a bitmap, for each name */
static const double COMPARED_ROWS = 100000; /* rows of a column, for each condition */
static const double DIMENSIONS = 64;        /* dimensions of the vectors in these measurements */

/* These limits are those of core/serve/query. */
static const double REASONS_OF_USER_MAX = 2000;
static const double POOL_PER_PLACE = 4, POOL_LEAST = 100, POOL_MOST = 2000;

cost_units filter_cost(const context *c, const filter *f)
{
    double rows = (double)view_item_rows(c->view);
    double names =
        (double)(f->categories_any_count + f->categories_all_count + f->categories_none_count);
    double columns =
        (double)f->attribute_count + (f->has_created_after || f->has_created_before ? 1 : 0);
    return names / NAMES + names * rows / NAMED_ROWS + columns * rows / COMPARED_ROWS;
}

static double history(const context *c, const recommend_request *r)
{
    size_t count = 0;
    uint32_t user = r->user.at != NULL ? view_user_find(c->view, r->user) : ROW_NONE;
    if (user != ROW_NONE) {
        (void)view_user_edges(c->view, user, &count);
    }
    return (double)count;
}

cost_units recommend_cost(const context *c, const recommend_request *r)
{
    double depth = (double)(r->k + r->offset), hits = (double)r->k;
    double session = (double)r->session_count, interactions = history(c, r);
    double units = 1 + depth / HITS + interactions / INTERACTIONS + session / SESSION_ITEMS +
                   (double)r->exclude_count / EXCLUDED_ITEMS;
    double compared = 0;
    if (r->text.at != NULL) {
        units += 1 + (double)view_item_rows(c->view) / TEXT_ROWS + cost_text(r->text.length);
        units += encoded_text_called(c) ? ENCODED_TEXT : 0;
    }
    if (r->fields != 0) {
        units += hits / FIELD_HITS;
    }
    if (r->explain) {
        double own = interactions + session;
        own = own < REASONS_OF_USER_MAX ? own : REASONS_OF_USER_MAX;
        units += hits / EXPLAINED_HITS;
        compared += hits * own / REASONS;
    }
    if (r->diversity > 0) {
        double pool = depth * POOL_PER_PLACE;
        pool = pool < POOL_LEAST ? POOL_LEAST : pool > POOL_MOST ? POOL_MOST : pool;
        compared += depth * pool / DIVERSE;
    }
    double dim = (double)view_dim(c->view);
    return units + compared * (dim > DIMENSIONS ? dim / DIMENSIONS : 1);
}
