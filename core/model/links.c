/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/links.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/sort.h"

/* An item of a history is left out if its pull falls below this share of its full pull. */
#define PULL_MIN (1.0F / 1024)

enum { SORT_FEW = 24 };

/* An upper limit of links_lift. The betas that training can choose give at most 4.8. */
#define LIFT_MAX 8.0F

/* The factor with a map between features, in place of a lift. The map predicts the collaborative
 * links that the item lacks, so its score is not too low. The factor is below 1, because predicted
 * links are worth less than observed ones. */
#define LIFT_MAPPED 0.82F

err_code links_table_alloc(links_table *t, size_t items, size_t count, err *e)
{
    *t = (links_table){0};
    t->start = mem_array(items + 1, sizeof *t->start);
    t->unit = mem_array(items, sizeof *t->unit);
    t->target = mem_array(count, sizeof *t->target);
    t->level = mem_array(count, sizeof *t->level);
    if (t->start == NULL || t->unit == NULL || t->target == NULL || t->level == NULL) {
        links_table_fini(t);
        return err_nomem(e, "links between items");
    }
    return ERR_OK;
}

void links_table_fini(links_table *t)
{
    mem_free(t->start);
    mem_free(t->unit);
    mem_free(t->target);
    mem_free(t->level);
    *t = (links_table){0};
}

err_code links_new(item_links **out, size_t items, err *e)
{
    *out = NULL;
    item_links *l = mem_array(1, sizeof *l);
    if (l == NULL) {
        return err_nomem(e, "links between items");
    }
    l->items = items;
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        l->choice.recency[x] = 1;
        err_code code = links_table_alloc(&l->source[x], items, 0, e);
        if (code != ERR_OK) {
            links_free(l);
            return code;
        }
    }
    *out = l;
    return ERR_OK;
}

void links_free(item_links *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        links_table_fini(&l->source[x]);
    }
    mem_free(l);
}

static err_code copy_table(links_table *to, const links_table *from, size_t items, size_t rows,
                           err *e)
{
    size_t count = (size_t)from->start[items];
    err_code code = links_table_alloc(to, rows, count, e);
    if (code == ERR_OK) {
        memcpy(to->start, from->start, (items + 1) * sizeof *to->start);
        memcpy(to->unit, from->unit, items * sizeof *to->unit);
        memcpy(to->target, from->target, count * sizeof *to->target);
        memcpy(to->level, from->level, count * sizeof *to->level);
        for (size_t i = items; i < rows; i++) {
            to->start[i + 1] = count;
        }
    }
    return code;
}

err_code links_copy(item_links **out, const item_links *l, size_t items, err *e)
{
    size_t rows = items > l->items ? items : l->items;
    item_links *made = mem_array(1, sizeof *made);
    *out = NULL;
    if (made == NULL) {
        return err_nomem(e, "links between items");
    }
    made->items = rows;
    made->choice = l->choice;
    err_code code = ERR_OK;
    for (size_t x = 0; code == ERR_OK && x < LINKS_SOURCES; x++) {
        code = copy_table(&made->source[x], &l->source[x], l->items, rows, e);
    }
    if (code != ERR_OK) {
        links_free(made);
        return code;
    }
    *out = made;
    return ERR_OK;
}

void links_table_put(links_table *t, size_t row, const links_entry *entries, size_t count)
{
    float largest = 0;
    for (size_t k = 0; k < count; k++) {
        largest = entries[k].weight > largest ? entries[k].weight : largest;
    }
    uint64_t at = t->start[row];
    t->unit[row] = largest / LINKS_LEVEL_MAX;
    for (size_t k = 0; k < count; k++) {
        float level = roundf(entries[k].weight / largest * LINKS_LEVEL_MAX);
        t->target[at] = entries[k].target;
        t->level[at++] = level < 1 ? 1 : (uint16_t)level;
    }
    t->start[row + 1] = at;
}

