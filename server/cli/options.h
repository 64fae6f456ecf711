/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: every setting of every command, declared once.
 *
 * A command lists its settings in one table; from it come the flag (--weight-decay), the
 * environment name (STAIR_WEIGHT_DECAY), the configuration-file key (weight_decay), the checks, the
 * --help text, the example file and docs/configuration.md. A flag overrides the environment, which
 * overrides the file, which overrides the default. A bad value is an error that names its place and
 * the range; so is an unknown flag or file key. An unknown STAIR_* name causes only a warning,
 * because orchestrators set such names.
 *
 * Values are written into the command's own plain struct, at the offset that the table names.
 * Texts are borrowed from argv, the environment or the option_values, so they live as long as
 * those. One thread at a time; immutable once read.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/common/arena.h"
#include "core/common/err.h"

/* The kinds of options, and the C type of the member that holds each. */
typedef enum option_type {
    OPTION_BOOL = 1, /* bool; as a flag: --x, --no-x or --x=yes|no|true|false|1|0 */
    OPTION_INT,      /* int64_t in [min, max] */
    OPTION_REAL,     /* double in [min, max], finite */
    OPTION_TEXT,     /* const char *; NULL without a default */
    OPTION_CHOICE,   /* int: index of the word in `choices` ("yes|no|auto"), from 0 */
    OPTION_BYTES,    /* uint64_t in [min, max]; 512, 64KiB, 1.5GiB, 10MB */
    OPTION_SECONDS,  /* double seconds in [min, max]; 30, 250ms, 30s, 5m, 12h, 7d */
    /* option_list; the flag may be repeated, and in other sources commas separate */
    OPTION_LIST,
} option_type;

typedef struct option_list {
    const char **at; /* (count) */
    size_t count;
} option_list;

typedef struct option {
    const char *name; /* "weight-decay"; NULL ends a table */
    /* "demo-items": gives the environment name and the file key, if another command uses `name` for
     * something else; NULL: the name */
    const char *key;
    option_type type;
    size_t offset;
    /* the default as text; NULL: false, 0, NULL, the first choice or an empty list */
    const char *initial;
    /* the bounds of a number; both 0: no bounds, but bytes and seconds are never negative */
    double min, max;
    const char *choices;
    const char *value; /* name of the value in --help: "FILE"; NULL: derived from the type */
    /* one sentence, including the effect of a change; lower case, no full stop */
    const char *help;
    /* an additional check of an OPTION_TEXT; or NULL */
    err_code (*check)(const char *text, err *e);
    bool required;
    bool greedy; /* OPTION_LIST: the arguments after the flag, up to the next flag, belong to it */
} option;

/* OPTION_TEXT_OF turns a macro that is a number into text, for a default that is defined
 * elsewhere. */
#define OPTION_TEXT_OF(number)   OPTION_TEXT_OF_1(number)
#define OPTION_TEXT_OF_1(number) #number

/* OPTION_FIELD is the part of an entry that binds it to its member: type and offset. It does not
 * compile if the member's C type does not fit the option's type. */
#define OPTION_FIELD(of, member, kind)                                                             \
    .type = (kind), .offset = offsetof(of, member) + OPTION_FITS(((of *)0)->member, kind)

/* 0, or an array of negative size if the types do not match. */
#define OPTION_FITS(member, kind)                                                                  \
    (0 * sizeof(char[_Generic((member),                                                            \
                     bool: (kind) == OPTION_BOOL,                                                  \
                     int: (kind) == OPTION_CHOICE,                                                 \
                     int64_t: (kind) == OPTION_INT,                                                \
                     uint64_t: (kind) == OPTION_BYTES,                                             \
                     double: (kind) == OPTION_REAL || (kind) == OPTION_SECONDS,                    \
                     const char *: (kind) == OPTION_TEXT,                                          \
                     option_list: (kind) == OPTION_LIST)                                           \
                         ? 1                                                                       \
                         : -1]))

/*
 * A struct and its table of options can come from one list, a file NAME.def with an entry for each
 * option:
 *
 *     OPTION("queue-ops-max", INT, queue_ops_max, .initial = "4096", .min = 1, ...)
 *
 * An entry has the flag, the type without OPTION_, the member and the other fields of `option`.
 * Where OPTION is defined as OPTION_MEMBER, including the file gives the members of the struct; as
 * OPTION_ENTRY, it gives the entries of the struct's table. If the options are in a struct inside
 * the struct, `group` is the path to it ("encoder."), else it is empty. The file undefines OPTION
 * at its end.
 */
