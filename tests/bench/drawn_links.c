/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/drawn_links.h"

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/links_build.h"

enum { MODALITIES = 2, REACH = 500 /* rows around an item among which its neighbours are drawn */ };

/* draw fills one modality's neighbours. Each occurs once, and nearer ones are more similar. */
static void draw(rng *r, size_t items, uint32_t *rows, float *similarity)
{
    for (size_t i = 0; i < items; i++) {
        size_t at = i + 1;
        for (size_t k = 0; k < LINKS_KEPT_CONTENT; k++) {
            at += 1 + rng_below(r, REACH / LINKS_KEPT_CONTENT);
            rows[i * LINKS_KEPT_CONTENT + k] = (uint32_t)(at % items);
            similarity[i * LINKS_KEPT_CONTENT + k] = 1 / (1 + 0.1F * (float)k);
        }
    }
}

err_code drawn_links_add(model *m, const pair *pairs, size_t count, int threads, err *e)
{
    links_near near[MODALITIES];
    uint32_t *rows = mem_array(MODALITIES * m->items * LINKS_KEPT_CONTENT, sizeof *rows);
    float *similarity = mem_array(MODALITIES * m->items * LINKS_KEPT_CONTENT, sizeof *similarity);
    err_code code = rows != NULL && similarity != NULL ? links_new(&m->links, m->items, e)
                                                       : err_nomem(e, "drawn links");
    rng r;
    rng_init(&r, 7, 3);
    for (size_t n = 0; n < MODALITIES && code == ERR_OK; n++) {
        size_t first = n * m->items * LINKS_KEPT_CONTENT;
        draw(&r, m->items, rows + first, similarity + first);
        near[n] = (links_near){rows + first, similarity + first, LINKS_KEPT_CONTENT, 0.5F};
    }
    if (code == ERR_OK) {
        item_links *l = m->links;
        interaction_list list = {pairs, count, m->users, m->items};
        l->choice = (links_choice){.beta = {0.5F, 0.5F}, .recency = {1, 1}, .shrinkage = 100};
        for (size_t x = 0; x < LINKS_SOURCES; x++) {
            links_table_fini(&l->source[x]);
        }
        code = links_collaborative(&l->source[LINKS_COLLABORATIVE], &list, &l->choice, threads, e);
        code = code == ERR_OK
                   ? links_content(&l->source[LINKS_CONTENT], near, MODALITIES, m->items, e)
                   : code;
    }
    mem_free(rows);
    mem_free(similarity);
    return code;
}
