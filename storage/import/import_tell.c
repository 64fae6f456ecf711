/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_tell reports an import's progress, skipped lines, faults and notes on the files.
 *
 * All text quoted from a file passes through clean(), because control characters would control the
 * terminal.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/common/utf8.h"
#include "storage/import/import_state.h"

/* harmless returns the length of the character at `at` if it is safe to print: valid UTF-8, not a
 * control character, and not one that changes the direction of text. Otherwise 0. */
static size_t harmless(const char *at)
{
    static const size_t most = 4;
    unsigned char c = (unsigned char)at[0];
    if (c < 0x80) {
        return c >= 0x20 && c != 0x7f ? 1 : 0;
    }
    for (size_t length = 2; length <= most; length++) {
        if (strnlen(at, length) == length && utf8_valid((slice){at, length})) {
            bool control = c == 0xc2 && (unsigned char)at[1] < 0xa0;
            bool turns = memcmp(at, "\xe2\x80", 2) == 0 && length == 3 &&
                         (unsigned char)at[2] >= 0x8b && (unsigned char)at[2] <= 0xae &&
                         at[2] != '\x93' && at[2] != '\x94';
            return control || turns ? 0 : length;
        }
    }
    return 0;
}

static void clean(char *text)
{
    for (char *at = text; *at != '\0';) {
        size_t length = harmless(at);
        if (length == 0) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

void import_clean(err *e)
{
    if (e != NULL) {
        clean(e->text);
    }
}

err_code import_tick(import_state *s, const char *phase, uint64_t done, uint64_t total, err *e)
{
    if (s->hooks->progress != NULL) {
        s->hooks->progress(s->hooks->ctx, phase, done, total);
    }
    if (s->hooks->cancelled != NULL && s->hooks->cancelled(s->hooks->ctx)) {
        return err_set(e, ERR_CANCELLED, "interrupted; the store is as it was");
    }
    return ERR_OK;
}

void import_skip(import_state *s, const char *path, uint64_t line, const char *why)
{
    char text[ERR_TEXT_MAX];
    if (s->hooks->skipped != NULL) {
        snprintf(text, sizeof text, "%s", why);
        clean(text);
        s->hooks->skipped(s->hooks->ctx, path, line, text);
    }
}

void import_note(import_state *s, const char *fmt, ...)
{
    char text[IMPORT_NOTE_BYTES];
    va_list arguments;
    if (s->hooks->note != NULL) {
        va_start(arguments, fmt);
        vsnprintf(text, sizeof text, fmt, arguments);
        va_end(arguments);
        clean(text);
        s->hooks->note(s->hooks->ctx, text);
    }
}

/* --- lines that cannot be read --- */

static void tell_faults(import_state *s)
{
    for (size_t file = 0; file < 2; file++) {
        import_faults *f = &s->faults[file];
        for (size_t i = 0; i < IMPORT_FAULTS_SHOWN && i < f->lines + f->files; i++) {
            if (s->hooks->fault != NULL) {
                clean(f->shown[i].text);
                s->hooks->fault(s->hooks->ctx, f->shown[i].text);
            }
        }
    }
}

static void keep_fault(import_faults *f, const err *why)
{
    if (f->lines + f->files < IMPORT_FAULTS_SHOWN) {
        f->shown[f->lines + f->files] = *why;
    }
}

err_code import_bad_line(import_state *s, const err *why, err *e)
{
    import_faults *f = s->current;
    if (why->code != ERR_INVALID) {
        return err_set(e, why->code, "%s", why->text);
    }
    keep_fault(f, why);
    f->lines++;
    s->report->bad_lines++;
    f->stopped =
        s->report->bad_lines > s->options->bad_lines_max && f->lines >= IMPORT_FAULTS_SHOWN;
    return f->stopped ? err_set(e, ERR_INVALID, "too many lines cannot be imported") : ERR_OK;
}

err_code import_file_read(import_state *s, const err *why, err *e)
{
    import_faults *f = s->current;
    if (why->code == ERR_INVALID && !f->stopped) {
        keep_fault(f, why);
        f->files++;
    }
    return why->code == ERR_OK || why->code == ERR_INVALID ? ERR_OK
                                                           : err_set(e, why->code, "%s", why->text);
}

bool import_faulty(const import_state *s)
{
    return s->faults[0].files + s->faults[1].files > 0 ||
           s->report->bad_lines > s->options->bad_lines_max;
}

err_code import_faults_end(import_state *s, err *e)
{
    uint64_t lines = s->report->bad_lines;
    uint64_t files = s->faults[0].files + s->faults[1].files;
    bool stopped = s->faults[0].stopped || s->faults[1].stopped;
    char of_files[40] = "";
    if (!import_faulty(s)) {
        return ERR_OK;
    }
    if (lines + files == 1) {
        const import_faults *f = &s->faults[s->faults[0].lines + s->faults[0].files == 1 ? 0 : 1];
        return err_set(e, f->shown[0].code, "%s", f->shown[0].text);
    }
    tell_faults(s);
    if (lines == 0) {
        return err_set(e, ERR_INVALID, "%" PRIu64 " files cannot be imported", files);
    }
    if (files > 0) {
        snprintf(of_files, sizeof of_files, "%" PRIu64 " file%s and ", files, files > 1 ? "s" : "");
    }
    return err_set(
        e, ERR_INVALID,
        "%s%s%" PRIu64
        " line%s cannot be imported%s; correct them, or skip up to N lines with --skip-bad-lines N",
        of_files, stopped ? "at least " : "", lines, lines > 1 ? "s" : "",
        stopped ? "; reading stopped there" : "");
}

/* import_is_tiny returns false for half precision, which cannot hold numbers that are too small but
 * not zero. */
bool import_is_tiny(const feature *f)
{
    const unsigned char *bytes = f->data;
    bool any = false;
    for (uint32_t i = 0; f->dtype == FEATURE_F4 && i < f->width; i++) {
        float value = 0.0F;
        memcpy(&value, bytes + sizeof value * i, sizeof value);
        if (fabsf(value) >= (float)FEATURE_MAGNITUDE_MIN) {
            return false;
        }
        any = any || value != 0.0F;
    }
    return any;
}

static void tell_tiny(import_state *s)
{
    for (size_t i = 0; i < s->report->modality_count; i++) {
        const import_modality *m = &s->report->modalities[i];
        if (m->tiny > 0) {
            import_note(s,
                        "features %s: %" PRIu64
                        " items have no number of %g or more, too small for lengths and cosines in "
                        "single precision; scale the vectors, such as each to length 1",
                        m->name, m->tiny, FEATURE_MAGNITUDE_MIN);
        }
    }
}

void import_tell_rest(import_state *s)
{
    tell_tiny(s);
    if (s->report->bad_lines > 0) {
        tell_faults(s);
    }
    if (s->ratings.count > 0 && !s->options->has_min_rating) {
        import_note(s,
                    "the column rating is not used: %" PRIu64
                    " ratings from %g to %g all count alike; --min-rating X leaves out the "
                    "interactions that are rated lower",
                    s->ratings.count, s->ratings.least, s->ratings.most);
    }
    if (s->untimed > 0) {
        import_note(s, "%" PRIu64 " interactions without a timestamp have the time of the import",
                    s->untimed);
    }
}