err_code links_choice_check(const links_choice *c, err *e)
{
    bool good = c->kind < LINKS_KINDS && isfinite(c->shrinkage) && c->shrinkage >= 0;
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        good = good && isfinite(c->beta[x]) && c->beta[x] >= 0 && c->recency[x] > 0 &&
               c->recency[x] <= 1;
    }
    for (size_t m = 0; m < MODALITIES_MAX; m++) {
        good = good && isfinite(c->modality[m]) && c->modality[m] >= 0;
    }
    return good ? ERR_OK : err_set(e, ERR_CORRUPT, "links: a parameter is out of range");
}

static err_code check_row(const item_links *l, links_source x, size_t row, err *e)
{
    const links_table *t = &l->source[x];
    if (t->start[row + 1] < t->start[row] || t->start[row + 1] - t->start[row] > LINKS_ROW_MAX) {
        return err_set(e, ERR_CORRUPT,
                       "links of item row %zu: offsets from %llu to %llu, expected ascending ones "
                       "of at most one row's length",
                       row, (unsigned long long)t->start[row],
                       (unsigned long long)t->start[row + 1]);
    }
    if (!isfinite(t->unit[row]) || t->unit[row] < 0) {
        return err_set(e, ERR_CORRUPT,
                       "links of item row %zu: a unit of %g, expected a finite one of at least 0",
                       row, (double)t->unit[row]);
    }
    for (uint64_t k = t->start[row]; k < t->start[row + 1]; k++) {
        if (t->target[k] >= l->items || t->target[k] == row || t->level[k] == 0 ||
            (k > t->start[row] && t->target[k] <= t->target[k - 1])) {
            return err_set(
                e, ERR_CORRUPT,
                "links of item row %zu: target %u with level %u is out of range or order", row,
                t->target[k], t->level[k]);
        }
    }
    return ERR_OK;
}

err_code links_check(const item_links *l, err *e)
{
    err_code code = links_choice_check(&l->choice, e);
    for (size_t x = 0; code == ERR_OK && x < LINKS_SOURCES; x++) {
        if (l->source[x].start[0] != 0) {
            code = err_set(e, ERR_CORRUPT, "links: the first row begins at %llu, expected 0",
                           (unsigned long long)l->source[x].start[0]);
        }
        for (size_t row = 0; code == ERR_OK && row < l->items; row++) {
            code = check_row(l, (links_source)x, row, e);
        }
    }
    return code;
}

size_t links_bytes(const item_links *l)
{
    size_t bytes = 0;
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        const links_table *t = &l->source[x];
        bytes += l->items * (sizeof *t->start + sizeof *t->unit);
        bytes += t->start[l->items] * (sizeof *t->target + sizeof *t->level);
    }
    return bytes;
}

float links_weight(const item_links *l, links_source x, uint32_t owned, uint32_t target)
{
    const links_table *t = &l->source[x];
    if (owned >= l->items) {
        return 0;
    }
    uint64_t low = t->start[owned], high = t->start[owned + 1];
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (t->target[middle] < target) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < t->start[owned + 1] && t->target[low] == target;
    return found ? t->unit[owned] * (float)t->level[low] : 0;
}

/* --- a user's history --------------------------------------------------------------------- */

static bool comes_before(const links_owned *a, const links_owned *b)
{
    return a->time != b->time ? a->time > b->time : a->item < b->item;
}

static int latest_first(const void *x, const void *y)
{
    return comes_before(x, y) ? -1 : comes_before(y, x);
}

static void swap_owned(links_owned *a, links_owned *b)
{
    links_owned kept = *a;
    *a = *b;
    *b = kept;
}

/* select_latest moves the `wanted` < count latest items to the front, in any order (Hoare's
 * find). */
static void select_latest(links_owned *owned, size_t count, size_t wanted)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        links_owned pivot = owned[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (comes_before(&owned[i], &pivot)) {
                i++;
            }
            while (comes_before(&pivot, &owned[j])) {
                j--;
            }
            if (i >= j) {
                break;
            }
            swap_owned(&owned[i], &owned[j]);
        }
        if (wanted <= j) {
            high = j;
        } else {
            low = j + 1;
        }
    }
}

