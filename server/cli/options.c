/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: reads options. The passes below are in the order of the sources, weakest first, so that
 * a later one overwrites earlier ones. In one source a name may occur once, except for lists.
 */
#include "server/cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cli/suggest.h"

enum { PLACE_MAX = 256, NAME_BYTES = 128, MEMORY_MAX = 8 * 1024 * 1024 };

static void underscored(const char *name, char *out, size_t bytes)
{
    size_t i = 0;
    for (; name[i] != '\0' && i + 1 < bytes; i++) {
        out[i] = name[i] == '-' ? '_' : name[i];
    }
    out[i] = '\0';
}

void options_key(const option *entry, char *out, size_t bytes)
{
    underscored(entry->key != NULL ? entry->key : entry->name, out, bytes);
}

void options_environment(const option *entry, char *out, size_t bytes)
{
    int prefix = snprintf(out, bytes, "STAIR_");
    options_key(entry, out + prefix, bytes - (size_t)prefix);
    for (char *c = out + prefix; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
}

const option *options_find(const option *table, const char *name)
{
    char key[PLACE_MAX];
    for (const option *o = table; o->name != NULL; o++) {
        underscored(o->name, key, sizeof key);
        if (strcmp(o->name, name) == 0 || strcmp(key, name) == 0) {
            return o;
        }
    }
    return NULL;
}

const option *options_find_key(const option *table, const char *key)
{
    char own[PLACE_MAX];
    for (const option *o = table; o->name != NULL; o++) {
        options_key(o, own, sizeof own);
        if (strcmp(own, key) == 0) {
            return o;
        }
    }
    return NULL;
}

static size_t option_index(const option_values *values, const option *entry)
{
    return (size_t)(entry - values->table);
}

option_source options_source(const option_values *values, const char *name)
{
    const option *entry = options_find(values->table, name);
    assert(entry != NULL);
    return values->source[option_index(values, entry)];
}

bool options_given(const option_values *values, const char *name)
{
    return options_source(values, name) != OPTION_FROM_DEFAULT;
}

/* --- sources ------------------------------------------------------------------------------ */

static err_code take(option_values *values, const option *entry, option_source source,
                     const char *text, const char *place, err *e)
{
    option_source *had = &values->source[option_index(values, entry)];
    option_list *at = (option_list *)((char *)values->into + entry->offset);
    if (entry->type == OPTION_LIST) {
        if (*had != source) {
            *at = (option_list){NULL, 0};
        }
        *had = source;
        return source == OPTION_FROM_FLAG
                   ? options_append(at, text, &values->memory, e)
                   : options_set(entry, values->into, text, place, &values->memory, e);
    }
    if (*had == source && source != OPTION_FROM_DEFAULT) {
        return err_set(e, ERR_INVALID, "%s: given twice", place);
    }
    *had = source;
    return options_set(entry, values->into, text, place, &values->memory, e);
}

static err_code read_defaults(option_values *values, err *e)
{
    size_t count = 0;
    for (const option *o = values->table; o->name != NULL; o++, count++) {
        if (o->initial != NULL) {
            err_code code = take(values, o, OPTION_FROM_DEFAULT, o->initial, o->name, e);
            if (code != ERR_OK) {
                return code;
            }
        }
    }
    assert(count <= OPTIONS_MAX);
    return ERR_OK;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) {
        end--;
    }
    *end = '\0';
    return text;
}

static err_code unknown_key(const option *table, const char *key, const char *place, err *e)
{
    char names[OPTIONS_MAX][NAME_BYTES], meant[2 * NAME_BYTES];
    suggestion near = {.given = key};
    for (size_t i = 0; table[i].name != NULL; i++) {
        options_key(&table[i], names[i], sizeof names[i]);
        suggest_offer(&near, names[i]);
    }
    suggest_text(&near, "", meant, sizeof meant);
    return err_set(e, ERR_INVALID, "%s: unknown key \"%.64s\"%s", place, key, meant);
}

