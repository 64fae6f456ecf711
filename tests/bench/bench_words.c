/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_words: measures how much an item's own words improve lists, and what they cost in time and
 * memory.
 *
 * By the cold-start protocol (cold_protocol.h) it compares, on Amazon Sports: words made from
 * items.jsonl by titles alone, by titles and categories, the text vectors that the data set
 * contains, words together with these vectors, and no feature at all. Then it measures the time and
 * memory of fitting a catalogue, and the time of encoding an item.
 *
 * Usage: bench_words [FOLDER]. With COSTS_ONLY in the environment it trains nothing. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/words/words_fit.h"
#include "tests/bench/cold_protocol.h"
#include "tests/bench/measuring.h"

/* The catalogue's texts, by row. */
typedef struct texts {
    json_t **items; /* (count) as posted; kept for the strings */
    words_document *documents;
    slice *categories; /* the categories of all items, one item after the other */
    size_t count, used;
    size_t fitted; /* rows from 0 on that are fitted */
} texts;

static void read_texts(texts *t, const cold_bench *b, const char *folder, bool categories)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/items.jsonl", folder);
    FILE *file = fopen(path, "r");
    t->count = b->data.items;
    t->items = mem_array(t->count, sizeof *t->items);
    t->documents = mem_array(t->count, sizeof *t->documents);
    t->categories = mem_array(64 * t->count, sizeof *t->categories);
    size_t used = 0;
    char *line = NULL;
    size_t room = 0, at = 0;
    while (file != NULL && at < t->count && getline(&line, &room, file) > 0) {
        json_t *item = json_loads(line, 0, NULL);
        size_t row = b->data.order != NULL ? b->data.order[at] : at;
        words_document *d = &t->documents[row];
        t->items[row] = item;
        d->title = slice_of(json_string_value(json_object_get(item, "title")));
        d->categories = t->categories + used;
        size_t i;
        const json_t *category;
        json_array_foreach(json_object_get(item, "categories"), i, category)
        {
            if (categories && i < 64) {
                t->categories[used++] = slice_of(json_string_value(category));
                d->category_count++;
            }
        }
        at++;
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

static void free_texts(texts *t)
{
    for (size_t i = 0; i < t->count; i++) {
        json_decref(t->items[i]);
    }
    mem_free(t->items);
    mem_free(t->documents);
    mem_free(t->categories);
}

static err_code each_text(void *ctx, words_visit visit, void *visit_ctx, err *e)
{
    const texts *t = ctx;
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < t->fitted; i++) {
        code = visit(visit_ctx, &t->documents[i], e);
    }
    return code;
}

static word_space *fit(texts *t, size_t rows)
{
    err e = ERR_INIT;
    word_space *w = NULL;
    words_fit_options o = {.threads = 2};
    t->fitted = rows;
    words_source source = {each_text, t};
    must(words_fit(&w, &source, &o, &e), &e);
    return w;
}

static float *encode_all(const texts *t, const word_space *w)
{
    err e = ERR_INIT;
    words_scratch *s = NULL;
    must(words_scratch_new(&s, &e), &e);
    float *x = mem_table(t->count * WORDS_WIDTH, sizeof *x);
    size_t none = 0;
    for (size_t i = 0; i < t->count; i++) {
        none += words_encode(w, &t->documents[i], s, x + i * WORDS_WIDTH) == 0;
    }
    words_scratch_free(s);
    printf("%zu terms, %.1f MiB; %zu of %zu items without a known word\n", words_terms(w),
           (double)words_memory(w) / 1048576, none, t->count);
    return x;
}

/* The modalities that a row of the table has, as bits. */
enum { GIVEN_TEXT = 1, GIVEN_CATEGORY = 2, BY_TITLES = 4, BY_BOTH = 8 };

typedef struct variant {
    const char *name;
    unsigned what;
} variant;

