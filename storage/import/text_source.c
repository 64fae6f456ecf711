/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/text_source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "core/common/mem.h"

enum { RAW_BYTES = 256 * 1024, AHEAD_BYTES = 64 * 1024, UNITS_BYTES = 64 * 1024 };

typedef enum text_encoding { TEXT_UTF8 = 0, TEXT_UTF16_LITTLE, TEXT_UTF16_BIG } text_encoding;

struct text_source {
    FILE *file;
    char *name;
    unsigned char *raw; /* (RAW_BYTES) bytes as on disk; raw[from, to) are not used yet */
    size_t from, to;
    uint64_t bytes; /* bytes read from the file */
    bool ended;     /* the end of the file was reached */

    bool packed; /* the file is compressed by gzip */
    bool inside; /* inside a gzip member */
    z_stream inflater;

    text_encoding encoding;
    unsigned char *units; /* (UNITS_BYTES) bytes of UTF-16 that are not converted yet, from 0 */
    size_t unit_bytes;

    /* (AHEAD_BYTES) converted bytes that the reader has not taken yet: ahead[given, ahead_end) */
    char *ahead;
    size_t given, ahead_end;
};

/* --- bytes of the file --- */

static err_code refill(text_source *t, err *e)
{
    if (t->from == t->to && !t->ended) {
        t->from = 0;
        t->to = fread(t->raw, 1, RAW_BYTES, t->file);
        t->bytes += t->to;
        t->ended = t->to < RAW_BYTES && (feof(t->file) || ferror(t->file));
        if (ferror(t->file)) {
            return err_set(e, ERR_IO, "cannot read: %s", strerror(errno));
        }
    }
    return ERR_OK;
}

static err_code refuse_stream(const text_source *t, err *e)
{
    return err_set(e, ERR_CORRUPT, "the gzip stream is damaged: %s",
                   t->inflater.msg != NULL ? t->inflater.msg : "it ends too early");
}

/* begin_member begins the next gzip member: a file may hold several in a row. Zeros at its end are
 * padding. */
static err_code begin_member(text_source *t, bool *over, err *e)
{
    while (t->from < t->to && t->bytes > 0 && t->raw[t->from] == 0) {
        t->from++;
    }
    err_code code = refill(t, e);
    *over = t->from == t->to;
    if (code != ERR_OK || *over) {
        return code;
    }
    t->inside = true;
    return inflateReset(&t->inflater) == Z_OK ? ERR_OK : err_nomem(e, "unpacking");
}

static err_code read_packed(text_source *t, unsigned char *into, size_t room, size_t *got, err *e)
{
    *got = 0;
    while (*got == 0) {
        bool over = false;
        err_code code = refill(t, e);
        if (code == ERR_OK && !t->inside) {
            code = begin_member(t, &over, e);
        }
        if (code != ERR_OK || over) {
            return code;
        }
        t->inflater.next_in = t->raw + t->from;
        t->inflater.avail_in = (uInt)(t->to - t->from);
        t->inflater.next_out = into;
        t->inflater.avail_out = (uInt)room;
        int rc = inflate(&t->inflater, Z_NO_FLUSH);
        t->from = t->to - t->inflater.avail_in;
        *got = room - t->inflater.avail_out;
        t->inside = rc != Z_STREAM_END;
        bool starved = rc == Z_BUF_ERROR && t->from == t->to && !t->ended;
        if (rc != Z_OK && rc != Z_STREAM_END && !starved) {
            return rc == Z_MEM_ERROR ? err_nomem(e, "unpacking") : refuse_stream(t, e);
        }
    }
    return ERR_OK;
}

static err_code read_plain(text_source *t, unsigned char *into, size_t room, size_t *got, err *e)
{
    err_code code = refill(t, e);
    size_t have = t->to - t->from;
    *got = code == ERR_OK ? (have < room ? have : room) : 0;
    memcpy(into, t->raw + t->from, *got);
    t->from += *got;
    return code;
}

static err_code read_bytes(text_source *t, void *into, size_t room, size_t *got, err *e)
{
    return t->packed ? read_packed(t, into, room, got, e) : read_plain(t, into, room, got, e);
}

/* --- characters --- */

