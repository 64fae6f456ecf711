/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/npy.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "core/common/item_fields.h"
#include "core/common/mem.h"

/* Real headers have about 120 bytes. Version 1 cannot have more than 64 KiB either. */
enum { HEADER_MAX = 65536 };

struct npy {
    FILE *file;
    char *name;
    char code; /* '2', '4' or '8': bytes of a value in the file */
    uint64_t rows;
    uint32_t width;
    uint64_t next; /* the next row to read, from 0 */
    unsigned char *row;
};

/* A cursor over the header's Python dictionary. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) {
        c->at++;
    }
}

static bool take(cursor *c, const char *word)
{
    skip_space(c);
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) {
        return false;
    }
    c->at += length;
    return true;
}

static bool take_quoted(cursor *c, slice *out)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    const char *close = memchr(c->at + 1, *c->at, (size_t)(c->end - c->at - 1));
    if (close == NULL) {
        return false;
    }
    *out = (slice){c->at + 1, (size_t)(close - c->at - 1)};
    c->at = close + 1;
    return true;
}

static bool take_number(cursor *c, uint64_t *out)
{
    skip_space(c);
    const char *start = c->at;
    *out = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (*out > (UINT64_MAX - 9) / 10) {
            return false;
        }
        *out = *out * 10 + (uint64_t)(*c->at++ - '0');
    }
    return c->at > start;
}

/* The content of a header. */
typedef struct header {
    slice descr;
    bool structured; /* descr is a list: a record array */
    bool fortran;
    uint64_t shape[2];
    size_t dimensions;
} header;

static bool parse_shape(cursor *c, header *h)
{
    if (!take(c, "(")) {
        return false;
    }
    while (!take(c, ")")) {
        uint64_t extent;
        if (!take_number(c, &extent)) {
            return false;
        }
        if (h->dimensions < 2) {
            h->shape[h->dimensions] = extent;
        }
        h->dimensions++;
        if (!take(c, ",") && (c->at == c->end || *c->at != ')')) {
            return false;
        }
    }
    return true;
}

static bool parse_descr(cursor *c, header *h)
{
    if (take(c, "[")) {
        h->structured = true;
        const char *close = memchr(c->at, ']', (size_t)(c->end - c->at));
        c->at = close != NULL ? close + 1 : c->end;
        return close != NULL;
    }
    return take_quoted(c, &h->descr);
}

static bool parse_header(cursor c, header *h)
{
    unsigned seen = 0;
    if (!take(&c, "{")) {
        return false;
    }
    while (!take(&c, "}")) {
        slice key;
        unsigned bit = 0;
        if (!take_quoted(&c, &key) || !take(&c, ":")) {
            return false;
        }
        if (slice_equal(key, slice_of("descr"))) {
            bit = parse_descr(&c, h) ? 1 : 0;
        } else if (slice_equal(key, slice_of("fortran_order"))) {
            h->fortran = take(&c, "True");
            bit = h->fortran || take(&c, "False") ? 2 : 0;
        } else if (slice_equal(key, slice_of("shape"))) {
            bit = parse_shape(&c, h) ? 4 : 0;
        }
        if (bit == 0 || (seen & bit) != 0) {
            return false;
        }
        seen |= bit;
        skip_space(&c);
        if (!take(&c, ",") && (c.at == c.end || *c.at != '}')) {
            return false;
        }
    }
    skip_space(&c);
    return seen == 7 && c.at == c.end;
}

static err_code check_dtype(const header *h, char *code, err *e)
{
    int length = (int)(h->descr.length < 40 ? h->descr.length : 40);
    const char *at = h->descr.length > 0 ? h->descr.at : "";
    if (h->structured) {
        return err_set(e, ERR_INVALID, "a record array; expected an array of <f2, <f4 or <f8");
    }
    if (memchr(at, 'O', (size_t)length) != NULL) {
        return err_set(e, ERR_INVALID, "pickled objects (dtype '%.*s') are not read; save numbers",
                       length, at);
    }
    if (length == 3 && at[0] == '>') {
        return err_set(e, ERR_INVALID, "big-endian '%.*s'; expected <f2, <f4 or <f8", length, at);
    }
    if (length != 3 || at[0] != '<' || at[1] != 'f' ||
        (at[2] != '2' && at[2] != '4' && at[2] != '8')) {
        return err_set(e, ERR_INVALID, "dtype '%.*s'; expected <f2, <f4 or <f8", length, at);
    }
    *code = at[2];
    return ERR_OK;
}

static err_code check_header(npy *n, const header *h, err *e)
{
    err_code code = check_dtype(h, &n->code, e);
    if (code != ERR_OK) {
        return code;
    }
    if (h->fortran) {
        return err_set(e, ERR_INVALID,
                       "Fortran order; expected C order (save numpy.ascontiguousarray(x))");
    }
    if (h->dimensions != 2) {
        return err_set(e, ERR_INVALID, "%zu dimensions; expected 2: (rows, width)", h->dimensions);
    }
    if (h->shape[1] < 1 || h->shape[1] > FEATURE_WIDTH_MAX) {
        return err_set(e, ERR_INVALID, "rows of %llu numbers; expected 1 to %d",
                       (unsigned long long)h->shape[1], FEATURE_WIDTH_MAX);
    }
    if (h->shape[0] >= UINT32_MAX) {
        return err_set(e, ERR_INVALID, "%llu rows; expected fewer than 4294967295",
                       (unsigned long long)h->shape[0]);
    }
    n->rows = h->shape[0];
    n->width = (uint32_t)h->shape[1];
    return ERR_OK;
}

