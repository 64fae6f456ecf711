/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The times of a text file: numbers of any unit, RFC 3339, and dates that name no offset.
 *
 * A date without an offset means a moment only together with a time zone, so one must be given: a
 * guess would move every interaction by hours in silence.
 */
#include <stdio.h>
#include <string.h>

#include "core/common/timestamp.h"
#include "core/common/utf8.h"
#include "storage/import/import_cells.h"

/* A date, and a time of day if there is one. */
typedef struct local_time {
    int year, month, day, hour, minute, second;
} local_time;

/* 2024-05-01, 2024/05/01, with " 12:30", "T12:30:15" or "T12:30:15.25" behind it. */
static bool scan_local(slice cell, local_time *out)
{
    char copy[40];
    int used = 0;
    if (cell.length < 8 || cell.length >= sizeof copy) {
        return false;
    }
    memcpy(copy, cell.at, cell.length);
    copy[cell.length] = '\0';
    memset(out, 0, sizeof *out);
    if (strspn(copy, "0123456789") != 4 ||
        (sscanf(copy, "%4d-%2d-%2d%n", &out->year, &out->month, &out->day, &used) != 3 &&
         sscanf(copy, "%4d/%2d/%2d%n", &out->year, &out->month, &out->day, &used) != 3)) {
        return false;
    }
    const char *rest = copy + used;
    if (*rest == '\0') {
        return true;
    }
    if (*rest != ' ' && *rest != 'T' && *rest != 't') {
        return false;
    }
    rest++;
    if (sscanf(rest, "%2d:%2d:%2d%n", &out->hour, &out->minute, &out->second, &used) != 3) {
        out->second = 0;
        if (sscanf(rest, "%2d:%2d%n", &out->hour, &out->minute, &used) != 2) {
            return false;
        }
    }
    rest += used;
    rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    return *rest == '\0';
}

/* The moment as if the local time were UTC; also checks that there is such a day. */
static bool as_utc(const local_time *t, int64_t *seconds)
{
    char text[40];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->month, t->day,
             t->hour, t->minute, t->second);
    return timestamp_parse(slice_of(text), seconds, NULL) == ERR_OK;
}

static err_code read_number(double number, const time_reading *how, int64_t *seconds, err *e)
{
    err why = ERR_INIT;
    err_code code = timestamp_from_number(number * how->unit, seconds, &why);
    code = code == ERR_OK ? timestamp_check(*seconds, how->now, &why) : code;
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
            return err_set(e, code, "%s; is it a number of another unit? --time-unit %s", why.text,
                           units[i].name);
        }
    }
    return err_set(e, code, "%s", why.text);
}

err_code cell_time(slice cell, const time_reading *how, int64_t *seconds, err *e)
{
    double number = 0.0;
    local_time local;
    err why = ERR_INIT;
    if (!utf8_valid(cell)) {
        return err_set(e, ERR_INVALID, "not valid UTF-8");
    }
    if (cell_number(cell, &number)) {
        return read_number(number, how, seconds, e);
    }
    err_code code = timestamp_parse(cell, seconds, &why);
    if (code != ERR_OK && scan_local(cell, &local) && as_utc(&local, seconds)) {
        if (how->zone == NULL) {
            return err_set(e, ERR_INVALID,
                           "\"%.*s\" names no offset; say where its clock was: --timezone UTC, "
                           "+02:00 or Europe/Berlin",
                           (int)cell.length, cell.at);
        }
        *seconds = time_zone_to_utc(how->zone, *seconds);
        code = ERR_OK;
    }
    code = code == ERR_OK ? timestamp_check(*seconds, how->now, &why) : code;
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}