static uint32_t unit_at(const text_source *t, size_t at)
{
    const unsigned char *b = t->units + at;
    return t->encoding == TEXT_UTF16_BIG ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static size_t put_utf8(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    to[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | c);
    return length;
}

/* convert converts the content of `units` while `into` has room for a character. A surrogate
 * without its other half becomes U+FFFD. The rest stays in `units`: at most half a pair, unless
 * `into` is full. */
static size_t convert(text_source *t, bool last, char *into, size_t room)
{
    size_t at = 0, got = 0;
    while (at + 2 <= t->unit_bytes && got + 4 <= room) {
        uint32_t c = unit_at(t, at);
        size_t used = 2;
        if (c >= 0xd800 && c < 0xdc00) {
            if (at + 4 > t->unit_bytes && !last) {
                break;
            }
            uint32_t low = at + 4 <= t->unit_bytes ? unit_at(t, at + 2) : 0;
            bool pair = low >= 0xdc00 && low < 0xe000;
            c = pair ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
            used = pair ? 4 : 2;
        } else if (c >= 0xdc00 && c < 0xe000) {
            c = 0xfffd;
        }
        got += put_utf8(c, into + got);
        at += used;
    }
    t->unit_bytes -= at;
    memmove(t->units, t->units + at, t->unit_bytes);
    return got;
}

static err_code read_utf16(text_source *t, char *into, size_t room, size_t *got, err *e)
{
    *got = 0;
    while (*got == 0) {
        size_t more = 0;
        err_code code =
            read_bytes(t, t->units + t->unit_bytes, UNITS_BYTES - t->unit_bytes, &more, e);
        t->unit_bytes += more;
        if (code != ERR_OK) {
            return code;
        }
        bool last = more == 0 && t->unit_bytes < UNITS_BYTES;
        *got = convert(t, last, into, room);
        if (last && *got == 0) {
            return t->unit_bytes == 0
                       ? ERR_OK
                       : err_set(e, ERR_CORRUPT, "the UTF-16 text ends in half a character");
        }
    }
    return ERR_OK;
}

static err_code read_text(text_source *t, char *into, size_t room, size_t *got, err *e)
{
    return t->encoding == TEXT_UTF8 ? read_bytes(t, into, room, got, e)
                                    : read_utf16(t, into, room, got, e);
}

/* --- what the first bytes tell --- */

static void *unpack_alloc(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return mem_array(count, size);
}

static void unpack_free(void *ctx, void *memory)
{
    (void)ctx;
    mem_free(memory);
}

typedef struct signature {
    const char *bytes;
    size_t length;
    const char *means;
} signature;

static const signature unreadable[] = {
    {"PK\x03\x04", 4, "a zip archive or a spreadsheet (.xlsx); unzip it, or save it as CSV"},
    {"\xfd"
     "7zXZ",
     5, "compressed by xz; unxz it first"},
    {"\x28\xb5\x2f\xfd", 4, "compressed by zstd; unzstd it first"},
    {"BZh", 3, "compressed by bzip2; bunzip2 it first"},
    {"7z\xbc\xaf", 4, "a 7z archive; unpack it first"},
    {"PAR1", 4, "a Parquet file; write it as CSV or JSON lines first"},
    {"\xd0\xcf\x11\xe0", 4, "a spreadsheet (.xls); save it as CSV"},
    {"\x93NUMPY", 6, "a NumPy array, which is for --features"},
};

static err_code look_at_packing(text_source *t, err *e)
{
    err_code code = refill(t, e);
    const unsigned char *at = t->raw;
    for (size_t i = 0; code == ERR_OK && i < sizeof unreadable / sizeof unreadable[0]; i++) {
        const signature *s = &unreadable[i];
        if (t->to >= s->length && memcmp(at, s->bytes, s->length) == 0) {
            return err_set(e, ERR_INVALID, "%s", s->means);
        }
    }
    if (code == ERR_OK && t->to >= 2 && at[0] == 0x1f && at[1] == 0x8b) {
        t->packed = true;
        t->inside = true;
        t->inflater.zalloc = unpack_alloc;
        t->inflater.zfree = unpack_free;
        enum { WINDOW_BITS = 15, GZIP_HEADER = 16 };
        if (inflateInit2(&t->inflater, WINDOW_BITS + GZIP_HEADER) != Z_OK) {
            t->packed = false;
            code = err_nomem(e, "unpacking");
        }
    }
    return code;
}

/* encoding_of detects the encoding from the first bytes of `ahead`, and how many of them are a byte
 * order mark. */
static text_encoding encoding_of(const text_source *t, size_t *mark)
{
    const char *at = t->ahead;
    bool two = t->ahead_end >= 2, four = t->ahead_end >= 4;
    *mark = 2;
    if (two && memcmp(at, "\xff\xfe", 2) == 0) {
        return TEXT_UTF16_LITTLE;
    }
    if (two && memcmp(at, "\xfe\xff", 2) == 0) {
        return TEXT_UTF16_BIG;
    }
    *mark = t->ahead_end >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    /* Without a mark, UTF-16 shows by the zero bytes of two ASCII characters, such as a name or a
     * brace. */
    if (four && at[0] != '\0' && at[1] == '\0' && at[2] != '\0' && at[3] == '\0') {
        return TEXT_UTF16_LITTLE;
    }
    return four && at[0] == '\0' && at[1] != '\0' && at[2] == '\0' && at[3] != '\0' ? TEXT_UTF16_BIG
                                                                                    : TEXT_UTF8;
}

/* look_at_encoding reads the beginning into `ahead`, drops a byte order mark and converts. */
static err_code look_at_encoding(text_source *t, err *e)
{
    size_t got = 0;
    err_code code = ERR_OK;
    do {
        code = read_bytes(t, t->ahead + t->ahead_end, AHEAD_BYTES - t->ahead_end, &got, e);
        t->ahead_end += got;
    } while (code == ERR_OK && got > 0 && t->ahead_end < 4);
    size_t mark = 0;
    t->encoding = encoding_of(t, &mark);
    t->given = t->encoding == TEXT_UTF8 ? mark : 0;
    if (code == ERR_OK && t->encoding != TEXT_UTF8) {
        t->units = mem_array(UNITS_BYTES, 1);
        if (t->units == NULL) {
            return err_nomem(e, "converting UTF-16");
        }
        t->unit_bytes = t->ahead_end - mark;
        memcpy(t->units, t->ahead + mark, t->unit_bytes);
        code = read_text(t, t->ahead, AHEAD_BYTES, &t->ahead_end, e);
    }
    return code;
}

err_code text_source_take(text_source **out, FILE *file, const char *name, err *e)
{
    *out = NULL;
    text_source *t = mem_array(1, sizeof *t);
    if (t == NULL) {
        fclose(file);
        return err_nomem(e, "a file's reader");
    }
    t->file = file;
    t->name = mem_string(name, strlen(name));
    t->raw = mem_array(RAW_BYTES, 1);
    t->ahead = mem_array(AHEAD_BYTES, 1);
    err_code code = ERR_OK;
    if (t->name == NULL || t->raw == NULL || t->ahead == NULL) {
        code = err_nomem(e, "a file's reader");
    } else {
        code = look_at_packing(t, e);
        if (code == ERR_OK) {
            code = look_at_encoding(t, e);
        }
        if (code != ERR_OK) {
            err_context(e, "%s", name);
        }
    }
    if (code != ERR_OK) {
        text_source_close(t);
        return code;
    }
    *out = t;
    return ERR_OK;
}

err_code text_source_open(text_source **out, const char *path, err *e)
{
    *out = NULL;
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    }
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        return err_set(e, ERR_INVALID, "%s: a folder, not a file", path);
    }
    return text_source_take(out, file, path, e);
}