#define OPTION_MEMBER(flag, kind, member, ...) OPTION_HELD_##kind member;
#define OPTION_ENTRY(of, group, flag, kind, member, ...)                                           \
    {.name = flag, OPTION_FIELD(of, group member, OPTION_##kind), __VA_ARGS__},

#define OPTION_HELD_BOOL    bool
#define OPTION_HELD_INT     int64_t
#define OPTION_HELD_REAL    double
#define OPTION_HELD_TEXT    const char *
#define OPTION_HELD_CHOICE  int
#define OPTION_HELD_BYTES   uint64_t
#define OPTION_HELD_SECONDS double
#define OPTION_HELD_LIST    option_list

/* The most options of a command; also the longest line and the size of a configuration file. */
enum { OPTIONS_MAX = 96, OPTION_FILE_BYTES_MAX = 1024 * 1024 };

typedef enum option_source {
    OPTION_FROM_DEFAULT = 0,
    OPTION_FROM_FILE,
    OPTION_FROM_ENVIRONMENT,
    OPTION_FROM_FLAG,
} option_source;

/* The result of reading, besides the struct itself. */
typedef struct option_values {
    const option *table;
    void *into; /* the command's struct, zeroed by the caller */
    option_source source[OPTIONS_MAX];
    char **rest; /* (rest_count) arguments that are not flags, borrowed from argv */
    size_t rest_count;
    bool help;        /* --help or -h was given, so nothing else was checked */
    const char *file; /* the configuration file that was read, borrowed; NULL if none */
    arena memory;
} option_values;

/* The sources. */
typedef struct option_input {
    int argc; /* arguments after the command's name */
    char **argv;
    const char *file; /* configuration file or NULL; --config and STAIR_CONFIG override it */
    /* tells whether another command has the option: its key in a shared file is then skipped; may
     * be NULL */
    bool (*known)(void *ctx, const char *name);
    void *known_ctx;
} option_input;

/* options_read fills `into`, which the caller has zeroed, from all sources. ERR_INVALID says what
 * is wrong and where. ERR_IO: the file cannot be read. Call options_fini in every case. */
err_code options_read(option_values *values, const option *table, void *into,
                      const option_input *input, err *e) ERR_CHECKED;
void options_fini(option_values *values);

/* options_source returns the source of the option's value; options_given tells whether it is not
 * the default. The name must be in the table. */
option_source options_source(const option_values *values, const char *name);
bool options_given(const option_values *values, const char *name);

/* options_set parses one value into `into`, as if it came from `place` ("--gamma", "request:
 * /gamma"). It is for settings from other sources, such as the body of a training request. It
 * copies texts into `memory`. */
err_code options_set(const option *entry, void *into, const char *text, const char *place,
                     arena *memory, err *e) ERR_CHECKED;

/* options_number reads a decimal number like an OPTION_REAL: the whole text, finite, and nothing
 * else that strtod accepts (hexadecimal, names, leading blanks). It returns false for any other
 * text. */
bool options_number(const char *text, double *out);

/* options_append adds one text to a list. */
err_code options_append(option_list *list, const char *text, arena *memory, err *e) ERR_CHECKED;

/* options_find returns the entry of a flag, with dashes or underscores, or NULL. options_find_key
 * returns that of a file key. */
const option *options_find(const option *table, const char *name);
const option *options_find_key(const option *table, const char *key);

/* options_text writes the present value as text that options_read accepts. */
void options_text(const option *entry, const void *into, char *out, size_t bytes);

/* options_help prints a line or two for each option. */
void options_help(const option *table, FILE *to);

/* options_example prints the table as a commented configuration file. options_markdown prints it as
 * rows of a table: key, environment, type and range, default, meaning. */
void options_example(const option *table, FILE *to);
void options_markdown(const option *table, FILE *to);

/* options_environment writes the environment name of an option: "weight-decay" gives
 * "STAIR_WEIGHT_DECAY". options_key writes its file key: "weight_decay". */
void options_environment(const option *entry, char *out, size_t bytes);
void options_key(const option *entry, char *out, size_t bytes);

/* Three options that many commands have: first without name and member, then as entries for a
 * struct `of` with these members. */
#define OPTION_STORE_IS .required = true, .value = "DIR", .help = "folder of the store"
#define OPTION_QUOTA_IS                                                                            \
    .initial = "0", .min = 0, .max = 1LL << 42,                                                    \
    .help = "maximum size of the store's file; a write that does not fit fails, in a service "     \
            "with 507; 0: limited by the disk only"
#define OPTION_JSON_IS .help = "print the result as one JSON document on standard output"

#define OPTION_STORE(of)                                                                           \
    {                                                                                              \
        .name = "store", OPTION_FIELD(of, store, OPTION_TEXT), OPTION_STORE_IS                     \
    }
#define OPTION_QUOTA(of)                                                                           \
    {                                                                                              \
        .name = "quota", OPTION_FIELD(of, quota, OPTION_BYTES), OPTION_QUOTA_IS                    \
    }
#define OPTION_JSON(of)                                                                            \
    {                                                                                              \
        .name = "json", OPTION_FIELD(of, json, OPTION_BOOL), OPTION_JSON_IS                        \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }

#endif
