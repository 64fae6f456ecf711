/* SPDX-License-Identifier: Apache-2.0 */
#include "core/demo/demo_shop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/npy.h"
#include "core/common/sort.h"
#include "core/common/timestamp.h"
#include "core/demo/demo_catalogue.h"
#include "core/demo/demo_shopper.h"

enum {
    OPEN_SECONDS = 365 * 24 * 3600, /* how long the shop has been open */
    TICK_EVERY = 1024,
    IMAGE_MISSING_EVERY = 50, /* one item in IMAGE_MISSING_EVERY has no image */
    VECTOR_PARTS = DEMO_DEPARTMENTS + DEMO_KINDS + DEMO_STYLES + DEMO_COLOURS +
                   DEMO_DEPARTMENTS * DEMO_BRANDS_EACH
};

static const int64_t default_end = 1735689599; /* 2024-12-31T23:59:59Z */

/* A file being written, with its path for messages. */
typedef struct output {
    FILE *file;
    int why; /* errno of the first write that failed, or 0 */
    char path[4096];
} output;

typedef struct shop {
    const demo_shop_options *options;
    const demo_shop_hooks *hooks;
    demo_shop_report *report;
    demo_catalogue *catalogue;
    int64_t opened; /* epoch seconds */
} shop;

static err_code output_open(output *o, const char *dir, const char *name, err *e)
{
    int length = snprintf(o->path, sizeof o->path, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= sizeof o->path) {
        return err_set(e, ERR_INVALID, "%s: the folder's name is too long", dir);
    }
    o->file = fopen(o->path, "wb");
    return o->file != NULL ? ERR_OK
                           : err_set(e, ERR_IO, "%s: cannot write: %s", o->path, strerror(errno));
}

/* output_note records why a write failed, before another call changes errno. */
static void output_note(output *o)
{
    if (o->why == 0 && ferror(o->file)) {
        o->why = errno;
    }
}

static err_code output_refuse(const output *o, err *e)
{
    return err_set(e, o->why == ENOSPC ? ERR_FULL : ERR_IO, "%s: cannot write: %s", o->path,
                   strerror(o->why));
}

/* output_close closes the file, and reports an error of any write. */
static err_code output_close(output *o, demo_shop_report *report, err_code code, err *e)
{
    if (o->file == NULL) {
        return code;
    }
    long bytes = ftell(o->file);
    output_note(o);
    if (fclose(o->file) != 0 && o->why == 0) {
        o->why = errno;
    }
    if (code == ERR_OK && o->why != 0) {
        code = output_refuse(o, e);
    }
    report->bytes += bytes > 0 ? (uint64_t)bytes : 0;
    return code;
}

static err_code tick(const shop *s, output *o, const char *phase, uint64_t done, uint64_t total,
                     err *e)
{
    output_note(o);
    if (done % TICK_EVERY != 0 && done != total) {
        return ERR_OK;
    }
    if (s->hooks->progress != NULL) {
        s->hooks->progress(s->hooks->ctx, phase, done, total);
    }
    if (s->hooks->cancelled != NULL && s->hooks->cancelled(s->hooks->ctx)) {
        return err_set(e, ERR_CANCELLED, "interrupted; the files are not complete");
    }
    return o->why == 0 ? ERR_OK : output_refuse(o, e);
}

static err_code write_items(shop *s, err *e)
{
    output o = {0};
    err_code code = output_open(&o, s->options->dir, "items.jsonl", e);
    for (uint32_t i = 0; code == ERR_OK && i < s->options->items; i++) {
        const demo_item *it = &s->catalogue->items[i];
        char title[DEMO_TITLE_MAX], description[DEMO_DESCRIPTION_MAX];
        char created[TIMESTAMP_TEXT_MAX];
        demo_title(it, i, title);
        demo_description(it, i, description);
        timestamp_format(s->opened + it->since, created);
        fprintf(o.file,
                "{\"id\":\"sku-%u\",\"title\":\"%s\",\"description\":\"%s\",\"categories\":[\"%s\","
                "\"%s\"],"
                "\"attributes\":{\"brand\":\"%s\",\"colour\":\"%s\",\"price\":%u.%02u,"
                "\"style\":\"%s\"},\"created\":\"%s\"}\n",
                i, title, description, demo_department(it), demo_kind(it), demo_brand(it),
                demo_colour(it), it->cents / 100, it->cents % 100, demo_style(it), created);
        code = tick(s, &o, "writing items", i + 1, s->options->items, e);
    }
    return output_close(&o, s->report, code, e);
}

/* How strongly each visible property influences a modality's vector, and how much noise it has. */
typedef struct looks {
    double department, kind, style, colour, brand, noise;
} looks;

