/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train_served.h"

#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/train/loop/fit_map.h"
#include "core/train/loop/train_measure.h"

static err_code relink(model *m, const interaction_list *list, err *e)
{
    item_links *judged = m->links;
    if (judged == NULL) {
        return ERR_OK;
    }
    m->links = NULL;
    err_code code = links_rebuilt(&m->links, judged, list, m->options.threads, e);
    links_free(judged);
    return code;
}

err_code train_served(model *m, const dataset *d, const dataset *served, const train_hooks *h,
                      err *e)
{
    interaction_list list = {.users = m->users, .items = m->items};
    pair *pairs = NULL;
    size_t placed = 0;
    err_code code = pairs_all(&pairs, &list.count, served, e);
    list.pairs = pairs;
    if (code == ERR_OK) {
        code = fit_map(m, d, pairs, list.count, e);
    }
    if (code == ERR_OK && h->place != NULL) {
        code = h->place(m, d, &list, &placed, e);
    }
    if (code == ERR_OK && placed > 0 && d == served && m->valid.users > 0) {
        /* placing changed the lists, so measure again */
        code = train_measure(m, served, EVAL_VALID, true, e);
    }
    if (code == ERR_OK) {
        code = train_measure(m, served, EVAL_TEST, d == served, e);
    }
    if (code == ERR_OK) {
        code = model_convolve(m, pairs, list.count, e);
    }
    if (code == ERR_OK) {
        code = relink(m, &list, e);
    }
    mem_free(pairs);
    return code;
}
