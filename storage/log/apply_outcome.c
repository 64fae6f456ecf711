/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_outcome: reports the effects of an op: changes for the live tables, and refusals of
 * entries.
 */
#include <stdarg.h>
#include <stdio.h>

#include "storage/log/log_private.h"

change *apply_change(applying *x)
{
    change *changes = arena_reserve(&x->result->memory, x->changes, &x->change_room,
                                    x->change_count + 1, sizeof *changes);
    if (changes == NULL) {
        return NULL;
    }
    x->changes = changes;
    return &x->changes[x->change_count++];
}

err_code apply_refuse(applying *x, uint32_t index, err_code code, const char *field,
                      const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    apply_entry *entry = &x->result->entries[index];
    entry->code = code;
    entry->outcome = APPLY_REFUSED;
    entry->detail = arena_printf(&x->result->memory, "%s", text);
    entry->field = arena_slice(&x->result->memory, slice_of(field));
    return entry->detail != NULL ? ERR_OK : ERR_NOMEM;
}

err_code apply_refuse_as(applying *x, uint32_t index, const char *field, const err *why, err *e)
{
    switch (why->code) {
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_TOO_LARGE:
        return apply_refuse(x, index, why->code, field, "%s", why->text) == ERR_OK
                   ? ERR_OK
                   : err_nomem(e, "results");
    default: return err_set(e, why->code, "%s", why->text);
    }
}