static const looks text_looks = {0.5, 1.0, 0.55, 0.1, 0.35, 0.5};
static const looks image_looks = {0.2, 0.6, 0.9, 0.5, 0.1, 0.5};

/* draw_parts fills parts (VECTOR_PARTS, width) with a direction for each word of the shop. */
static void draw_parts(float *parts, uint32_t width, uint64_t seed, unsigned modality)
{
    double scale = 1.0 / sqrt((double)width);
    for (uint32_t p = 0; p < VECTOR_PARTS; p++) {
        rng random;
        rng_init(&random, seed, demo_stream(DEMO_STREAM_VECTOR, (uint64_t)modality << 32 | p));
        for (uint32_t d = 0; d < width; d++) {
            parts[(size_t)p * width + d] = (float)(scale * rng_normal(&random));
        }
    }
}

static void add_part(float *vector, const float *parts, uint32_t width, uint32_t part, double by)
{
    for (uint32_t d = 0; d < width; d++) {
        vector[d] += (float)by * parts[(size_t)part * width + d];
    }
}

static void draw_vector(float *vector, const demo_item *it, const float *parts, uint32_t width,
                        const looks *look, rng *random)
{
    uint32_t department = it->kind / DEMO_KINDS_EACH;
    uint32_t base = 0;
    for (uint32_t d = 0; d < width; d++) {
        vector[d] = (float)(look->noise / sqrt((double)width) * rng_normal(random));
    }
    add_part(vector, parts, width, base + department, look->department);
    base += DEMO_DEPARTMENTS;
    add_part(vector, parts, width, base + it->kind, look->kind);
    base += DEMO_KINDS;
    add_part(vector, parts, width, base + it->style, look->style);
    base += DEMO_STYLES;
    add_part(vector, parts, width, base + it->colour, look->colour);
    base += DEMO_COLOURS;
    add_part(vector, parts, width, base + department * DEMO_BRANDS_EACH + it->brand, look->brand);
}

static err_code write_vectors(shop *s, unsigned modality, const char *name, uint32_t width,
                              const looks *look, err *e)
{
    output o = {0};
    char header[NPY_HEADER_BYTES];
    if (width == 0) {
        return ERR_OK;
    }
    float *parts = mem_array((size_t)VECTOR_PARTS + 1, (size_t)width * sizeof *parts);
    if (parts == NULL) {
        return err_nomem(e, "features");
    }
    float *vector = parts + (size_t)VECTOR_PARTS * width;
    draw_parts(parts, width, s->options->seed, modality);
    err_code code = output_open(&o, s->options->dir, name, e);
    npy_header(header, s->options->items, width, FEATURE_F4);
    if (code == ERR_OK) {
        fwrite(header, 1, sizeof header, o.file);
    }
    for (uint32_t i = 0; code == ERR_OK && i < s->options->items; i++) {
        rng random;
        rng_init(&random, s->options->seed,
                 demo_stream(DEMO_STREAM_NOISE, (uint64_t)modality << 32 | i));
        draw_vector(vector, &s->catalogue->items[i], parts, width, look, &random);
        if (modality == 1 && i % IMAGE_MISSING_EVERY == IMAGE_MISSING_EVERY - 1) {
            for (uint32_t d = 0; d < width; d++) {
                vector[d] = NAN;
            }
        }
        fwrite(vector, sizeof *vector, width, o.file);
        code = tick(s, &o, "writing features", i + 1, s->options->items, e);
    }
    mem_free(parts);
    return output_close(&o, s->report, code, e);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* One user's basket: (room) each. */
typedef struct basket {
    uint32_t *items, *times;
    uint32_t count;
} basket;

static bool has(const basket *b, uint32_t item)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->items[i] == item) {
            return true;
        }
    }
    return false;
}

/* fill_basket draws `want` different items for a user, in order of time. */
static void fill_basket(const shop *s, basket *b, uint64_t user, uint32_t want)
{
    demo_shopper shopper;
    demo_shopper_init(&shopper, s->catalogue, s->options->seed, user, OPEN_SECONDS);
    for (uint32_t i = 0; i < want; i++) {
        b->times[i] = shopper.since + rng_below(&shopper.random, OPEN_SECONDS - shopper.since);
    }
    sort_array(b->times, want, sizeof *b->times, by_value);
    b->count = 0;
    for (uint32_t i = 0; i < want; i++) {
        uint32_t item = UINT32_MAX;
        for (int tries = 0; tries < 8 && item == UINT32_MAX; tries++) {
            item = demo_shopper_take(&shopper, s->catalogue, b->times[i]);
            item = item != UINT32_MAX && has(b, item) ? UINT32_MAX : item;
        }
        /* If nothing suited the user, take any item on sale that is new to them. */
        for (uint32_t tries = 0; tries < 4 * s->options->items && item == UINT32_MAX; tries++) {
            uint32_t any = rng_below(&shopper.random, s->options->items);
            bool good = s->catalogue->items[any].since <= b->times[i] && !has(b, any);
            item = good ? any : UINT32_MAX;
        }
        if (item != UINT32_MAX) {
            b->times[b->count] = b->times[i];
            b->items[b->count++] = item;
        }
    }
}

