/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linked: computes the links' part of the score for a request (core/model/links.h).
 *
 * The scratch's profile becomes a history, latest item first, and the links of its items are summed
 * in a dense table by item. Links of later items (those added after the training) are kept apart
 * from the generation's (core/serve/state/later_links.h). A session counts as later than everything
 * else, and its last item as the latest.
 *
 * If a generation has no content links, its later items still have some. Their unit then differs:
 * lambda times the spread of the scores of rows without interactions. They fade as users buy the
 * item, because its inner product then carries enough information.
 *
 * The score of a later item that has links from the history is multiplied by a lift (links_lift),
 * which fades to 1 as users buy the item. A score of 0 or less is not changed. The search scores
 * all such items (core/serve/query/search.c).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/serve/query/recommend_scratch.h"

#include "core/common/sort.h"

/* For a generation without links. */
static const links_choice no_choice = {.recency = {1, 1}};

static int by_item(const void *x, const void *y)
{
    const links_owned *a = x, *b = y;
    return (a->item > b->item) - (a->item < b->item);
}

float linked_lift(const view *v, const recommend_scratch *s, uint32_t row, float score)
{
    const base *b = v->base;
    if (row < b->trained || !links_sum_linked(&s->sums, row) || !(score > 0)) {
        return 1;
    }
    return 1 + (s->lift - 1) * coldstart_lean(b->shared->cold, view_item_users(v, row));
}

/* merge combines all entries of an item into one: the weights are added, and the latest time
 * counts. */
static size_t merge(links_owned *owned, size_t count)
{
    size_t kept = 0;
    sort_array(owned, count, sizeof *owned, by_item);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && owned[kept - 1].item == owned[i].item) {
            links_owned *first = &owned[kept - 1];
            first->weight += owned[i].weight;
            first->time = owned[i].time > first->time ? owned[i].time : first->time;
        } else {
            owned[kept++] = owned[i];
        }
    }
    return kept;
}

/* make_history fills s->owned. Each of the user's own items occurs once, but a session may repeat
 * them. */
static void make_history(const links_choice *c, recommend_scratch *s)
{
    size_t count = s->profile_count;
    for (size_t i = 0; i < count; i++) {
        profile_item in = s->profile[i];
        s->owned[i] = (links_owned){.item = in.item, .weight = in.weight, .time = in.time};
    }
    if (s->session_count > 0) {
        count = merge(s->owned, count);
    }
    s->owned_count = links_history(c, s->owned, count);
}

static void put(recommend_scratch *s, uint32_t item, float value)
{
    if (value > 0) {
        links_sum_put(&s->sums, LINKS_CONTENT, item, value);
    }
}

/* Histories are read in groups of so many items. */
enum { CHAINS = 16 };

/* fetch_chains brings the index's entries of some items into the cache. Each entry names the next
 * one, so a single chain waits for memory at every step; the waits of several chains overlap. The
 * prefetch uses each address, so the compiler cannot leave a read out as unused. */
static void fetch_chains(const later_index *x, const links_owned *owned, size_t count)
{
    const later_entry *at[CHAINS];
    size_t open = 0;
    for (size_t k = 0; k < count; k++) {
        const later_entry *first = later_index_first(x, owned[k].item);
        __builtin_prefetch(first);
        at[open] = first;
        open += first != NULL;
    }
    while (open > 0) {
        size_t kept = 0;
        for (size_t k = 0; k < open; k++) {
            const later_entry *next = later_index_next(x, at[k]);
            __builtin_prefetch(next);
            at[kept] = next;
            kept += next != NULL;
        }
        open = kept;
    }
}

/* add_chain adds the links from later items to `own`. */
static void add_chain(const view *v, const links_owned *own, bool fading, recommend_scratch *s)
{
    const coldstart *cold = v->base->shared->cold;
    const later_entry *in = later_index_first(&v->delta->later, own->item);
    for (; in != NULL; in = later_index_next(&v->delta->later, in)) {
        const later_list *list = view_later_list(v, in->item);
        if (list != NULL && list->serial == in->serial && !base_linked(v->base, in->item)) {
            float fade = fading ? coldstart_lean(cold, view_item_users(v, in->item)) : 1;
            put(s, in->item, own->pull[LINKS_CONTENT] * in->weight * fade);
        }
    }
}

/* add_later adds the links between the history and items that came after the training, except those
 * that the base already has. The order of the additions does not depend on that of the entries, so
 * that a sum has the same bits after a restart. */
static void add_later(const view *v, bool fading, recommend_scratch *s)
{
    for (size_t k = 0; k < s->owned_count; k++) {
        const links_owned *own = &s->owned[k];
        if (k % CHAINS == 0) {
            size_t left = s->owned_count - k;
            fetch_chains(&v->delta->later, own, left < CHAINS ? left : CHAINS);
        }
        add_chain(v, own, fading, s);
        const later_list *list = view_later_list(v, own->item);
        for (size_t i = 0; !fading && list != NULL && i < list->count; i++) {
            if (base_linked(v->base, own->item)) {
                break;
            }
            put(s, list->entries[i].target, own->pull[LINKS_CONTENT] * list->entries[i].weight);
        }
    }
}

/* add_text adds the content links of the query's text, as if it were an item taken at this
 * moment. */
static void add_text(recommend_scratch *s)
{
    const later_list *links = s->text != NULL ? s->text->links : NULL;
    for (size_t i = 0; links != NULL && i < links->count; i++) {
        put(s, links->entries[i].target, links->entries[i].weight);
    }
}

