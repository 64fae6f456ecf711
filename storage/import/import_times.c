/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_times reads the times of a text file: numbers in any unit, RFC 3339, and dates without an
 * offset.
 *
 * A date without an offset is a moment only in a time zone, so the caller must give one. A guess
 * would silently shift every interaction by hours.
 */
#include "core/common/timestamp.h"
#include "core/common/utf8.h"
#include "storage/import/date_styles.h"
#include "storage/import/import_cells.h"

static err_code read_number(double number, const time_reading *how, int64_t *seconds, err *e)
{
    err why = ERR_INIT;
    err_code code = timestamp_from_number(number * how->unit, seconds, &why);
    if (code == ERR_OK) {
        code = timestamp_check(*seconds, how->now, &why);
    }
    if (code == ERR_OK) {
        return ERR_OK;
    }
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};
    double year_2100 = 4102444800.0;
    for (size_t i = 0; how->unit == 1.0 && number > 0.0 && i < sizeof units / sizeof units[0];
         i++) {
        if (number * units[i].seconds < year_2100) {
            return err_set(e, code, "%s; if its unit is another, give --time-unit %s", why.text,
                           units[i].name);
        }
    }
    return err_set(e, code, "%s", why.text);
}

err_code cell_time(slice cell, const time_reading *how, int64_t *seconds, err *e)
{
    double number = 0.0;
    bool has_offset = false;
    err why = ERR_INIT;
    if (!utf8_valid(cell)) {
        return err_set(e, ERR_INVALID, "not valid UTF-8");
    }
    /* As a number of seconds, a compact date would be a day of 1970. */
    bool compact = how->unit == 1.0 && date_styles_compact(cell);
    if (!compact && cell_number(cell, &number)) {
        return read_number(number, how, seconds, e);
    }
    err_code code = compact ? ERR_INVALID : timestamp_parse(cell, seconds, &why);
    if (code != ERR_OK && date_styles_read(cell, seconds, &has_offset)) {
        if (how->zone == NULL && !has_offset) {
            return err_set(e, ERR_INVALID,
                           "\"%.*s\" has no UTC offset; name the time zone of such times with "
                           "--timezone, for example UTC, +02:00 or Europe/Berlin",
                           (int)cell.length, cell.at);
        }
        *seconds = has_offset ? *seconds : time_zone_to_utc(how->zone, *seconds);
        code = ERR_OK;
    }
    if (code == ERR_OK) {
        code = timestamp_check(*seconds, how->now, &why);
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}