/* Every user gets a few interactions; the rest are divided by the users' weights. `carry` keeps the
 * total nearly exact. */
typedef struct sharing {
    uint64_t least, most; /* least and most interactions of a user */
    double unit;          /* interactions for each unit of weight */
    double carry;
} sharing;

static uint32_t share_next(sharing *sh, double weight)
{
    /* the small surplus prevents rounding errors from costing the last user one interaction */
    double want = (double)sh->least + sh->unit * weight + sh->carry + 1e-6;
    double given = floor(want);
    given = given > (double)sh->most ? (double)sh->most : given;
    sh->carry = want - given;
    return (uint32_t)given;
}

static sharing share_of(const demo_shop_options *o)
{
    double weights = 0.0;
    for (uint64_t u = 0; u < o->users; u++) {
        weights += demo_shopper_weight(o->seed, u);
    }
    sharing sh = {.most = o->items / 4 > 0 ? o->items / 4 : 1};
    sh.least = o->interactions / o->users >= 10 ? 5 : o->interactions / o->users / 2;
    sh.unit = (double)(o->interactions - sh.least * o->users) / weights;
    return sh;
}

static err_code write_interactions(shop *s, err *e)
{
    output o = {0};
    const demo_shop_options *options = s->options;
    sharing sh = share_of(options);
    basket b = {.items = mem_array(sh.most, sizeof *b.items),
                .times = mem_array(sh.most, sizeof *b.times)};
    err_code code = b.items == NULL || b.times == NULL
                        ? err_nomem(e, "a basket")
                        : output_open(&o, options->dir, "interactions.inter", e);
    if (code == ERR_OK) {
        fputs("user_id:token\titem_id:token\ttimestamp:float\n", o.file);
    }
    for (uint64_t u = 0; code == ERR_OK && u < options->users; u++) {
        uint32_t want = share_next(&sh, demo_shopper_weight(options->seed, u));
        fill_basket(s, &b, u, want);
        for (uint32_t i = 0; i < b.count; i++) {
            fprintf(o.file, "user-%llu\tsku-%u\t%lld\n", (unsigned long long)u, b.items[i],
                    (long long)(s->opened + b.times[i]));
        }
        sh.carry += (double)want - (double)b.count;
        s->report->interactions += b.count;
        code = tick(s, &o, "writing interactions", u + 1, options->users, e);
    }
    mem_free(b.items);
    mem_free(b.times);
    return output_close(&o, s->report, code, e);
}

static err_code check_options(const demo_shop_options *o, err *e)
{
    if (o->users < 1 || o->users > 100000000 || o->items < 50 || o->items > 100000000) {
        return err_set(e, ERR_INVALID, "expected 1 to 100000000 users and 50 to 100000000 items");
    }
    if (o->interactions < o->users || o->interactions > (uint64_t)o->users * (o->items / 8)) {
        return err_set(e, ERR_INVALID, "%llu interactions; expected one to %u for each of %u users",
                       (unsigned long long)o->interactions, o->items / 8, o->users);
    }
    if (o->text_width > FEATURE_WIDTH_MAX || o->image_width > FEATURE_WIDTH_MAX) {
        return err_set(e, ERR_INVALID, "features: expected at most %d numbers", FEATURE_WIDTH_MAX);
    }
    return ERR_OK;
}

err_code demo_shop_write(const demo_shop_options *options, const demo_shop_hooks *hooks,
                         demo_shop_report *report, err *e)
{
    static const demo_shop_hooks no_hooks = {0};
    memset(report, 0, sizeof *report);
    err_code code = check_options(options, e);
    if (code != ERR_OK) {
        return code;
    }
    shop s = {.options = options,
              .hooks = hooks != NULL ? hooks : &no_hooks,
              .report = report,
              .opened = (options->end != 0 ? options->end : default_end) - OPEN_SECONDS};
    report->users = options->users;
    report->items = options->items;
    code = demo_catalogue_new(&s.catalogue, options->items, OPEN_SECONDS, options->seed, e);
    if (code == ERR_OK) {
        code = write_items(&s, e);
    }
    if (code == ERR_OK) {
        code = write_vectors(&s, 0, "text.npy", options->text_width, &text_looks, e);
    }
    if (code == ERR_OK) {
        code = write_vectors(&s, 1, "image.npy", options->image_width, &image_looks, e);
    }
    if (code == ERR_OK) {
        code = write_interactions(&s, e);
    }
    demo_catalogue_free(s.catalogue);
    return code;
}
