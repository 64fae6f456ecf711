/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/sports_data.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/half.h"
#include "core/common/mem.h"
#include "core/common/npy.h"
#include "core/common/rng.h"

static int by_user(const void *a, const void *b)
{
    const sports_edge *one = a, *other = b;
    if (one->user != other->user) {
        return one->user < other->user ? -1 : 1;
    }
    return (one->item > other->item) - (one->item < other->item);
}

static err_code read_edges(sports_data *d, const char *path, err *e)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return err_set(e, ERR_NOT_FOUND, "%s is not there", path);
    }
    size_t room = 0;
    sports_edge edge;
    err_code code = ERR_OK;
    int skipped = fscanf(file, "%*[^\n]");
    (void)skipped;
    while (code == ERR_OK && fscanf(file, "%" SCNu32 " %" SCNu32 " %" SCNu32, &edge.user,
                                    &edge.item, &edge.split) == 3) {
        if (d->edge_count == room) {
            room = room * 2 + 1024;
            sports_edge *grown = mem_grow(d->edges, room, sizeof *grown);
            if (grown == NULL) {
                code = err_nomem(e, "interactions");
                break;
            }
            d->edges = grown;
        }
        d->edges[d->edge_count++] = edge;
        d->users = edge.user >= d->users ? edge.user + 1 : d->users;
        d->items = edge.item >= d->items ? edge.item + 1 : d->items;
    }
    fclose(file);
    qsort(d->edges, d->edge_count, sizeof *d->edges, by_user);
    return code;
}

