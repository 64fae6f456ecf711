/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/encoded_text.h"

#include <string.h>

#include "api/web/cost.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/serve/state/coldstart.h"
#include "storage/records/item_text.h"

static bool can_ask(const context *c)
{
    return c->request->encoding != NULL && !c->request->encoding->asked &&
           c->deps->encoder_modality != NULL;
}

static bool uses_encoder(const context *c, const view *v)
{
    slice name = slice_of(c->deps->encoder_modality);
    for (size_t m = 0; m < coldstart_modalities(v); m++) {
        if (slice_equal(coldstart_modality_name(v, m), name)) {
            return true;
        }
    }
    return false;
}

/* ask postpones the request for this text, which it takes over. */
static err_code ask(context *c, char *text, size_t length, err *e)
{
    api_encoding *x = c->request->encoding;
    x->asked = true;
    if (length == 0) {
        mem_free(text);
        return ERR_OK;
    }
    x->text = text;
    x->length = length;
    c->later = c->encode = true;
    return err_set(e, ERR_CANCELLED, "a text is to be encoded first");
}

/* ask_for asks for the text of an item. */
static err_code ask_for(context *c, const stored_item *it, err *e)
{
    char *text = mem_array(ITEM_TEXT_BYTES_MAX, 1);
    if (text == NULL) {
        return err_nomem(e, "a text to encode");
    }
    return ask(c, text, item_text_write(it, text), e);
}

bool encoded_text_called(const context *c)
{
    const api_encoding *x = c->request->encoding;
    return x != NULL && x->called && !x->of_item;
}

err_code encoded_text_ask(context *c, slice text, err *e)
{
    if (!can_ask(c) || text.length == 0 || coldstart_words(c->view) != NULL ||
        !uses_encoder(c, c->view)) {
        return ERR_OK;
    }
    err_code code = cost_admit(c, 0, e);
    if (code != ERR_OK) {
        return code;
    }
    c->request->encoding->of_item = false;
    return ask_for(c, &(stored_item){.title = text}, e);
}

static int by_name(const void *a, const void *b)
{
    const attribute *left = a, *right = b;
    return slice_compare(left->name, right->name);
}

static bool is_wanted(const context *c, const op_item *it)
{
    live_hold hold;
    live_acquire(c->deps->live, &hold);
    bool wanted = view_item_find(hold.view, it->id) == ROW_NONE && uses_encoder(c, hold.view);
    live_release(c->deps->live, &hold);
    for (uint32_t i = 0; wanted && i < it->feature_count; i++) {
        wanted = !slice_equal(it->features[i].modality, slice_of(c->deps->encoder_modality));
    }
    return wanted;
}

err_code encoded_text_ask_item(context *c, const op_item *it, err *e)
{
    if (!can_ask(c) || !is_wanted(c, it)) {
        return ERR_OK;
    }
    attribute *sorted = arena_alloc(c->memory, it->attribute_count, sizeof *sorted);
    if (sorted == NULL) {
        return err_nomem(e, "a text to encode");
    }
    if (it->attribute_count > 0) { /* in the store's order, so that the text is the same */
        memcpy(sorted, it->attributes, it->attribute_count * sizeof *sorted);
        sort_array(sorted, it->attribute_count, sizeof *sorted, by_name);
    }
    stored_item as_stored = {.title = it->title,
                             .description = it->description,
                             .categories = it->categories,
                             .category_count = it->category_count,
                             .attributes = sorted,
                             .attribute_count = it->attribute_count};
    c->request->encoding->of_item = true;
    return ask_for(c, &as_stored, e);
}

bool encoded_text_take(const context *c, feature *out)
{
    const api_encoding *x = c->request->encoding;
    if (x == NULL || x->vector == NULL || c->deps->encoder_modality == NULL) {
        return false;
    }
    *out = (feature){.modality = slice_of(c->deps->encoder_modality),
                     .dtype = FEATURE_F4,
                     .width = x->width,
                     .data = x->vector};
    return true;
}