static err_code read_line(option_values *values, const option_input *input, char *line,
                          const char *place, err *e)
{
    char *text = trim(line);
    if (text[0] == '\0' || text[0] == '#') {
        return ERR_OK;
    }
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        return err_set(e, ERR_INVALID, "%s: expected \"key = value\", not \"%.64s\"", place, text);
    }
    *equals = '\0';
    char *key = trim(text);
    char *value = trim(equals + 1);
    const option *entry = options_find_key(values->table, key);
    if (entry == NULL) {
        if (input->known != NULL && input->known(input->known_ctx, key)) {
            return ERR_OK;
        }
        return unknown_key(values->table, key, place, e);
    }
    char where[PLACE_MAX * 2];
    snprintf(where, sizeof where, "%s: %s", place, key);
    return take(values, entry, OPTION_FROM_FILE, value, where, e);
}

static err_code read_file(option_values *values, const option_input *input, const char *name,
                          err *e)
{
    err_code code = ERR_OK;
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        return err_set(e, ERR_IO, "configuration file %s: %s", name, strerror(errno));
    }
    char *line = NULL;
    size_t room = 0;
    size_t total = 0;
    ssize_t length = 0;
    for (unsigned number = 1; code == ERR_OK && (length = getline(&line, &room, file)) >= 0;
         number++) {
        char place[PLACE_MAX];
        snprintf(place, sizeof place, "%.200s:%u", name, number);
        total += (size_t)length;
        if (total > OPTION_FILE_BYTES_MAX) {
            code =
                err_set(e, ERR_INVALID, "%s: longer than %d bytes", place, OPTION_FILE_BYTES_MAX);
        } else if (strlen(line) != (size_t)length) {
            code = err_set(e, ERR_INVALID, "%s: contains a NUL byte", place);
        } else {
            code = read_line(values, input, line, place, e);
        }
    }
    if (code == ERR_OK && ferror(file)) {
        code = err_set(e, ERR_IO, "configuration file %s: %s", name, strerror(errno));
    }
    free(line); /* allocated by getline */
    (void)fclose(file);
    return code;
}

/* An empty variable counts as not set, because compose passes KEY=${UNSET} as an empty one. */
static const char *environment_text(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static err_code read_environment(option_values *values, err *e)
{
    for (const option *o = values->table; o->name != NULL; o++) {
        char name[PLACE_MAX];
        options_environment(o, name, sizeof name);
        const char *text = environment_text(name);
        if (text != NULL) {
            err_code code = take(values, o, OPTION_FROM_ENVIRONMENT, text, name, e);
            if (code != ERR_OK) {
                return code;
            }
        }
    }
    return ERR_OK;
}

static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-' && argument[2] != '\0';
}

/* flag_entry splits "--name=value". `*value` is NULL if there is none. For a bool, "--no-x" gives x
 * and "no". */
static const option *flag_entry(const option *table, const char *argument, const char **value)
{
    char name[PLACE_MAX];
    const char *equals = strchr(argument, '=');
    size_t length = equals != NULL ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    *value = equals != NULL ? equals + 1 : NULL;
    if (length >= sizeof name) {
        return NULL;
    }
    memcpy(name, argument + 2, length);
    name[length] = '\0';
    const option *entry = strchr(name, '_') == NULL ? options_find(table, name) : NULL;
    if (entry == NULL && strncmp(name, "no-", 3) == 0 && equals == NULL) {
        entry = options_find(table, name + 3);
        *value = "no";
        return entry != NULL && entry->type == OPTION_BOOL ? entry : NULL;
    }
    if (entry != NULL && entry->type == OPTION_BOOL && *value == NULL) {
        *value = "yes";
    }
    return entry;
}

static err_code unknown_flag(const option *table, const char *argument, err *e)
{
    char given[NAME_BYTES], meant[2 * NAME_BYTES];
    const char *name = argument + strspn(argument, "-");
    snprintf(given, sizeof given, "%.*s", (int)strcspn(name, "="), name);
    suggestion near = {.given = given};
    for (const option *o = table; o->name != NULL; o++) {
        suggest_offer(&near, o->name);
    }
    suggest_text(&near, "--", meant, sizeof meant);
    return err_set(e, ERR_INVALID, "unknown option %.128s%s", argument, meant);
}

