/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_touch: moves an item at once when its first users buy it.
 *
 * A trained item waits for the background run like every other row. A later item has only its
 * features, or nothing, so a new edge counts within the write itself. By FSC, H_i = w E_i + sum_u
 * a_ui G_u, and G_u is f H_u except for the last layer's term. What the item has beyond w E_i is
 * the same sum over the users who bought it before, each as of their own time; the background run
 * makes it exact. Beyond TOUCH_USERS_MAX users only the background run moves the item: one more
 * user among many changes little, and every touch takes a slot of the delta.
 */
#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/update/live_tables.h"

enum { TOUCH_USERS_MAX = 64 };

/* move computes the item's new H and G. */
static void move(const view *v, uint32_t item, float gain, double user_degree, const float *user,
                 float *h, float *g, const float *embedding)
{
    const base *b = v->base;
    double after = view_item_degree(v, item), before = after - (double)gain;
    const float *old = view_vector(v, item, VECTOR_H);
    float kept = before > 1e-6 ? (float)sqrt(before / after) : 0;
    float step = (float)((double)gain / sqrt(user_degree * after));
    for (size_t j = 0; j < b->dim; j++) {
        float own = b->w[j] * embedding[j];
        float others = old != NULL ? old[j] - own : 0;
        h[j] = own + kept * others + step * b->f[j] * user[j];
        g[j] = b->layers > 0 ? b->f[j] * h[j] : 0;
    }
}

static err_code put_moved(live *l, uint32_t item, float gain, double user_degree, err *e)
{
    const view *v = l->next;
    const base *b = v->base;
    float *rows = mem_array(3 * b->dim, sizeof *rows);
    if (rows == NULL) {
        return err_nomem(e, "a new item's vector");
    }
    float *h = rows, *g = h + b->dim, *own = g + b->dim;
    const float *known = view_vector(v, item, VECTOR_E);
    if (known != NULL) {
        memcpy(own, known, b->dim * sizeof *own);
    }
    move(v, item, gain, user_degree, l->scratch->h, h, g, own);
    err_code code = live_append(l, item, &(vector_row){h, g, own}, e);
    mem_free(rows);
    return code;
}

err_code live_touch(live *l, uint32_t user, uint32_t item, float gain, err *e)
{
    const view *v = l->next;
    bool trained = v->base != NULL && item < v->base->trained && view_bit(&v->placed, item);
    if (v->base == NULL || v->base->layers == 0 || trained || gain <= 0 ||
        view_item_users(v, item) > TOUCH_USERS_MAX) {
        return ERR_OK;
    }
    recommend_query q = RECOMMEND_QUERY_INIT;
    q.user = user;
    err_code code = scratch_fit(l->scratch, v, e);
    if (code == ERR_OK) {
        code = user_profile(v, &q, false, l->scratch, e);
    }
    if (code != ERR_OK || !user_row(v, user, l->scratch)) {
        return code;
    }
    double degree = 0;
    for (size_t i = 0; i < l->scratch->profile_count; i++) {
        degree += (double)l->scratch->profile[i].weight;
    }
    return put_moved(l, item, gain, degree, e);
}
