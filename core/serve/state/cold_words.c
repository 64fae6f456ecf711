/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/state/cold_words.h"

item_content cold_words_of_change(const change_item *item)
{
    return (item_content){.features = item->features,
                          .count = item->feature_count,
                          .text = {.title = item->title,
                                   .description = item->description,
                                   .categories = item->categories,
                                   .category_count = item->category_count,
                                   .attributes = item->attributes,
                                   .attribute_count = item->attribute_count}};
}

err_code cold_words_add(cold_words *out, const word_space *w, const item_content *content, err *e)
{
    words_scratch *s = NULL;
    out->count = out->known = 0;
    for (size_t i = 0; i < content->count && i < MODALITIES_MAX; i++) {
        out->features[out->count++] = content->features[i];
    }
    if (w == NULL) {
        return ERR_OK;
    }
    err_code code = words_scratch_new(&s, e);
    out->known = code == ERR_OK ? words_encode(w, &content->text, s, out->vector) : 0;
    if (out->known > 0) {
        out->features[out->count++] = (feature){.modality = slice_of(WORDS_MODALITY),
                                                .dtype = FEATURE_F4,
                                                .width = WORDS_WIDTH,
                                                .data = out->vector};
    }
    words_scratch_free(s);
    return code;
}
