/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_print: prints the table of options as --help, as the example file and as rows of
 * docs/configuration.md. All three come from the same entries, so they always match the code.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/cli/options.h"

enum { TEXT_MAX = 512, HELP_COLUMN = 32 };

static const char *value_name(const option *o)
{
    if (o->value != NULL) {
        return o->value;
    }
    switch (o->type) {
    case OPTION_BOOL: return "";
    case OPTION_INT: return "N";
    case OPTION_REAL: return "X";
    case OPTION_TEXT: return "TEXT";
    case OPTION_CHOICE: return o->choices;
    case OPTION_BYTES: return "SIZE";
    case OPTION_SECONDS: return "TIME";
    case OPTION_LIST: return "TEXT...";
    }
    return "";
}

static void size_text(double bytes, char *out, size_t room)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < 4 && bytes >= 1024 && fmod(bytes, 1024) == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, room, "%.17g%s", bytes, units[unit]);
}

static void number_text(const option *o, double number, char *out, size_t room)
{
    if (o->type == OPTION_BYTES) {
        size_text(number, out, room);
    } else {
        int digits = number == floor(number) && fabs(number) < 1e16 ? 17 : 10;
        snprintf(out, room, "%.*g%s", digits, number, o->type == OPTION_SECONDS ? "s" : "");
    }
}

static void range_text(const option *o, char *out, size_t room)
{
    char low[64];
    char high[64];
    out[0] = '\0';
    if (o->type == OPTION_CHOICE) {
        snprintf(out, room, "%s", o->choices);
    } else if (o->type == OPTION_BOOL) {
        snprintf(out, room, "yes or no");
    } else if (o->min != 0 || o->max != 0) {
        number_text(o, o->min, low, sizeof low);
        number_text(o, o->max, high, sizeof high);
        if (isfinite(o->max)) {
            snprintf(out, room, "%s to %s", low, high);
        } else {
            snprintf(out, room, "at least %s", low);
        }
    }
}

/* default_text writes the value of an option that nobody sets. It is empty for a text or list
 * without a default. */
static void default_text(const option *o, char *out, size_t room)
{
    static const char *const untold[] = {
        [OPTION_BOOL] = "no", [OPTION_INT] = "0",   [OPTION_REAL] = "",      [OPTION_TEXT] = "",
        [OPTION_CHOICE] = "", [OPTION_BYTES] = "0", [OPTION_SECONDS] = "0s", [OPTION_LIST] = ""};
    if (o->initial == NULL && o->type == OPTION_CHOICE) {
        snprintf(out, room, "%.*s", (int)strcspn(o->choices, "|"), o->choices);
    } else {
        snprintf(out, room, "%s", o->initial != NULL ? o->initial : untold[o->type]);
    }
}

static void list_text(const option_list *list, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count && used < bytes; i++) {
        int n = snprintf(out + used, bytes - used, "%s%s", i > 0 ? "," : "", list->at[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

void options_text(const option *entry, const void *into, char *out, size_t bytes)
{
    const void *at = (const char *)into + entry->offset;
    out[0] = '\0';
    switch (entry->type) {
    case OPTION_BOOL: snprintf(out, bytes, "%s", *(const bool *)at ? "yes" : "no"); break;
    case OPTION_INT: snprintf(out, bytes, "%" PRId64, *(const int64_t *)at); break;
    case OPTION_REAL: snprintf(out, bytes, "%.10g", *(const double *)at); break;
    case OPTION_SECONDS: snprintf(out, bytes, "%.10gs", *(const double *)at); break;
    case OPTION_BYTES: size_text((double)*(const uint64_t *)at, out, bytes); break;
    case OPTION_TEXT: {
        const char *text = *(const char *const *)at;
        snprintf(out, bytes, "%s", text != NULL ? text : "");
        break;
    }
    case OPTION_CHOICE: {
        const char *word = entry->choices;
        for (int i = *(const int *)at; i > 0 && word != NULL; i--) {
            word = strchr(word, '|');
            word = word != NULL ? word + 1 : NULL;
        }
        snprintf(out, bytes, "%.*s", word != NULL ? (int)strcspn(word, "|") : 0,
                 word != NULL ? word : "");
        break;
    }
    case OPTION_LIST: list_text(at, out, bytes); break;
    }
}

void options_help(const option *table, FILE *to)
{
    for (const option *o = table; o->name != NULL; o++) {
        char left[TEXT_MAX];
        char range[TEXT_MAX];
        char initial[TEXT_MAX];
        char name[128];
        const char *value = value_name(o);
        int width =
            snprintf(left, sizeof left, "  --%s%s%s", o->name, value[0] != '\0' ? " " : "", value);
        fprintf(to, "%s%*s%s", left, width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", o->help);
        options_environment(o, name, sizeof name);
        range_text(o, range, sizeof range);
        default_text(o, initial, sizeof initial);
        fprintf(to, "\n%*s", HELP_COLUMN, "");
        fprintf(to, "(");
        if (o->required) {
            fprintf(to, "required");
        } else {
            fprintf(to, "default %s", initial[0] != '\0' ? initial : "none");
        }
        if (range[0] != '\0' && o->type != OPTION_CHOICE) {
            fprintf(to, "; %s", range);
        }
        fprintf(to, "; %s)\n", name);
    }
}

void options_example(const option *table, FILE *to)
{
    for (const option *o = table; o->name != NULL; o++) {
        char key[128];
        char name[128];
        char range[TEXT_MAX];
        char initial[TEXT_MAX];
        options_key(o, key, sizeof key);
        options_environment(o, name, sizeof name);
        range_text(o, range, sizeof range);
        default_text(o, initial, sizeof initial);
        fprintf(to, "\n# %c%s.\n# --%s, %s", toupper((unsigned char)o->help[0]), o->help + 1,
                o->name, name);
        if (range[0] != '\0') {
            fprintf(to, "; %s", range);
        }
        fprintf(to, "%s\n#%s = %s\n", o->required ? "; required" : "", key, initial);
    }
}

/* A bar must be escaped, because it would end the cell. */
static void cell(FILE *to, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            fputs("\\|", to);
        } else {
            fputc(*c, to);
        }
    }
}

void options_markdown(const option *table, FILE *to)
{
    for (const option *o = table; o->name != NULL; o++) {
        char key[128];
        char name[128];
        char range[TEXT_MAX];
        char initial[TEXT_MAX];
        options_key(o, key, sizeof key);
        options_environment(o, name, sizeof name);
        range_text(o, range, sizeof range);
        default_text(o, initial, sizeof initial);
        fprintf(to, "| `%s` | `%s` | ", key, name);
        cell(to, range);
        fprintf(to, " | ");
        if (initial[0] != '\0') {
            fprintf(to, "`");
            cell(to, initial);
            fprintf(to, "`");
        }
        fprintf(to, " | ");
        cell(to, o->help);
        fprintf(to, " |\n");
    }
}