void text_source_close(text_source *t)
{
    if (t != NULL) {
        if (t->packed) {
            inflateEnd(&t->inflater);
        }
        fclose(t->file);
        mem_free(t->name);
        mem_free(t->raw);
        mem_free(t->units);
        mem_free(t->ahead);
        mem_free(t);
    }
}

const char *text_source_name(const text_source *t)
{
    return t->name;
}

slice text_source_ahead(const text_source *t)
{
    return (slice){t->ahead + t->given, t->ahead_end - t->given};
}

static bool ends_with(slice name, const char *ending)
{
    size_t length = strlen(ending);
    return name.length >= length && memcmp(name.at + name.length - length, ending, length) == 0;
}

bool text_source_is_json(const text_source *t)
{
    slice name = slice_of(t->name);
    name.length -= ends_with(name, ".gz") ? 3 : 0;
    if (ends_with(name, ".jsonl") || ends_with(name, ".ndjson") || ends_with(name, ".json")) {
        return true;
    }
    slice ahead = text_source_ahead(t);
    size_t at = 0;
    while (at < ahead.length && strchr(" \t\r\n", ahead.at[at]) != NULL && ahead.at[at] != '\0') {
        at++;
    }
    return at < ahead.length && ahead.at[at] == '{';
}

err_code text_source_read(text_source *t, char *into, size_t room, size_t *got, err *e)
{
    size_t have = t->ahead_end - t->given;
    if (have > 0) {
        *got = have < room ? have : room;
        memcpy(into, t->ahead + t->given, *got);
        t->given += *got;
        return ERR_OK;
    }
    return read_text(t, into, room, got, e);
}

uint64_t text_source_bytes(const text_source *t)
{
    return t->bytes - (t->to - t->from);
}
