/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shop_links.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/serve/state/base_tables.h"
#include "core/serve/state/view_tables.h"

void shop_link(model *m, unsigned seed)
{
    rng r;
    rng_init(&r, seed, 9);
    links_free(m->links);
    assert_int_equal(links_new(&m->links, m->items, NULL), ERR_OK);
    m->links->choice = (links_choice){
        .beta = {0.9F, 0.5F}, .recency = {0.8F, 0.95F}, .shrinkage = 10, .modality = {0.7F, 0.3F}};
    int sources = m->modality_count > 0 ? LINKS_SOURCES : 1;
    m->links->choice.beta[LINKS_CONTENT] *= sources == LINKS_SOURCES ? 1 : 0;
    for (int x = 0; x < sources; x++) {
        links_table *t = &m->links->source[x];
        links_table_fini(t);
        assert_int_equal(links_table_alloc(t, m->items, m->items * m->items, NULL), ERR_OK);
        for (size_t row = 0; row < m->items; row++) {
            links_entry entries[SHOP_ITEMS_MAX];
            size_t count = 0;
            uint32_t dense = rng_below(&r, 4) == 0 ? 0 : 2 + rng_below(&r, 30);
            for (uint32_t i = 0; i < m->items; i++) {
                if (i != row && dense > 0 && rng_below(&r, dense) == 0) {
                    entries[count++] = (links_entry){i, 0.01F + (float)rng_below(&r, 1000) / 999};
                }
            }
            links_table_put(t, row, entries, count);
        }
    }
    assert_int_equal(links_check(m->links, NULL), ERR_OK);
}

static double list_weight(const later_list *list, uint32_t target)
{
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        if (list->entries[i].target == target) {
            return (double)list->entries[i].weight;
        }
    }
    return 0;
}

double shop_link_weight(const view *v, links_source x, uint32_t owned, uint32_t target)
{
    const base *b = v->base;
    double weight = (double)links_weight(b->links, x, owned, target);
    if (x != LINKS_CONTENT || owned == target) {
        return weight;
    }
    bool forth = !base_linked(b, target) && owned < b->items;
    weight += forth ? list_weight(view_later_list(v, target), owned) : 0;
    weight += base_linked(b, owned) ? 0 : list_weight(view_later_list(v, owned), target);
    return weight;
}

static int latest_first(const void *x, const void *y)
{
    const shop_own *a = x, *b = y;
    return a->time != b->time ? (a->time < b->time ? 1 : -1)
                              : (a->item > b->item) - (a->item < b->item);
}

static size_t merge(shop_own *own, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < kept && own[at].item != own[i].item) {
            at++;
        }
        if (at == kept) {
            own[kept++] = own[i];
        } else {
            own[at].weight += own[i].weight;
            own[at].time = own[at].time > own[i].time ? own[at].time : own[i].time;
        }
    }
    return kept;
}

static double spread_of(const view *v, const double *h)
{
    const base *b = v->base;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < b->items; i++) {
        double dot = 0;
        for (size_t j = 0; j < SHOP_DIM; j++) {
            dot += h[j] * (double)b->h[i * SHOP_DIM + j];
        }
        sum += dot;
        squares += dot * dot;
    }
    double mean = sum / (double)b->items;
    return sqrt(squares / (double)b->items - mean * mean);
}

double shop_link_lift(const view *v, uint32_t item)
{
    const links_choice *c = &v->base->links->choice;
    bool content = c->beta[LINKS_CONTENT] > 0;
    double lift = content ? sqrt((double)(c->beta[0] + c->beta[1]) / (double)c->beta[1]) : 1;
    double users = view_item_users(v, item);
    bool new = item >= v->base->trained &&users < 20;
    return new ? 1 + (lift - 1) * (1 - users / 20) : 1;
}

/* share_of returns the factor on a source's sum beside its beta. */
static double share_of(const view *v, shop_asker asker, double count, double beta)
{
    bool bare = base_bare(v->base);
    if (asker == SHOP_SIMILAR && bare) {
        return 0.5 / beta;
    }
    return asker == SHOP_TRAINED ? 1 : (bare ? 2 : 1) * count / (count + 3);
}

static double power_of(const view *v, shop_asker asker)
{
    static const double powers[] = {[SHOP_TRAINED] = 1, [SHOP_STRANGER] = 2, [SHOP_SIMILAR] = 4};
    return base_bare(v->base) ? powers[asker] : 1;
}

void shop_link_sums(const view *v, shop_own *own, size_t count, shop_asker asker,
                    shop_link_part *added)
{
    const links_choice *c = &v->base->links->choice;
    double n = (double)v->base->items;
    double power = power_of(v, asker);
    memset(added, 0, SHOP_ITEMS_MAX * sizeof *added);
    count = merge(own, count);
    qsort(own, count, sizeof *own, latest_first);
    for (int x = 0; x < LINKS_SOURCES; x++) {
        double pull = 1, sum = 0, squares = 0;
        for (size_t k = 0; k < count && k < LINKS_HISTORY_MAX; k++) {
            pull *= k > 0 && own[k].time != own[k - 1].time ? (double)c->recency[x] : 1;
            for (uint32_t i = 0; i < v->item_rows && pull >= 1.0 / 1024; i++) {
                double weight = shop_link_weight(v, (links_source)x, own[k].item, i);
                added[i].of[x] += pull * (double)own[k].weight * pow(weight, power);
            }
        }
        for (uint32_t i = 0; i < v->item_rows; i++) {
            sum += added[i].of[x];
            squares += added[i].of[x] * added[i].of[x];
        }
        double spread = sqrt(squares / n - sum / n * (sum / n));
        double beta = (double)c->beta[x];
        double factor =
            spread > 0 && beta > 0 ? share_of(v, asker, (double)count, beta) * beta / spread : 0;
        for (uint32_t i = 0; i < v->item_rows; i++) {
            added[i].of[x] *= factor;
        }
    }
}

void shop_link_parts(const view *v, uint32_t user, shop_own *own, size_t count, const double *h,
                     shop_link_part *added)
{
    shop_asker asker = shop_stranger(v, user) ? SHOP_STRANGER : SHOP_TRAINED;
    shop_link_sums(v, own, count, asker, added);
    double spread = spread_of(v, h);
    for (uint32_t i = 0; i < v->item_rows; i++) {
        for (int x = 0; x < LINKS_SOURCES; x++) {
            added[i].of[x] *= spread;
        }
    }
}
