/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* copied copies a text without arguments. Many failures are expected, such as an unknown id before
 * it is created, and vsnprintf would cost more than finding out. */
static bool copied(err *e, const char *text)
{
    size_t length = strcspn(text, "%");
    if (text[length] != '\0' || length >= sizeof e->text) {
        return false;
    }
    memcpy(e->text, text, length + 1);
    return true;
}

err_code err_set(err *e, err_code code, const char *fmt, ...)
{
    if (e != NULL && e->code == ERR_OK) {
        va_list args;
        e->code = code;
        if (copied(e, fmt)) {
            return code;
        }
        va_start(args, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, args);
        va_end(args);
    }
    return code;
}

err_code err_context(err *e, const char *fmt, ...)
{
    if (e == NULL) {
        return ERR_INTERNAL;
    }
    char before[ERR_TEXT_MAX];
    char joined[2 * ERR_TEXT_MAX + 2];
    va_list args;
    va_start(args, fmt);
    vsnprintf(before, sizeof before, fmt, args);
    va_end(args);
    snprintf(joined, sizeof joined, "%s: %s", before, e->text);
    memcpy(e->text, joined, sizeof e->text - 1);
    e->text[sizeof e->text - 1] = '\0';
    return e->code;
}

err_code err_nomem(err *e, const char *what)
{
    return err_set(e, ERR_NOMEM, "no memory for %s", what);
}

const char *err_code_name(err_code code)
{
    static const char *const names[ERR_CODES] = {
        [ERR_OK] = "ok",
        [ERR_INVALID] = "invalid",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_CONFLICT] = "conflict",
        [ERR_TOO_LARGE] = "too_large",
        [ERR_UNPROCESSABLE] = "unprocessable",
        [ERR_UNAVAILABLE] = "unavailable",
        [ERR_FULL] = "full",
        [ERR_OUTCOME_UNKNOWN] = "outcome_unknown",
        [ERR_CANCELLED] = "cancelled",
        [ERR_IO] = "io",
        [ERR_CORRUPT] = "corrupt",
        [ERR_NOMEM] = "no_memory",
        [ERR_INTERNAL] = "internal",
    };
    unsigned index = (unsigned)code;
    return index < ERR_CODES && names[index] != NULL ? names[index] : "unknown";
}