static err_code read_features(sports_data *d, size_t m, const char *path, err *e)
{
    npy *n = NULL;
    err_code code = npy_open(&n, path, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t width = npy_width(n), rows = npy_rows(n);
    d->widths[m] = width;
    d->items = rows > d->items ? rows : d->items;
    d->features[m] = mem_table(d->items * width, sizeof(float));
    unsigned char *row = mem_array(width, sizeof(float));
    for (size_t i = 0; i < rows && code == ERR_OK && row != NULL && d->features[m] != NULL; i++) {
        npy_row kind;
        code = npy_read(n, row, &kind, e);
        for (size_t j = 0; j < width && code == ERR_OK; j++) {
            uint16_t half;
            float *out = &d->features[m][i * width + j];
            memcpy(&half, row + 2 * j, sizeof half);
            memcpy(out, row + 4 * j, npy_dtype(n) == FEATURE_F4 ? sizeof *out : 0);
            *out = npy_dtype(n) == FEATURE_F4 ? *out : half_to_float(half);
        }
    }
    if (row == NULL || d->features[m] == NULL) {
        code = err_nomem(e, "features");
    }
    mem_free(row);
    npy_close(n);
    return code;
}

err_code sports_data_sports(sports_data *out, const char *folder, err *e)
{
    char path[1024];
    memset(out, 0, sizeof *out);
    out->modality_count = 2;
    out->names[0] = "text";
    out->names[1] = "category";
    out->neighbours[0] = 5;
    out->neighbours[1] = 1;
    snprintf(path, sizeof path, "%s/interactions.inter", folder);
    err_code code = read_edges(out, path, e);
    for (size_t m = 0; m < out->modality_count && code == ERR_OK; m++) {
        snprintf(path, sizeof path, "%s/%s_feat.npy", folder, out->names[m]);
        code = read_features(out, m, path, e);
    }
    if (code != ERR_OK) {
        sports_data_free(out);
    }
    return code;
}

void sports_data_free(sports_data *d)
{
    mem_free(d->edges);
    mem_free(d->order);
    for (size_t m = 0; m < d->modality_count; m++) {
        mem_free(d->features[m]);
    }
    memset(d, 0, sizeof *d);
}

err_code sports_data_renumber(sports_data *d, const uint32_t *order, err *e)
{
    for (size_t m = 0; m < d->modality_count; m++) {
        size_t width = d->widths[m];
        float *moved = mem_table(d->items * width, sizeof *moved);
        if (moved == NULL) {
            return err_nomem(e, "features");
        }
        for (size_t i = 0; i < d->items; i++) {
            memcpy(moved + order[i] * width, d->features[m] + i * width, width * sizeof *moved);
        }
        mem_free(d->features[m]);
        d->features[m] = moved;
    }
    for (size_t i = 0; i < d->edge_count; i++) {
        d->edges[i].item = order[d->edges[i].item];
    }
    qsort(d->edges, d->edge_count, sizeof *d->edges, by_user);
    return ERR_OK;
}

size_t sports_data_hide(sports_data *d, unsigned seed, err *e)
{
    rng r;
    rng_init(&r, seed, 0);
    uint32_t *order = mem_array(d->items, sizeof *order);
    bool *hidden = mem_array(d->items, sizeof *hidden);
    size_t count = 0, row = 0;
    while (order != NULL && hidden != NULL && count < d->items / 10) {
        uint32_t i = rng_below(&r, (uint32_t)d->items);
        count += !hidden[i];
        hidden[i] = true;
    }
    for (int side = 0; side < 2 && count > 0; side++) {
        for (size_t i = 0; i < d->items; i++) {
            if (hidden[i] == (side == 1)) {
                order[i] = (uint32_t)row++;
            }
        }
    }
    bool done = count > 0 && sports_data_renumber(d, order, e) == ERR_OK;
    mem_free(d->order);
    d->order = order;
    mem_free(hidden);
    return done ? d->items - count : 0;
}

/* tables calls `io` for every table of the model, always in the same order. */
static bool tables(const model *m, FILE *file, size_t (*io)(void *, size_t, size_t, FILE *))
{
    size_t dim = m->dim;
    bool whole = true;
    struct {
        float *at;
        size_t count;
    } all[] = {{m->user_e, m->users * dim},
               {m->item_e, m->items * dim},
               {m->item_h, m->items * dim},
               {m->item_g, m->items * dim}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        whole = whole && io(all[i].at, sizeof(float), all[i].count, file) == all[i].count;
    }
    for (size_t n = 0; n < m->modality_count; n++) {
        const model_modality *in = &m->modalities[n];
        whole = whole && io(in->mean, sizeof(float), in->width, file) == in->width &&
                io(in->projection, sizeof(float), in->width * dim, file) == in->width * dim &&
                io(in->spread, sizeof(float), dim, file) == dim &&
                io(in->content, sizeof(float), m->items * dim, file) == m->items * dim;
    }
    return whole;
}

/* linked calls `io` for the arrays of one source of links. `starts` must be filled already. */
static bool linked(links_table *t, size_t items, FILE *file,
                   size_t (*io)(void *, size_t, size_t, FILE *))
{
    size_t count = t->start[items];
    return io(t->unit, sizeof *t->unit, items, file) == items &&
           io(t->target, sizeof *t->target, count, file) == count &&
           io(t->level, sizeof *t->level, count, file) == count;
}

static size_t write_some(void *at, size_t size, size_t count, FILE *file)
{
    return fwrite(at, size, count, file);
}

/* keep_links writes how the model is served, and its links if it has any. */
static bool keep_links(const model *m, FILE *file)
{
    const item_links *l = m->links;
    uint32_t head[] = {m->serving, l != NULL};
    bool whole = fwrite(head, sizeof head, 1, file) == 1;
    whole = whole && (l == NULL || fwrite(&l->choice, sizeof l->choice, 1, file) == 1);
    for (size_t x = 0; l != NULL && x < LINKS_SOURCES && whole; x++) {
        links_table t = l->source[x];
        whole = fwrite(t.start, sizeof *t.start, l->items + 1, file) == l->items + 1 &&
                linked(&t, l->items, file, write_some);
    }
    return whole;
}

static bool recall_links(model *m, FILE *file)
{
    uint32_t head[2];
    if (fread(head, sizeof head, 1, file) != 1) {
        return false;
    }
    model_serve(m, (model_serving)head[0]);
    if (head[1] == 0) {
        return true;
    }
    bool whole = links_new(&m->links, m->items, NULL) == ERR_OK &&
                 fread(&m->links->choice, sizeof m->links->choice, 1, file) == 1;
    for (size_t x = 0; x < LINKS_SOURCES && whole; x++) {
        links_table *t = &m->links->source[x];
        uint64_t *start = mem_array(m->items + 1, sizeof *start);
        whole = start != NULL && fread(start, sizeof *start, m->items + 1, file) == m->items + 1;
        links_table_fini(t);
        whole = whole && links_table_alloc(t, m->items, start[m->items], NULL) == ERR_OK;
        if (whole) {
            memcpy(t->start, start, (m->items + 1) * sizeof *start);
            whole = linked(t, m->items, file, fread);
        }
        mem_free(start);
    }
    return whole;
}

void model_keep(const model *m, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "wb") : NULL;
    if (file != NULL) {
        bool whole = tables(m, file, write_some) && keep_links(m, file);
        if (fclose(file) != 0 || !whole) {
            remove(path);
        }
    }
}

model *model_recall(const char *path, const train_options *o, size_t users, size_t items,
                    const sports_data *d)
{
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    model *m = NULL;
    if (file == NULL || model_new(&m, o, users, items, d->modality_count, NULL) != ERR_OK) {
        return NULL;
    }
    bool whole = true;
    for (size_t n = 0; n < d->modality_count && whole; n++) {
        whole = model_modality_alloc(m, n, d->names[n], d->widths[n], NULL) == ERR_OK;
        m->modalities[n].neighbours = d->neighbours[n];
    }
    whole = whole && tables(m, file, fread) && recall_links(m, file) && fgetc(file) == EOF;
    fclose(file);
    if (!whole) {
        model_free(m);
        return NULL;
    }
    return m;
}