static err_code read_flag(option_values *values, const option_input *input, int *at, err *e)
{
    const char *argument = input->argv[*at];
    const char *value = NULL;
    const option *entry = flag_entry(values->table, argument, &value);
    if (entry == NULL) {
        return unknown_flag(values->table, argument, e);
    }
    char place[PLACE_MAX];
    snprintf(place, sizeof place, "--%s", entry->name);
    if (value == NULL) {
        if (*at + 1 >= input->argc || is_flag(input->argv[*at + 1])) {
            return err_set(e, ERR_INVALID, "%s: expected a value after it", place);
        }
        value = input->argv[++*at];
    }
    err_code code = take(values, entry, OPTION_FROM_FLAG, value, place, e);
    while (code == ERR_OK && entry->greedy && *at + 1 < input->argc &&
           !is_flag(input->argv[*at + 1])) {
        code = take(values, entry, OPTION_FROM_FLAG, input->argv[++*at], place, e);
    }
    return code;
}

static err_code read_flags(option_values *values, const option_input *input, err *e)
{
    bool ended = false;
    values->rest = arena_alloc(&values->memory, (size_t)input->argc + 1, sizeof(char *));
    if (values->rest == NULL) {
        return err_nomem(e, "options");
    }
    for (int at = 0; at < input->argc; at++) {
        char *argument = input->argv[at];
        if (ended || !is_flag(argument)) {
            if (!ended && strcmp(argument, "--") == 0) {
                ended = true;
            } else if (!ended && argument[0] == '-' && argument[1] != '\0') {
                return unknown_flag(values->table, argument, e);
            } else {
                values->rest[values->rest_count++] = argument;
            }
            continue;
        }
        if (strcmp(argument, "--config") == 0) {
            at++; /* look_ahead has read it */
            continue;
        }
        if (strncmp(argument, "--config=", 9) == 0) {
            continue;
        }
        err_code code = read_flag(values, input, &at, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}

/* look_ahead finds --help and --config before anything else is read: help must work even if the
 * file is broken, and the file is read before the flags. */
static err_code look_ahead(option_values *values, const option_input *input, const char **file,
                           err *e)
{
    *file = environment_text("STAIR_CONFIG");
    *file = *file != NULL ? *file : input->file;
    for (int at = 0; at < input->argc; at++) {
        const char *argument = input->argv[at];
        if (strcmp(argument, "--") == 0) {
            break;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            values->help = true;
        } else if (strncmp(argument, "--config=", 9) == 0) {
            *file = argument + 9;
        } else if (strcmp(argument, "--config") == 0) {
            if (at + 1 >= input->argc) {
                return err_set(e, ERR_INVALID, "--config: expected a value after it");
            }
            *file = input->argv[++at];
        }
    }
    return ERR_OK;
}

static err_code check_required(const option_values *values, err *e)
{
    for (const option *o = values->table; o->name != NULL; o++) {
        if (o->required && o->initial == NULL &&
            values->source[option_index(values, o)] == OPTION_FROM_DEFAULT) {
            return err_set(e, ERR_INVALID, "--%s is missing: %s", o->name, o->help);
        }
    }
    return ERR_OK;
}

err_code options_read(option_values *values, const option *table, void *into,
                      const option_input *input, err *e)
{
    memset(values, 0, sizeof *values);
    values->table = table;
    values->into = into;
    arena_init(&values->memory, MEMORY_MAX);
    const char *file = NULL;
    err_code code = look_ahead(values, input, &file, e);
    if (code != ERR_OK || values->help) {
        return code;
    }
    code = read_defaults(values, e);
    if (code == ERR_OK && file != NULL && file[0] != '\0') {
        values->file = file;
        code = read_file(values, input, file, e);
    }
    if (code == ERR_OK) {
        code = read_environment(values, e);
    }
    if (code == ERR_OK) {
        code = read_flags(values, input, e);
    }
    return code == ERR_OK ? check_required(values, e) : code;
}

void options_fini(option_values *values)
{
    arena_fini(&values->memory);
}
