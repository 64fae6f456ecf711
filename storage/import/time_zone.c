/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/time_zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"

enum { FILE_BYTES_MAX = 256 * 1024, HEADER_BYTES = 44, TYPE_BYTES = 6 };

struct time_zone {
    int64_t first;    /* seconds east of UTC before the first change, or always if there is none */
    size_t count;     /* number of changes */
    int64_t *at;      /* (count) moments of change in UTC, ascending */
    int64_t *offsets; /* (count) offset after each change */
};

/* fixed_offset parses "+02:00", "-0330", "Z", "GMT" or "UTC". */
static bool fixed_offset(const char *name, int64_t *seconds)
{
    int hours = 0, minutes = 0, used = 0;
    *seconds = 0;
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 || strcmp(name, "GMT") == 0) {
        return true;
    }
    if (name[0] != '+' && name[0] != '-') {
        return false;
    }
    int got = sscanf(name + 1, "%2d:%2d%n", &hours, &minutes, &used);
    if (got != 2) {
        used = 0;
        got = sscanf(name + 1, "%2d%2d%n", &hours, &minutes, &used);
    }
    *seconds = (hours * 3600 + minutes * 60) * (name[0] == '-' ? -1 : 1);
    return got == 2 && name[1 + used] == '\0' && hours >= 0 && hours <= 14 && minutes >= 0 &&
           minutes <= 59;
}

static int64_t big_endian(const unsigned char *at, size_t bytes)
{
    uint64_t value = at[0] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return (int64_t)value;
}

/* The six counts of a header: isut, isstd, leap, times, types, chars. */
typedef struct tz_counts {
    size_t isut, isstd, leap, times, types, chars;
} tz_counts;

static bool read_counts(const unsigned char *at, const unsigned char *end, tz_counts *c)
{
    if ((size_t)(end - at) < HEADER_BYTES || memcmp(at, "TZif", 4) != 0) {
        return false;
    }
    size_t *const counts[] = {&c->isut, &c->isstd, &c->leap, &c->times, &c->types, &c->chars};
    for (size_t i = 0; i < 6; i++) {
        *counts[i] = (size_t)big_endian(at + 20 + 4 * i, 4) & UINT32_MAX;
        if (*counts[i] > FILE_BYTES_MAX) {
            return false;
        }
    }
    return c->types > 0;
}

static size_t block_bytes(const tz_counts *c, size_t time_bytes)
{
    return c->times * (time_bytes + 1) + c->types * TYPE_BYTES + c->chars +
           c->leap * (time_bytes + 4) + c->isstd + c->isut;
}

/* take_block reads the second block, whose times have 64 bits. */
static err_code take_block(time_zone *z, const unsigned char *at, const unsigned char *end, err *e)
{
    tz_counts c;
    bool good = read_counts(at, end, &c);
    at += good ? HEADER_BYTES + block_bytes(&c, 4) : 0;
    good = good && at < end && read_counts(at, end, &c);
    at += good ? HEADER_BYTES : 0;
    if (!good || block_bytes(&c, 8) > (size_t)(end - at)) {
        return err_set(e, ERR_INVALID, "its file in the tz data base cannot be read");
    }
    z->at = mem_array(c.times + 1, sizeof *z->at);
    z->offsets = mem_array(c.times + 1, sizeof *z->offsets);
    if (z->at == NULL || z->offsets == NULL) {
        return err_nomem(e, "a time zone");
    }
    const unsigned char *types = at + c.times * 9;
    z->first = big_endian(types, 4);
    for (size_t i = 0; i < c.times; i++) {
        unsigned char type = at[c.times * 8 + i];
        if (type >= c.types) {
            return err_set(e, ERR_INVALID, "its file in the tz data base is damaged");
        }
        z->at[i] = big_endian(at + 8 * i, 8);
        z->offsets[i] = big_endian(types + (size_t)TYPE_BYTES * type, 4);
    }
    z->count = c.times;
    return ERR_OK;
}

static err_code read_file(time_zone *z, const char *name, err *e)
{
    char path[256];
    bool plain = name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.200s", name);
    FILE *file = plain ? fopen(path, "rbe") : NULL;
    if (file == NULL) {
        return err_set(e, ERR_INVALID,
                       "expected UTC, an offset such as +02:00, or a name that the tz data base of "
                       "this machine knows, such as Europe/Berlin, not \"%.40s\"",
                       name);
    }
    unsigned char *bytes = mem_array(FILE_BYTES_MAX, 1);
    size_t got = bytes != NULL ? fread(bytes, 1, FILE_BYTES_MAX, file) : 0;
    (void)fclose(file);
    err_code code =
        bytes != NULL ? take_block(z, bytes, bytes + got, e) : err_nomem(e, "a time zone");
    mem_free(bytes);
    return code;
}

err_code time_zone_open(time_zone **out, const char *name, err *e)
{
    *out = NULL;
    time_zone *z = mem_array(1, sizeof *z);
    if (z == NULL) {
        return err_nomem(e, "a time zone");
    }
    err_code code = fixed_offset(name, &z->first) ? ERR_OK : read_file(z, name, e);
    if (code != ERR_OK) {
        time_zone_close(z);
        return code;
    }
    *out = z;
    return ERR_OK;
}

void time_zone_close(time_zone *z)
{
    if (z != NULL) {
        mem_free(z->at);
        mem_free(z->offsets);
        mem_free(z);
    }
}

/* changes_until returns the number of changes up to a moment of UTC. */
static size_t changes_until(const time_zone *z, int64_t utc)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (z->at[middle] <= utc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t offset_after(const time_zone *z, size_t changes)
{
    return changes == 0 ? z->first : z->offsets[changes - 1];
}

/* time_zone_to_utc tries the offsets around the moment, the earliest first: a result that lies
 * before its change is right. */
int64_t time_zone_to_utc(const time_zone *z, int64_t local)
{
    static const int64_t day = 86400;
    size_t from = changes_until(z, local - day);
    size_t to = changes_until(z, local + day);
    for (size_t i = from; i <= to; i++) {
        int64_t utc = local - offset_after(z, i);
        if (changes_until(z, utc) == i) {
            return utc;
        }
    }
    return local - offset_after(z, from);
}