/* check_size refuses a file that is too short or too long before any row is read. */
static err_code check_size(npy *n, err *e)
{
    long start = ftell(n->file);
    if (start < 0 || fseek(n->file, 0, SEEK_END) != 0) {
        clearerr(n->file);
        return ERR_OK; /* a pipe: reading the rows will show */
    }
    long end = ftell(n->file);
    if (end < start || fseek(n->file, start, SEEK_SET) != 0) {
        return err_set(e, ERR_IO, "cannot seek: %s", strerror(errno));
    }
    uint64_t row_bytes = (uint64_t)n->width * (uint64_t)(n->code - '0');
    uint64_t expected = n->rows * row_bytes; /* < 2^32 * 2^16 * 8 */
    uint64_t actual = (uint64_t)(end - start);
    if (actual < expected) {
        return err_set(e, ERR_INVALID,
                       "truncated: the header promises %llu rows, the file ends in row %llu",
                       (unsigned long long)n->rows, (unsigned long long)(actual / row_bytes));
    }
    if (actual > expected) {
        return err_set(e, ERR_INVALID, "%llu bytes follow the %llu rows that the header promises",
                       (unsigned long long)(actual - expected), (unsigned long long)n->rows);
    }
    return ERR_OK;
}

static err_code read_exactly(npy *n, void *out, size_t bytes, const char *what, err *e)
{
    if (fread(out, 1, bytes, n->file) == bytes) {
        return ERR_OK;
    }
    return ferror(n->file) ? err_set(e, ERR_IO, "cannot read: %s", strerror(errno))
                           : err_set(e, ERR_INVALID, "truncated in %s", what);
}

static err_code read_header(npy *n, err *e)
{
    unsigned char start[12] = {0};
    err_code code = read_exactly(n, start, 8, "the header", e);
    if (code != ERR_OK) {
        return code;
    }
    if (memcmp(start, "\x93NUMPY", 6) != 0) {
        return err_set(e, ERR_INVALID, "%s",
                       start[0] == 0x80 ? "a pickle, not a .npy file; use numpy.save"
                       : memcmp(start, "PK", 2) == 0
                           ? "a .npz archive, not a .npy file; save one array with numpy.save"
                           : "not a .npy file");
    }
    if (start[6] < 1 || start[6] > 3) {
        return err_set(e, ERR_INVALID, ".npy format version %u.%u; expected 1 to 3", start[6],
                       start[7]);
    }
    size_t length_bytes = start[6] == 1 ? 2 : 4;
    code = read_exactly(n, start + 8, length_bytes, "the header", e);
    if (code != ERR_OK) {
        return code;
    }
    size_t length = (size_t)start[8] | (size_t)start[9] << 8 | (size_t)start[10] << 16 |
                    (size_t)start[11] << 24;
    if (length > HEADER_MAX) {
        return err_set(e, ERR_INVALID, "a header of %zu bytes; expected at most %d", length,
                       HEADER_MAX);
    }
    char *text = mem_array(length, 1);
    if (text == NULL) {
        return err_nomem(e, "an .npy header");
    }
    header h = {0};
    code = read_exactly(n, text, length, "the header", e);
    if (code == ERR_OK && !parse_header((cursor){text, text + length}, &h)) {
        code = err_set(e, ERR_INVALID, "the header is not a .npy dictionary");
    }
    if (code == ERR_OK) {
        code = check_header(n, &h, e);
    }
    mem_free(text);
    return code;
}

err_code npy_open_file(npy **out, FILE *file, const char *name, err *e)
{
    *out = NULL;
    npy *n = mem_array(1, sizeof *n);
    if (n == NULL) {
        fclose(file);
        return err_nomem(e, "an .npy reader");
    }
    n->file = file;
    n->name = mem_string(name, strlen(name));
    err_code code = n->name == NULL ? err_nomem(e, "an .npy reader") : read_header(n, e);
    if (code == ERR_OK) {
        code = check_size(n, e);
    }
    if (code == ERR_OK) {
        n->row = mem_array(n->width, (size_t)(n->code - '0'));
        code = n->row == NULL ? err_nomem(e, "a row of an .npy file") : ERR_OK;
    }
    if (code != ERR_OK) {
        npy_close(n);
        err_context(e, "%s", name);
        return code;
    }
    *out = n;
    return ERR_OK;
}

err_code npy_open(npy **out, const char *path, err *e)
{
    *out = NULL;
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL) {
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    }
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        return err_set(e, ERR_INVALID, "%s: a folder, not an .npy file", path);
    }
    return npy_open_file(out, file, path, e);
}

