/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_new_items: measures the time to prepare the vector and the links of a new item, below HTTP.
 *
 *   bench_new_items [ITEMS WIDTH]
 *
 * The bench draws a catalogue of bunches of similar items. It draws new items in the same way and
 * prepares them in batches, like an op of many items. For comparison it prints the least possible
 * time: one pass over the table's codes for each item. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/serve/state/coldstart_maps.h"
#include "tests/bench/measuring.h"

enum { DIM = 64, BUNCH = 50, POSTED = 1000, ROUNDS = 5 };

static void draw(rng *r, const float *centres, size_t bunches, size_t width, float *out)
{
    const float *centre = centres + (size_t)rng_below(r, (uint32_t)bunches) * width;
    for (size_t j = 0; j < width; j++) {
        out[j] = centre[j] + (float)rng_normal(r);
    }
}

/* add_map adds a map between features to the model. It doubles the bytes that a pass reads. */
static void add_map(model *m, size_t width)
{
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 7, 3);
    must(links_new(&m->links, m->items, &e), &e);
    m->links->choice.beta[LINKS_CONTENT] = m->links->choice.modality[0] = 1;
    m->map = need(mem_array(1, sizeof *m->map));
    *m->map = (content_map){width, need(mem_table(width * width, sizeof(float)))};
    for (size_t i = 0; i < width * width; i++) {
        m->map->w[i] = (float)rng_normal(&r) / (float)width;
    }
}

static model *draw_model(size_t items, size_t width)
{
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 7, 2);
    model *m = NULL;
    train_options o = TRAIN_OPTIONS_INIT;
    must(model_new(&m, &o, 1, items, 1, &e), &e);
    must(model_modality_alloc(m, 0, "text", width, &e), &e);
    m->modalities[0].neighbours = 5;
    for (size_t i = 0; i < items * m->dim; i++) {
        m->item_e[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < width * m->dim; i++) {
        m->modalities[0].projection[i] = (float)rng_normal(&r);
    }
    return m;
}

/* processor_seconds returns the processor time of the process, which other work on the machine
 * changes little. */
static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(size_t items, size_t width, bool with_map)
{
    err e = ERR_INIT;
    rng r;
    rng_init(&r, 7, 1);
    size_t bunches = items / BUNCH;
    float *centres = need(mem_table(bunches * width, sizeof *centres));
    float *x = need(mem_table(items * width, sizeof *x));
    float *posted = need(mem_table(POSTED * width, sizeof *posted));
    for (size_t i = 0; i < bunches * width; i++) {
        centres[i] = (float)rng_normal(&r);
    }
    for (size_t i = 0; i < items; i++) {
        draw(&r, centres, bunches, width, x + i * width);
    }
    for (size_t i = 0; i < POSTED; i++) {
        draw(&r, centres, bunches, width, posted + i * width);
    }
    feature_table table = {x, items, width};
    feature_source source = feature_source_table("text", &table, 5);
    coldstart_options options = {.generation = 1, .sources = &source, .source_count = 1};
    model *m = draw_model(items, width);
    if (with_map) {
        add_map(m, content_width(width, items));
    }
    coldstart *c = NULL;
    must(coldstart_new(&c, m, &options, &e), &e);
    static feature f[POSTED];
    static cold_request requests[POSTED];
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = processor_seconds();
        for (size_t i = 0; i < POSTED; i++) {
            f[i] = (feature){.modality = slice_of("text"),
                             .dtype = FEATURE_F4,
                             .width = (uint32_t)width,
                             .data = posted + i * width};
            requests[i] = (cold_request){.features = &f[i], .count = 1};
        }
        must(coldstart_embed_many(requests, POSTED, c, &e), &e);
        for (size_t i = 0; i < POSTED; i++) {
            cold_item_free(requests[i].item);
        }
        double took = (processor_seconds() - start) / POSTED;
        best = took < best ? took : best;
    }
    printf("%6zu items, %4zu numbers, %s a map: %7.1f us an item\n", items, width,
           with_map ? "with" : "without", 1e6 * best);
    coldstart_free(c);
    model_free(m);
    mem_free(centres);
    mem_free(x);
    mem_free(posted);
}

int main(int argc, char **argv)
{
    static const size_t items[] = {6700, 18000, 63000}, widths[] = {64, 384, 4480};
    if (argc == 3) {
        measure(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), false);
        measure(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), true);
        return 0;
    }
    for (size_t i = 0; i < 3; i++) {
        for (size_t w = 0; w < 3; w++) {
            measure(items[i], widths[w], false);
            measure(items[i], widths[w], true);
        }
    }
    return 0;
}