float linked_from(const view *v, const recommend_scratch *s, const links_owned *own, uint32_t row)
{
    const base *b = v->base;
    float content = 0, collaborative = 0;
    bool fading = s->fading;
    if (b->links != NULL) {
        collaborative = links_weight(b->links, LINKS_COLLABORATIVE, own->item, row);
        collaborative = links_sharp(collaborative, s->squarings);
        content = fading ? 0 : links_weight(b->links, LINKS_CONTENT, own->item, row);
    }
    if (!base_linked(b, row) && own->item < b->items) {
        float fade = fading ? coldstart_lean(b->shared->cold, view_item_users(v, row)) : 1;
        content += fade * later_list_weight(view_later_list(v, row), own->item);
    }
    if (!base_linked(b, own->item) && !fading) {
        content += later_list_weight(view_later_list(v, own->item), row);
    }
    return s->factor[LINKS_COLLABORATIVE] * own->pull[LINKS_COLLABORATIVE] * collaborative +
           s->factor[LINKS_CONTENT] * own->pull[LINKS_CONTENT] * content;
}

/* Histories shorter than about this have weaker links. Links of one or two items carry less
 * evidence than those of a long history, but dividing by their spread gives them the same weight.
 * For a user whom training has not seen, they are therefore multiplied by n / (n + SHORT) for n
 * items; a text counts as one item. */
#define SHORT 3.0F

/* Without features, only links tell which items go together. Their weights are squared for a user
 * whom training has not seen, and squared twice for similar items. So the few close pairs, such as
 * the parts of a series, come first, and the many loose pairs leave the rest of the list to the
 * inner product. The sum of a newcomer's links then counts BARE_SHARE times its weight, and that of
 * similar items BARE_SIMILAR whatever validation chose for users. Chosen on held-out training
 * interactions: docs/measurements/quality.md. */
enum { BARE_SQUARINGS = 1, BARE_SIMILAR_SQUARINGS = 2 };
#define BARE_SHARE   2.0F
#define BARE_SIMILAR 0.5F

static float share_of_links(const base *b, const recommend_scratch *s)
{
    float n = (float)(s->owned_count + (s->text != NULL));
    return s->newcomer ? n / (n + SHORT) * (base_bare(b) ? BARE_SHARE : 1) : 1;
}

/* sum_links makes the history of the profile, and sums its links and those of the text. */
static void sum_links(const view *v, const links_choice *c, recommend_scratch *s)
{
    const item_links *l = v->base->links;
    s->owned_count = 0;
    s->lift = links_lift(c, coldstart_fitted(v->base->shared->cold));
    s->fading = !(c->beta[LINKS_CONTENT] > 0);
    s->factor[LINKS_COLLABORATIVE] = s->factor[LINKS_CONTENT] = 0;
    if (l == NULL) {
        links_sum_clear(&s->sums);
    }
    if (l == NULL && v->later_serial == 0 && s->text == NULL) {
        return;
    }
    make_history(c, s);
    if (l != NULL && s->squarings > 0) {
        links_sum_set_sharp(&s->sums, l, s->squarings, s->owned, s->owned_count);
    } else if (l != NULL) {
        links_sum_set(&s->sums, l, s->owned, s->owned_count);
    }
    if (v->later_serial > 0) {
        add_later(v, s->fading, s);
    }
    add_text(s);
}

/* scale_links computes the factors of the links for a score with this spread. */
static void scale_links(const view *v, float spread, float share, recommend_scratch *s)
{
    links_factors(s->factor, &v->base->links->choice, &s->sums, v->base->items, spread);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        s->factor[x] *= share;
    }
}

void linked_query(const view *v, float balance, recommend_scratch *s)
{
    const base *b = v->base;
    s->squarings = s->newcomer && base_bare(b) ? BARE_SQUARINGS : 0;
    sum_links(v, b->links != NULL ? &b->links->choice : &no_choice, s);
    if (!links_sum_any(&s->sums)) {
        return;
    }
    if (b->links != NULL) {
        scale_links(v, links_spread(b->covariance, s->h, b->dim), share_of_links(b, s), s);
    }
    if (s->fading) {
        s->factor[LINKS_CONTENT] = coldstart_spread(b->shared->cold, s->h);
    }
    s->factor[LINKS_COLLABORATIVE] *= 2 * (1 - balance);
    s->factor[LINKS_CONTENT] *= 2 * balance;
}

void linked_similar(const view *v, similar_by by, recommend_scratch *s)
{
    const base *b = v->base;
    s->newcomer = true;
    s->squarings = base_bare(b) ? BARE_SIMILAR_SQUARINGS : 0;
    sum_links(v, b->links != NULL ? &b->links->choice : &no_choice, s);
    if (b->links == NULL || !links_sum_any(&s->sums)) {
        return;
    }
    float spread = links_spread(b->likeness_covariance[by], s->q, b->dim);
    float chosen = b->links->choice.beta[LINKS_COLLABORATIVE];
    bool fixed = base_bare(b) && chosen > 0;
    scale_links(v, spread, fixed ? BARE_SIMILAR / chosen : share_of_links(b, s), s);
    if (by == SIMILAR_MULTIMODAL) {
        s->factor[LINKS_COLLABORATIVE] = 0;
    }
    if (by == SIMILAR_COLLABORATIVE) {
        s->factor[LINKS_CONTENT] = 0;
    }
}