void npy_close(npy *n)
{
    if (n != NULL) {
        fclose(n->file);
        mem_free(n->name);
        mem_free(n->row);
        mem_free(n);
    }
}

uint64_t npy_rows(const npy *n)
{
    return n->rows;
}

uint32_t npy_width(const npy *n)
{
    return n->width;
}

feature_dtype npy_dtype(const npy *n)
{
    return n->code == '2' ? FEATURE_F2 : FEATURE_F4;
}

typedef enum value_kind {
    VALUE_ZERO,
    VALUE_NORMAL,
    VALUE_NAN,
    VALUE_INFINITE,
    VALUE_LARGE, /* finite, but beyond FEATURE_MAGNITUDE_MAX */
    VALUE_KINDS
} value_kind;

static value_kind half_kind(const unsigned char *at)
{
    unsigned bits = (unsigned)at[0] | (unsigned)at[1] << 8;
    if ((bits & 0x7c00) == 0x7c00) {
        return bits & 0x3ff ? VALUE_NAN : VALUE_INFINITE;
    }
    return bits & 0x7fff ? VALUE_NORMAL : VALUE_ZERO;
}

static value_kind double_kind(double value)
{
    if (isnan(value)) {
        return VALUE_NAN;
    }
    if (isinf(value)) {
        return VALUE_INFINITE;
    }
    return fabs(value) > FEATURE_MAGNITUDE_MAX ? VALUE_LARGE
           : value == 0.0                      ? VALUE_ZERO
                                               : VALUE_NORMAL;
}

/* convert writes value `i` of the row to `out`, in the file's type, and returns its kind. */
static value_kind convert(const npy *n, size_t i, unsigned char *out)
{
    if (n->code == '2') {
        memcpy(out + 2 * i, n->row + 2 * i, 2);
        return half_kind(n->row + 2 * i);
    }
    if (n->code == '4') {
        float value;
        memcpy(&value, n->row + 4 * i, 4);
        memcpy(out + 4 * i, &value, 4);
        return double_kind((double)value);
    }
    double wide;
    memcpy(&wide, n->row + 8 * i, 8);
    float value = (float)wide;
    memcpy(out + 4 * i, &value, 4);
    return double_kind(isfinite(wide) ? (double)value : wide);
}

static const char *const refusal[VALUE_KINDS] = {
    [VALUE_INFINITE] = "an infinite value (in single precision)",
    [VALUE_LARGE] = "a number beyond 1e15; expected -1e15 to 1e15",
    [VALUE_NAN] = "NaN; only a row of nothing but NaN is allowed: a missing modality",
};

/* refused returns the kind of value for which a row with these counts is refused, or
 * VALUE_NORMAL. */
static value_kind refused(const size_t counts[VALUE_KINDS], size_t width)
{
    if (counts[VALUE_INFINITE] > 0) {
        return VALUE_INFINITE;
    }
    if (counts[VALUE_LARGE] > 0) {
        return VALUE_LARGE;
    }
    return counts[VALUE_NAN] > 0 && counts[VALUE_NAN] < width ? VALUE_NAN : VALUE_NORMAL;
}

err_code npy_read(npy *n, void *out, npy_row *kind, err *e)
{
    if (n->next >= n->rows) {
        return err_set(e, ERR_INTERNAL, "%s: read beyond the last row", n->name);
    }
    size_t bytes = (size_t)n->width * (size_t)(n->code - '0');
    err_code code = read_exactly(n, n->row, bytes, "a row", e);
    if (code != ERR_OK) {
        err_context(e, "%s: row %llu", n->name, (unsigned long long)n->next);
        return code;
    }
    size_t counts[VALUE_KINDS] = {0};
    size_t first[VALUE_KINDS] = {0};
    for (size_t i = 0; i < n->width; i++) {
        value_kind value = convert(n, i, out);
        first[value] = counts[value] == 0 ? i : first[value];
        counts[value]++;
    }
    value_kind bad = refused(counts, n->width);
    if (bad != VALUE_NORMAL) {
        return err_set(e, ERR_INVALID, "%s: row %llu, column %zu: %s", n->name,
                       (unsigned long long)n->next, first[bad], refusal[bad]);
    }
    *kind = counts[VALUE_NAN] > 0            ? NPY_ROW_MISSING
            : counts[VALUE_ZERO] == n->width ? NPY_ROW_ZERO
                                             : NPY_ROW_VALUES;
    n->next++;
    return ERR_OK;
}

void npy_header(char out[NPY_HEADER_BYTES], uint64_t rows, uint32_t width, feature_dtype dtype)
{
    memset(out, ' ', NPY_HEADER_BYTES);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(NPY_HEADER_BYTES - 10);
    out[9] = 0;
    int length =
        snprintf(out + 10, NPY_HEADER_BYTES - 10,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %u), }",
                 dtype == FEATURE_F2 ? "<f2" : "<f4", (unsigned long long)rows, (unsigned)width);
    out[10 + length] = ' '; /* replaces snprintf's NUL */
    out[NPY_HEADER_BYTES - 1] = '\n';
}
