/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an import tells: progress, lines that were passed over, faults, and remarks on the files.
 *
 * Whatever quotes a file goes through clean() on its way out: a terminal obeys control characters.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/common/utf8.h"
#include "storage/import/import_state.h"

/* Length of the character at `at` if it may be shown: valid UTF-8, no control character, nothing
 * that changes the direction of text. */
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
    uint64_t count = s->report->bad_lines;
    for (size_t i = 0; i < IMPORT_FAULTS_SHOWN && i < count; i++) {
        if (s->hooks->fault != NULL) {
            clean(s->faults[i].text);
            s->hooks->fault(s->hooks->ctx, s->faults[i].text);
        }
    }
}

static err_code refuse_lines(import_state *s, bool all, err *e)
{
    uint64_t count = s->report->bad_lines;
    if (count == 1) {
        return err_set(e, s->faults[0].code, "%s", s->faults[0].text);
    }
    tell_faults(s);
    return err_set(e, ERR_INVALID,
                   "%s%" PRIu64 " lines cannot be imported%s; mend them, or pass over up to N of "
                   "them with --skip-bad-lines N",
                   all ? "" : "at least ", count, all ? "" : ", where the reading stopped");
}

err_code import_bad_line(import_state *s, const err *why, err *e)
{
    if (why->code != ERR_INVALID) {
        return err_set(e, why->code, "%s", why->text);
    }
    if (s->report->bad_lines < IMPORT_FAULTS_SHOWN) {
        s->faults[s->report->bad_lines] = *why;
    }
    s->report->bad_lines++;
    bool enough = s->report->bad_lines > s->options->bad_lines_max &&
                  s->report->bad_lines >= IMPORT_FAULTS_SHOWN;
    return enough ? refuse_lines(s, false, e) : ERR_OK;
}

err_code import_bad_lines_end(import_state *s, err *e)
{
    return s->report->bad_lines > s->options->bad_lines_max ? refuse_lines(s, true, e) : ERR_OK;
}

/* Half precision has no such numbers. */
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
