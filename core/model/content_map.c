/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/content_map.h"

#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/search/scan.h"

enum {
    WIDTH_MIN = 64,
    BLOCK_ROWS = 512, /* rows that are added to a Gram matrix at once */
    SAMPLED = 512,    /* items whose pairs calibrate the map against the cosines */
};
/* Most floats in one modality's table. Wider features are folded to a smaller width. */
#define TABLE_FLOATS_MAX ((size_t)128 << 20)

/* The ridges a and b of the header's formula, chosen on Amazon Sports. */
#define RIDGE_HISTORY 1.0
#define RIDGE_ITEMS   10.0

size_t content_width(size_t width, size_t items)
{
    size_t kept = width < CONTENT_WIDTH_MAX ? width : CONTENT_WIDTH_MAX;
    while (kept > WIDTH_MIN && kept * items > TABLE_FLOATS_MAX) {
        kept /= 2;
    }
    return kept;
}

int content_fold(const float *features, size_t width, float *out, size_t out_width)
{
    memset(out, 0, out_width * sizeof *out);
    for (size_t j = 0; j < width; j++) {
        /* A multiplicative hash gives the signs. Without folding, signs would have no effect. */
        int minus = width > out_width && (j * 0x9e3779b97f4a7c15ULL >> 63) != 0;
        out[j % out_width] += minus ? -features[j] : features[j];
    }
    float norm = sqrtf(scan_dot(out, out, out_width));
    for (size_t j = 0; j < out_width && norm > 0; j++) {
        out[j] /= norm;
    }
    return norm > 0;
}

void content_map_free(content_map *m)
{
    if (m != NULL) {
        mem_free(m->w);
        mem_free(m);
    }
}

size_t content_map_bytes(size_t width, size_t items)
{
    size_t samples = items < SAMPLED ? items : SAMPLED;
    size_t scratch = (3 * width + BLOCK_ROWS) * width + items;
    return scratch * sizeof(double) + (width + 2 * samples) * width * sizeof(float);
}

/* The three symmetric matrices. Gram products fill only their upper triangles. */
typedef struct fit {
    const content_map_input *in;
    double *history, *own, *items; /* (width, width) X'GX, X' diag(G) X, X'X */
    double *share;                 /* (items) the diagonal of G */
    double *block; /* (BLOCK_ROWS, width) rows that are collected for the next product */
    size_t rows;   /* number of rows in `block` so far */
} fit;

static void flush(fit *f, double *gram)
{
    blas_gram(f->block, f->rows, f->in->width, gram);
    memset(f->block, 0, f->rows * f->in->width * sizeof *f->block);
    f->rows = 0;
}

static void add_row(fit *f, size_t item, double factor)
{
    const float *x = f->in->x + item * f->in->width;
    double *to = f->block + f->rows * f->in->width;
    for (size_t j = 0; j < f->in->width; j++) {
        to[j] += factor * (double)x[j];
    }
}

/* add_histories adds one row for each user: the sum of the user's items' features, divided by the
 * root of their number. */
static void add_histories(fit *f)
{
    const pair *pairs = f->in->pairs;
    for (size_t at = 0, end = 0; at < f->in->pair_count; at = end) {
        while (end < f->in->pair_count && pairs[end].user == pairs[at].user) {
            end++;
        }
        double number = (double)(end - at);
        for (size_t p = at; p < end; p++) {
            add_row(f, pairs[p].item, 1 / sqrt(number));
            f->share[pairs[p].item] += 1 / number;
        }
        if (++f->rows == BLOCK_ROWS) {
            flush(f, f->history);
        }
    }
    flush(f, f->history);
}

static void add_items(fit *f, double *gram, const double *square)
{
    for (size_t i = 0; i < f->in->items; i++) {
        add_row(f, i, square != NULL ? sqrt(square[i]) : 1);
        if (++f->rows == BLOCK_ROWS) {
            flush(f, gram);
        }
    }
    flush(f, gram);
}

static void mirror(double *gram, size_t width)
{
    for (size_t a = 0; a < width; a++) {
        for (size_t b = 0; b < a; b++) {
            gram[a * width + b] = gram[b * width + a];
        }
    }
}

/* solve leaves (X'GX + a I)^-1 (X'GX - own) (X'X + b I)^-1, transposed, in f->own. Both inner
 * matrices are symmetric, so the second system is solved for the transpose of the first result. */