/* sort_latest sorts short histories, which most are, by insertion. */
static void sort_latest(links_owned *owned, size_t count)
{
    if (count > SORT_FEW) {
        sort_array(owned, count, sizeof *owned, latest_first);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && comes_before(&owned[k], &owned[k - 1]); k--) {
            swap_owned(&owned[k], &owned[k - 1]);
        }
    }
}

size_t links_history(const links_choice *c, links_owned *owned, size_t count)
{
    if (count > LINKS_HISTORY_MAX) {
        select_latest(owned, count, LINKS_HISTORY_MAX);
    }
    size_t kept = count < LINKS_HISTORY_MAX ? count : LINKS_HISTORY_MAX;
    sort_latest(owned, kept);
    float pull[LINKS_SOURCES] = {1, 1};
    for (size_t k = 0; k < kept; k++) {
        bool any = false;
        for (size_t x = 0; x < LINKS_SOURCES; x++) {
            pull[x] *= k > 0 && owned[k].time != owned[k - 1].time ? c->recency[x] : 1;
            owned[k].pull[x] = pull[x] >= PULL_MIN ? owned[k].weight * pull[x] : 0;
            any |= pull[x] >= PULL_MIN;
        }
        if (!any) {
            return k;
        }
    }
    return kept;
}

/* links_lift is an empirical fit; docs/measurements/links.md has the measurements. */
float links_lift(const links_choice *c, bool mapped)
{
    float content = c->beta[LINKS_CONTENT], together = c->beta[LINKS_COLLABORATIVE];
    if (mapped || !(content > 0)) {
        return mapped ? LIFT_MAPPED : 1;
    }
    return fminf(sqrtf((together + content) / content), LIFT_MAX);
}

/* --- the spread of the inner product ------------------------------------------------------ */

err_code links_covariance(const float *h, size_t rows, size_t dim, float *covariance, err *e)
{
    double *sum = mem_array(dim * dim + dim, sizeof *sum);
    if (sum == NULL) {
        return err_nomem(e, "the spread of scores");
    }
    double *mean = sum + dim * dim;
    for (size_t row = 0; row < rows; row++) {
        const float *x = h + row * dim;
        for (size_t a = 0; a < dim; a++) {
            double value = (double)x[a];
            mean[a] += value;
            for (size_t b = 0; b <= a; b++) {
                sum[a * dim + b] += value * (double)x[b];
            }
        }
    }
    double n = rows > 0 ? (double)rows : 1;
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b <= a; b++) {
            double value = sum[a * dim + b] / n - mean[a] / n * (mean[b] / n);
            covariance[a * dim + b] = covariance[b * dim + a] = (float)value;
        }
    }
    mem_free(sum);
    return ERR_OK;
}

/* add_columns adds the terms of h' covariance h for the columns from j on; `vectors` of n columns
 * are summed in vector registers. The order of summation is the same on every machine. */
KERNEL_INLINE double add_columns(const float *covariance, const float *h, size_t dim, size_t j,
                                 size_t vectors, size_t n)
{
    kernel_vec acc[KERNEL_VECTORS], row, own;
    double sum = 0;
    kernel_clear(acc);
    for (size_t a = 0; a < dim; a++) {
        for (size_t i = 0; i < vectors; i++) {
            kernel_load(&row, covariance + a * dim + j + i * KERNEL_LANES, n);
            acc[i] += h[a] * row;
        }
    }
    for (size_t i = 0; i < vectors; i++) {
        kernel_load(&own, h + j + i * KERNEL_LANES, n);
        acc[i] *= own;
        for (size_t k = 0; k < n; k++) {
            sum += (double)acc[i][k];
        }
    }
    return sum;
}

KERNEL_CLONES
float links_spread(const float *covariance, const float *h, size_t dim)
{
    double sum = 0;
#define SPREAD_BLOCK(j, vectors, n, width) sum += add_columns(covariance, h, width, j, vectors, n)
    KERNEL_BLOCKS(dim, SPREAD_BLOCK);
#undef SPREAD_BLOCK
    return sum > 0 ? (float)sqrt(sum) : 0;
}
