/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON bodies with any bytes as items and interactions: what is accepted is within the limits, and
 * what is written from it reads back unchanged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/exchange/interaction_json.h"
#include "storage/exchange/item_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1700000000 };

static unsigned reports;

static void count(void *ctx, const char *pointer, const char *detail)
{
    (void)ctx;
    if (strlen(pointer) > 4096 || strlen(detail) == 0) {
        abort();
    }
    reports++;
}

static void check_round(const op_item *it, arena *memory)
{
    stored_item stored = {.id = it->id,
                          .title = it->title,
                          .categories = it->categories,
                          .category_count = it->category_count,
                          .attributes = it->attributes,
                          .attribute_count = it->attribute_count,
                          .created = it->given & OP_CREATED ? it->created : NOW,
                          .hidden = it->hidden,
                          .encoded_hash = it->text_hash};
    json_t *document = NULL;
    op_item again;
    size_t kept = 0; /* a null removes a vector: it is not written */
    feature *features = arena_alloc(memory, it->feature_count, sizeof *features);
    item_json_options how = {.now = NOW, .memory = memory, .report = count, .encoded = true};
    for (uint32_t i = 0; features != NULL && i < it->feature_count; i++) {
        if (it->features[i].data != NULL) {
            features[kept++] = it->features[i];
        }
    }
    if (item_json_new(&document, &stored, ITEM_JSON_ALL, features, kept, NULL) != ERR_OK ||
        item_json_read(document, &how, &again, NULL) != ERR_OK ||
        again.category_count != it->category_count ||
        again.attribute_count != it->attribute_count || again.feature_count != kept ||
        again.text_hash != it->text_hash || !slice_equal(again.id, it->id)) {
        abort();
    }
    json_decref(document);
}

static void check_item(const json_t *document, item_json_mode mode, arena *memory)
{
    op_item it;
    item_json_options how = {
        .mode = mode, .now = NOW, .memory = memory, .report = count, .encoded = true};
    reports = 0;
    err_code code = item_json_read(document, &how, &it, NULL);
    if ((code == ERR_INVALID) != (reports > 0)) {
        abort();
    }
    if (code == ERR_OK && (it.id.length < 1 || it.id.length > ID_BYTES_MAX)) {
        abort();
    }
    if (code == ERR_OK && mode == ITEM_JSON_PUT) {
        check_round(&it, memory);
    }
}

static void check_interaction(const json_t *document, arena *memory)
{
    static interaction_types types;
    op_interaction x;
    interaction_json_options how = {
        .types = &types, .now = NOW, .with_split = true, .memory = memory, .report = count};
    if (types.count == 0 &&
        interaction_types_parse(&types, INTERACTION_TYPES_DEFAULT, NULL) != ERR_OK) {
        abort();
    }
    reports = 0;
    err_code code = interaction_json_read(document, &how, &x, NULL);
    if ((code == ERR_INVALID) != (reports > 0) || (code == ERR_OK && !(x.weight > 0.0F))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena memory;
    json_t *document = json_loadb((const char *)data, size,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    if (document == NULL) {
        return 0;
    }
    arena_init(&memory, 64 * 1024 * 1024);
    check_item(document, ITEM_JSON_PUT, &memory);
    check_item(document, ITEM_JSON_PATCH, &memory);
    check_interaction(document, &memory);
    arena_fini(&memory);
    json_decref(document);
    return 0;
}
