/* SPDX-License-Identifier: Apache-2.0 */
/* Cells with any bytes as numbers, truth values, times and lists. Entries are inside the cell, not
 * empty and not repeated, and a number that keeps its text is finite. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/utf8.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(slice cell, const list_form *form)
{
    slice list[16];
    cell_entries out = {.list = list, .most = 16, .bytes_max = 64};
    err e = ERR_INIT;
    if (cell_list(cell, form, &out, &e) != ERR_OK) {
        return;
    }
    for (uint32_t i = 0; i < out.count; i++) {
        if (list[i].length == 0 || list[i].at < cell.at ||
            list[i].at + list[i].length > cell.at + cell.length) {
            abort();
        }
        for (uint32_t other = 0; other < i; other++) {
            if (slice_equal(list[i], list[other])) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const zones[] = {NULL, "UTC", "+02:00", "-0930"};
    static const char *const separators[] = {"", "|", ", ", "::"};
    if (size == 0) {
        return 0;
    }
    uint8_t choice = data[0];
    slice cell = {(const char *)data + 1, size - 1};
    double number = 0.0;
    number_facts facts = {0};
    bool truth = false;
    import_rank rank = RANK_NONE;
    int64_t seconds = 0;
    err e = ERR_INIT;
    cell_note_number(&facts, cell);
    if (number_facts_keep(&facts) && (!cell_number(cell, &number) || !isfinite(number))) {
        abort();
    }
    if (cell_is_truth(cell) && !cell_bool(cell, &truth)) {
        abort();
    }
    static time_zone *opened[4];
    const char *zone = zones[choice / 2 % 4];
    time_zone **at = &opened[choice / 2 % 4];
    if (zone != NULL && *at == NULL && time_zone_open(at, zone, &e) != ERR_OK) {
        abort();
    }
    time_reading how = {choice & 1 ? 1e-3 : 1.0, *at, 1800000000};
    if (cell_time(cell, &how, &seconds, &e) == ERR_OK && seconds > how.now + 86400) {
        abort();
    }
    (void)import_role_of(cell, choice & 1, &rank);
    list_form form = {.quoted = (choice & 1) != 0};
    memcpy(form.separator, separators[choice / 8 % 4], strlen(separators[choice / 8 % 4]));
    check_list(cell, &form);
    memset(&form, 0, sizeof form);
    list_form_note(&form, cell);
    check_list(cell, &form);
    return 0;
}
