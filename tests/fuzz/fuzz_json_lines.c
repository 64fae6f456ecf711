/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON lines with any bytes, also in other shapes than the API's: after conversion to the API's
 * shape, its reader accepts them or refuses them with a reason, and every line ends. The first byte
 * chooses the options: --map, --column, --ignore-columns, a unit of time.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/exchange/item_json.h"
#include "storage/import/item_members.h"
#include "storage/import/json_members.h"
#include "storage/import/jsonl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1700000000, SCRATCH_BYTES = 64 * 1024 * 1024 };

static unsigned reports;

static void count(void *ctx, const char *pointer, const char *detail)
{
    (void)ctx;
    (void)pointer;
    reports += detail[0] != '\0';
}

static void check_item(import_state *s, json_members *members, const json_t *document)
{
    json_t *own = NULL;
    op_item it;
    err e = ERR_INIT;
    arena_reset(&s->scratch);
    if (item_members_plain(s->options, document)) {
        return;
    }
    err_code code = item_members_translate(&own, s, members, document, &e);
    if (code != ERR_OK) {
        if (own != NULL || code != ERR_INVALID || e.text[0] == '\0') {
            abort();
        }
        return;
    }
    item_json_options how = {
        .mode = ITEM_JSON_PUT, .now = NOW, .memory = &s->scratch, .report = count};
    reports = 0;
    code = item_json_read(own, &how, &it, NULL);
    if ((code == ERR_INVALID) != (reports > 0) || (code != ERR_OK && code != ERR_INVALID)) {
        abort();
    }
    json_decref(own);
}

static void check_roles(import_state *s, json_members *members, const json_t *document)
{
    json_roles roles;
    err e = ERR_INIT;
    if (json_members_roles(members, document, &roles, &e) != ERR_OK) {
        return;
    }
    for (import_role role = ROLE_NONE + 1; role < ROLES; role++) {
        slice cell = {NULL, 0};
        int64_t seconds = 0;
        if (roles.of[role] != NULL && json_members_cell(roles.value[role], &s->scratch, &cell) &&
            import_time(s, cell, &seconds, NULL) == ERR_OK && seconds > NOW + 86400) {
            abort();
        }
    }
}

static void read_all(import_state *s, jsonl *lines)
{
    json_members *items = NULL, *interactions = NULL;
    const json_t *document = NULL;
    if (json_members_new(&items, s, true, NULL) != ERR_OK ||
        json_members_new(&interactions, s, false, NULL) != ERR_OK) {
        abort();
    }
    for (uint64_t line = 0;;) {
        err e = ERR_INIT;
        err_code code = jsonl_next(lines, &document, &e);
        if (code == ERR_INVALID && jsonl_line(lines) > line) {
            line = jsonl_line(lines);
            continue;
        }
        if (code != ERR_OK || document == NULL) {
            break;
        }
        line = jsonl_line(lines);
        check_item(s, items, document);
        check_roles(s, interactions, document);
    }
    json_members_tell(items, "items");
    json_members_free(items);
    json_members_free(interactions);
}

static void note(void *ctx, const char *text)
{
    (void)ctx;
    if (strlen(text) >= IMPORT_NOTE_BYTES) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const maps[] = {"item=a", "title=b", "timestamp=c"};
    static const char *const columns[] = {"x=text", "y=number", "z=texts", "w=categories",
                                          "v=bool"};
    static const char *const ignored[] = {NULL, "a,b", "*", "features"};
    const import_hooks hooks = {.note = note};
    if (size < 1) {
        return 0;
    }
    import_options options = {.ignored_columns = ignored[data[0] >> 1 & 3],
                              .time_unit = data[0] & 8 ? 1e-3 : 1.0,
                              .list_separator = data[0] & 16 ? ";;" : NULL,
                              .now = NOW};
    if (data[0] & 1) {
        options.maps = (import_texts){maps, 3};
        options.columns = (import_texts){columns, 5};
    }
    import_state s = {.options = &options, .hooks = &hooks};
    arena_init(&s.scratch, SCRATCH_BYTES);
    FILE *file = size > 1 ? fmemopen((void *)(uintptr_t)(data + 1), size - 1, "rb") : NULL;
    text_source *source = NULL;
    jsonl *lines = NULL;
    err e = ERR_INIT;
    if (file != NULL && text_source_take(&source, file, "fuzz", &e) == ERR_OK &&
        jsonl_open(&lines, source, &e) == ERR_OK) {
        read_all(&s, lines);
    }
    jsonl_close(lines);
    arena_fini(&s.scratch);
    return 0;
}
