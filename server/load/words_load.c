/* SPDX-License-Identifier: Apache-2.0 */
#include "server/load/words_load.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/records/features.h"
#include "storage/records/items.h"

enum { ROWS_OF_READ = 4096, MISSING = INT16_MIN };

static words_document document_of(const stored_item *it)
{
    return (words_document){.title = it->title,
                            .description = it->description,
                            .categories = it->categories,
                            .category_count = it->category_count,
                            .attributes = it->attributes,
                            .attribute_count = it->attribute_count};
}

err_code item_content_get(store_read *r, uint32_t row, arena *a, item_content *out, err *e)
{
    stored_item it = {0};
    err none = ERR_INIT;
    *out = (item_content){0};
    err_code code = item_get(r, row, a, &it, &none);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", none.text);
    }
    if (it.deleted) {
        return ERR_OK;
    }
    out->text = document_of(&it);
    return features_get(r, row, a, &out->features, &out->count, e);
}

/* --- reading in short transactions --- */

typedef err_code (*text_visit)(void *ctx, uint32_t row, const words_document *d, err *e);

typedef struct range_reader {
    uint32_t next, end; /* the rows still to read */
    uint32_t stop;      /* row before which the present transaction ends */
    text_visit visit;
    void *ctx;
    bool more; /* rows were left when the transaction ended */
} range_reader;

static err_code take_item(void *ctx, const stored_item *it, err *e)
{
    range_reader *x = ctx;
    if (it->row >= x->stop) {
        x->more = it->row < x->end;
        x->next = it->row;
        return ERR_CANCELLED;
    }
    if (it->deleted) {
        return ERR_OK;
    }
    words_document d = document_of(it);
    return x->visit(x->ctx, it->row, &d, e);
}

static err_code each_text(store *s, range_reader *x, err *e)
{
    err_code code = ERR_OK;
    for (x->more = x->next < x->end; x->more && code == ERR_OK;) {
        store_read *r = NULL;
        x->more = false;
        uint32_t left = x->end - x->next;
        x->stop = x->next + (left < ROWS_OF_READ ? left : ROWS_OF_READ);
        code = store_read_begin(s, &r, e);
        if (code == ERR_OK) {
            code = item_each(r, x->next, take_item, x, e);
            store_read_end(r);
        }
    }
    return code;
}

/* --- the fit --- */

typedef struct fit_visit {
    words_visit visit;
    void *ctx;
} fit_visit;

static err_code visit_for_fit(void *ctx, uint32_t row, const words_document *d, err *e)
{
    const fit_visit *to = ctx;
    (void)row;
    return to->visit(to->ctx, d, e);
}

static err_code each_for_fit(void *ctx, words_visit visit, void *visit_ctx, err *e)
{
    fit_visit to = {visit, visit_ctx};
    range_reader x = {.end = UINT32_MAX, .visit = visit_for_fit, .ctx = &to};
    return each_text(ctx, &x, e);
}

err_code words_fit_store(word_space **out, store *s, const words_fit_options *o, err *e)
{
    words_source source = {each_for_fit, s};
    err_code code = words_fit(out, &source, o, e);
    store_forget_pages(s);
    return code;
}

/* --- encoded rows --- */

typedef struct encoding {
    const word_space *words;
    words_scratch *scratch;
    size_t first;
    float *out;    /* (count, WORDS_WIDTH), or NULL */
    int16_t *kept; /* (count, WORDS_WIDTH) as 16-bit integers, or NULL */
} encoding;

static err_code encode_row(void *ctx, uint32_t row, const words_document *d, err *e)
{
    encoding *x = ctx;
    float own[WORDS_WIDTH];
    size_t at = (row - x->first) * WORDS_WIDTH;
    float *to = x->out != NULL ? x->out + at : own;
    (void)e;
    size_t known = words_encode(x->words, d, x->scratch, to);
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        if (x->kept != NULL) {
            x->kept[at + j] = (int16_t)(known > 0 ? lrintf(to[j] * INT16_MAX) : MISSING);
        } else if (known == 0) {
            to[j] = NAN;
        }
    }
    return ERR_OK;
}

static err_code encode_rows(const words_rows *x, size_t first, size_t count, encoding *to, err *e)
{
    range_reader reader = {
        .next = (uint32_t)first, .end = (uint32_t)(first + count), .visit = encode_row, .ctx = to};
    to->words = x->words;
    to->first = first;
    err_code code = words_scratch_new(&to->scratch, e);
    if (code == ERR_OK) {
        code = each_text(x->s, &reader, e);
    }
    words_scratch_free(to->scratch);
    return code;
}

static err_code read_rows(void *ctx, size_t first, size_t count, float *out, err *e)
{
    const words_rows *x = ctx;
    const int16_t *kept = x->kept != NULL ? x->kept + first * WORDS_WIDTH : NULL;
    for (size_t i = 0; i < count * WORDS_WIDTH; i++) {
        bool missing = kept == NULL || kept[i] == MISSING;
        out[i] = missing ? NAN : (float)kept[i] / INT16_MAX;
    }
    encoding to = {.out = out};
    return kept != NULL ? ERR_OK : encode_rows(x, first, count, &to, e);
}

feature_source words_rows_source(words_rows *x)
{
    feature_source source = {.width = WORDS_WIDTH, .rows = x->rows, .read = read_rows, .ctx = x};
    memcpy(source.name, WORDS_MODALITY, sizeof WORDS_MODALITY);
    return source;
}

err_code words_rows_keep(words_rows *x, err *e)
{
    x->kept = mem_table(x->rows * WORDS_WIDTH, sizeof *x->kept);
    if (x->kept == NULL) {
        return err_nomem(e, "the items' words");
    }
    for (size_t i = 0; i < x->rows * WORDS_WIDTH; i++) {
        x->kept[i] = MISSING;
    }
    encoding to = {.kept = x->kept};
    return encode_rows(x, 0, x->rows, &to, e);
}

void words_rows_fini(words_rows *x)
{
    mem_free(x->kept);
    x->kept = NULL;
}