static void judge_variant(const cold_bench *all, const variant *v, float *const *made)
{
    cold_bench b = *all;
    b.data.modality_count = 0;
    for (unsigned m = 0; m < 4; m++) {
        if (v->what >> m & 1) {
            size_t to = b.data.modality_count++;
            b.data.names[to] = m < 2 ? all->data.names[m] : WORDS_MODALITY;
            b.data.neighbours[to] = m < 2 ? all->data.neighbours[m] : 5;
            b.data.features[to] = m < 2 ? all->data.features[m] : made[m - 2];
            b.data.widths[to] = m < 2 ? all->data.widths[m] : WORDS_WIDTH;
        }
    }
    cold_quality knn = cold_content_knn(&b, false, 0);
    live *l = cold_shop(&b, NULL, 0, true);
    cold_quality hidden = cold_ask(&b, l, AMONG_HIDDEN), warm = cold_ask(&b, l, WARM_WITHOUT);
    printf("%-38s %.4f %.4f   %.4f   %.4f %.4f\n", v->name, hidden.recall, hidden.ndcg, knn.recall,
           warm.recall, warm.ndcg);
    fflush(stdout);
    live_free(l);
    model_free(b.once);
}

static void judge_quality(const char *folder)
{
    static const variant variants[] = {
        {"words by titles", BY_TITLES},
        {"words by titles and categories", BY_BOTH},
        {"given text and category vectors", GIVEN_TEXT | GIVEN_CATEGORY},
        {"given text vectors", GIVEN_TEXT},
        {"given text vectors and words", GIVEN_TEXT | BY_BOTH},
        {"neither", 0},
    };
    err e = ERR_INIT;
    cold_bench b = {.tenth = SPORTS_TENTH};
    must(sports_data_sports(&b.data, folder, &e), &e);
    cold_hide(&b);
    float *made[2];
    for (int categories = 0; categories < 2; categories++) {
        texts t = {0};
        read_texts(&t, &b, folder, categories);
        word_space *w = fit(&t, b.warm);
        made[categories] = encode_all(&t, w);
        words_free(w);
        free_texts(&t);
    }
    printf("%-38s %-15s %-8s %s\n", "", "among hidden", "kNN", "warm");
    const char *only = getenv("VARIANTS");
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (only == NULL || strchr(only, (char)('0' + i)) != NULL) {
            judge_variant(&b, &variants[i], made);
        }
    }
    mem_free(made[0]);
    mem_free(made[1]);
    sports_data_free(&b.data);
}

/* --- costs --- */

enum { COST_ITEMS = 63000, COST_WORDS = 50, COST_VOCABULARY = 60000, COST_TEXT_BYTES = 640 };

/* draw_texts makes descriptions of 50 words, drawn by Zipf's law. */
static void draw_texts(texts *t, char *memory)
{
    rng r;
    rng_init(&r, 3, 0);
    t->count = COST_ITEMS;
    t->documents = need(mem_array(t->count, sizeof *t->documents));
    for (size_t i = 0; i < t->count; i++) {
        char *text = memory + i * COST_TEXT_BYTES;
        size_t used = 0;
        for (size_t w = 0; w < COST_WORDS; w++) {
            unsigned rank = (unsigned)exp(rng_uniform(&r) * log(COST_VOCABULARY));
            used += (size_t)snprintf(text + used, COST_TEXT_BYTES - used, "w%ux%u ", rank,
                                     rank * 7919 % 1000);
        }
        t->documents[i].description = (slice){text, used};
    }
}

/* processor_seconds returns the processor time of all threads. Other work on the machine changes it
 * less than elapsed time. */
static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure_costs(void)
{
    texts t = {0};
    char *memory = need(mem_array((size_t)COST_ITEMS * COST_TEXT_BYTES, 1));
    draw_texts(&t, memory);
    double before = peak_mib(), began = now(), used = processor_seconds();
    word_space *w = fit(&t, t.count);
    double seconds = now() - began, peak = peak_mib();
    double processors = processor_seconds() - used;
    used = processor_seconds();
    float *x = encode_all(&t, w);
    double each = (processor_seconds() - used) / (double)t.count;
    printf(
        "fitting %d items of %d words: %.1f s, %.1f s of processors, %.0f MiB beside the texts\n",
        COST_ITEMS, COST_WORDS, seconds, processors, peak - before);
    printf("{\"fit_seconds\": %.2f, \"fit_processor_seconds\": %.2f, \"fit_mib\": %.0f, "
           "\"encode_us\": %.2f}\n",
           seconds, processors, peak - before, each * 1e6);
    mem_free(x);
    words_free(w);
    mem_free(t.documents);
    mem_free(memory);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data/sports";
    char path[1024];
    measure_costs();
    if (getenv("COSTS_ONLY") != NULL) {
        return 0;
    }
    snprintf(path, sizeof path, "%s/items.jsonl", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("NOT RUN: the quality of words needs %s\n", path);
    } else {
        fclose(file);
        judge_quality(folder);
    }
    return 0;
}
