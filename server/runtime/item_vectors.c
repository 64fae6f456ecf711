/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/item_vectors.h"

#include "core/serve/state/cold_words.h"

size_t item_vectors_wanted(const op *o)
{
    return o->kind == OP_ITEMS_CREATE || o->kind == OP_ITEMS_PUT ? o->count : 0;
}

static cold_item *vector_of(const view *v, const op_item *it)
{
    cold_words all;
    cold_item *made = NULL;
    const item_content content = {.features = it->features,
                                  .count = it->feature_count,
                                  .text = {.title = it->title,
                                           .description = it->description,
                                           .categories = it->categories,
                                           .category_count = it->category_count,
                                           .attributes = it->attributes,
                                           .attribute_count = it->attribute_count}};
    if (cold_words_add(&all, coldstart_words(v), &content, NULL) != ERR_OK ||
        coldstart_prepare(&made, v, all.features, all.count, NULL) != ERR_OK) {
        return NULL; /* applying the item will report what is wrong */
    }
    return made;
}

/* item_vectors_make takes a hold of the view for each item: finding neighbours takes a while, and
 * memory that the writer replaces cannot be freed before the oldest hold ends. */
size_t item_vectors_make(live *l, op *o, cold_item **out)
{
    size_t made = 0;
    for (uint32_t i = 0; i < item_vectors_wanted(o); i++) {
        op_item *it = (op_item *)(uintptr_t)&o->items[i];
        live_hold hold;
        live_acquire(l, &hold);
        uint32_t row = view_item_find(hold.view, it->id);
        bool placed = row != ROW_NONE && it->feature_count == 0 &&
                      (coldstart_words(hold.view) == NULL || coldstart_trained(hold.view, row));
        cold_item *vector = placed ? NULL : vector_of(hold.view, it);
        live_release(l, &hold);
        it->prepared = vector;
        if (vector != NULL) {
            out[made++] = vector;
        }
    }
    return made;
}