static bool solve(fit *f)
{
    size_t width = f->in->width;
    lapack_int n = (lapack_int)width;
    for (size_t i = 0; i < width * width; i++) {
        f->own[i] = f->history[i] - f->own[i];
    }
    for (size_t a = 0; a < width; a++) {
        f->history[a * width + a] += RIDGE_HISTORY;
        f->items[a * width + a] += RIDGE_ITEMS;
    }
    if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', n, n, f->history, n, f->own, n) != 0) {
        return false;
    }
    for (size_t a = 0; a < width; a++) {
        for (size_t b = 0; b < a; b++) {
            double kept = f->own[a * width + b];
            f->own[a * width + b] = f->own[b * width + a];
            f->own[b * width + a] = kept;
        }
    }
    return LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', n, n, f->items, n, f->own, n) == 0;
}

/* content_link returns the sum of the squared cosines of two rows, weighted by modality. */
static double content_link(const content_map_input *in, const float *x, const float *y)
{
    double sum = 0;
    for (size_t m = 0, at = 0; m < in->modality_count; at += in->widths[m], m++) {
        double cosine = (double)scan_dot(x + at, y + at, in->widths[m]);
        sum += cosine > 0 ? (double)in->weight[m] * cosine * cosine : 0;
    }
    return sum;
}

/* weigh scales the map so that, on a sample of pairs of items, its mean square is share^2 times
 * that of the links by cosine. *says becomes false if one of them is zero on the whole sample. */
static err_code weigh(const content_map_input *in, content_map *map, bool *says, err *e)
{
    size_t count = in->items < SAMPLED ? in->items : SAMPLED, width = in->width;
    float *rows = mem_table(2 * count * width, sizeof *rows);
    if (rows == NULL) {
        return err_nomem(e, "the map between features");
    }
    float *mapped = rows + count * width;
    for (size_t n = 0; n < count; n++) {
        memcpy(rows + n * width, in->x + n * in->items / count * width, width * sizeof *rows);
    }
    blas_scores(&(blas_product){.a = rows,
                                .b = map->w,
                                .rows = count,
                                .cols = width,
                                .dim = width,
                                .stride = width,
                                .c = mapped});
    double content = 0, learnt = 0;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            double fits = (double)scan_dot(rows + a * width, mapped + b * width, width);
            double alike = content_link(in, rows + a * width, rows + b * width);
            content += a != b ? alike * alike : 0;
            learnt += a != b && fits > 0 ? fits * fits : 0;
        }
    }
    double factor = (double)in->share * sqrt(content / learnt);
    *says = content > 0 && learnt > 0 && isfinite(factor) && factor < 1e9;
    for (size_t i = 0; i < width * width && *says; i++) {
        map->w[i] *= (float)factor;
        *says = isfinite(map->w[i]);
    }
    mem_free(rows);
    return ERR_OK;
}

/* solve_map computes the map. *says becomes false if the features predict nothing, so that there is
 * no map. */
static err_code solve_map(fit *f, content_map *map, bool *says, err *e)
{
    size_t width = f->in->width;
    add_histories(f);
    add_items(f, f->own, f->share);
    add_items(f, f->items, NULL);
    mirror(f->history, width);
    mirror(f->own, width);
    mirror(f->items, width);
    *says = solve(f);
    for (size_t a = 0; a < width && *says; a++) {
        for (size_t b = 0; b < width; b++) {
            map->w[a * width + b] = (float)f->own[b * width + a];
        }
    }
    return *says ? weigh(f->in, map, says, e) : ERR_OK;
}

err_code content_map_fit(content_map **out, const content_map_input *in, err *e)
{
    *out = NULL;
    size_t width = in->width;
    if (width == 0 || width > CONTENT_MAP_WIDTH_MAX || in->items < 2 || in->pair_count == 0) {
        return ERR_OK;
    }
    fit f = {.in = in};
    bool says = false;
    err_code code = ERR_OK;
    content_map *map = mem_array(1, sizeof *map);
    f.history = mem_array(3 * width * width, sizeof *f.history);
    f.share = mem_array(in->items, sizeof *f.share);
    f.block = mem_array(BLOCK_ROWS * width, sizeof *f.block);
    if (map != NULL) {
        map->width = width;
        map->w = mem_table(width * width, sizeof *map->w);
    }
    if (map == NULL || map->w == NULL || f.history == NULL || f.share == NULL || f.block == NULL) {
        code = err_nomem(e, "the map between features");
    } else {
        f.own = f.history + width * width;
        f.items = f.own + width * width;
        code = solve_map(&f, map, &says, e);
    }
    mem_free(f.history);
    mem_free(f.share);
    mem_free(f.block);
    if (code != ERR_OK || !says) {
        content_map_free(map);
        return code;
    }
    *out = map;
    return ERR_OK;
}
