/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/real_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/half.h"
#include "core/common/mem.h"
#include "core/common/npy.h"

typedef struct owned {
    feature_table tables[8];
    size_t count;
} owned;

static void release(void *ctx)
{
    owned *o = ctx;
    for (size_t m = 0; m < o->count; m++) {
        mem_free((void *)(uintptr_t)o->tables[m].x);
    }
    mem_free(o);
}

static void add(pair **list, size_t *count, pair p)
{
    if ((*count & (*count - 1)) == 0) {
        pair *grown = mem_grow(*list, *count == 0 ? 1 : 2 * *count, sizeof *grown);
        if (grown == NULL) {
            abort();
        }
        *list = grown;
    }
    (*list)[(*count)++] = p;
}

static bool read_interactions(dataset *d, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "%s: not there\n", path);
        return false;
    }
    char line[256];
    bool ok = fgets(line, sizeof line, f) != NULL;
    while (ok && fgets(line, sizeof line, f) != NULL) {
        unsigned user, item, split, time = 0;
        if (sscanf(line, "%u %u %u %u", &user, &item, &split, &time) < 3) {
            continue;
        }
        pair p = {user, item, 1, time};
        d->users = user >= d->users ? user + 1 : d->users;
        d->items = item >= d->items ? item + 1 : d->items;
        if (split == 0) {
            add(&d->train, &d->train_count, p);
        } else if (split == 1) {
            add(&d->valid, &d->valid_count, p);
        } else {
            add(&d->test, &d->test_count, p);
        }
    }
    fclose(f);
    d->train_count = pairs_sort(d->train, d->train_count);
    d->valid_count = pairs_sort(d->valid, d->valid_count);
    d->test_count = pairs_sort(d->test, d->test_count);
    return ok;
}

static bool read_table(feature_table *t, const char *path)
{
    err e = ERR_INIT;
    npy *n = NULL;
    if (npy_open(&n, path, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.text);
        return false;
    }
    t->rows = npy_rows(n);
    t->width = npy_width(n);
    float *x = mem_table(t->rows * t->width, sizeof *x);
    uint16_t *half = mem_array(t->width, sizeof *half);
    bool ok = x != NULL && half != NULL;
    for (size_t r = 0; ok && r < t->rows; r++) {
        npy_row kind;
        bool is_half = npy_dtype(n) == FEATURE_F2;
        float *row = x + r * t->width;
        ok = npy_read(n, is_half ? (void *)half : (void *)row, &kind, &e) == ERR_OK;
        for (size_t j = 0; ok && is_half && j < t->width; j++) {
            row[j] = half_to_float(half[j]);
        }
    }
    mem_free(half);
    npy_close(n);
    t->x = x;
    return ok;
}

bool real_data_load(dataset **out, const char *dir, const char *neighbours)
{
    err e = ERR_INIT;
    char path[512], spec[256];
    dataset *d = NULL;
    owned *o = mem_array(1, sizeof *o);
    if (o == NULL || dataset_new(&d, 0, 0, &e) != ERR_OK) {
        return false;
    }
    d->release = release;
    d->release_ctx = o;
    snprintf(path, sizeof path, "%s/interactions.inter", dir);
    bool ok = read_interactions(d, path);
    d->modalities = mem_array(8, sizeof *d->modalities);
    ok = ok && d->modalities != NULL;
    snprintf(spec, sizeof spec, "%s", neighbours);
    for (char *part = strtok(spec, ","); ok && part != NULL; part = strtok(NULL, ",")) {
        char *equals = strchr(part, '=');
        ok = equals != NULL && o->count < 8;
        if (!ok) {
            break;
        }
        *equals = '\0';
        snprintf(path, sizeof path, "%s/%s_feat.npy", dir, part);
        feature_table *t = &o->tables[o->count];
        ok = read_table(t, path);
        o->count += ok;
        if (ok) {
            d->items = t->rows > d->items ? t->rows : d->items;
            d->modalities[d->modality_count++] =
                feature_source_table(part, t, (uint32_t)strtoul(equals + 1, NULL, 10));
        }
    }
    if (!ok) {
        dataset_free(d);
        return false;
    }
    *out = d;
    return true;
}
