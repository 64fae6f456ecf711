/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import: files in the field's own shapes become the content of a store.
 *
 * Everything is read and checked first, then written into a staged copy of the store, which takes
 * the place of the old content by one rename (store_stage_flip): a bad line, a full disk or a kill
 * leaves the store as it was. What is not imported is told line by line through the hooks.
 *
 * Phases: items (their file, with features inside) -> interactions (files -> memory, 32 bytes each)
 * -> duplicates and split -> features (.npy, checked, then copied row by row) -> write -> flip.
 * Memory grows with the interactions and the ids, never with features or item texts.
 *
 * One call at a time per store; the store must be open as STORE_OWNER.
 */
#ifndef STORAGE_IMPORT_H
#define STORAGE_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/interaction_types.h"
#include "core/common/item_fields.h"
#include "storage/env/store.h"

enum { IMPORT_FAULTS_SHOWN = 20, IMPORT_NOTE_BYTES = 1024, IMPORT_LISTED_MAX = 64 };

typedef enum import_split {
    IMPORT_SPLIT_UNSET = 0, /* the file's split column, else all is training */
    IMPORT_SPLIT_NONE,      /* all is training */
    IMPORT_SPLIT_RANDOM,    /* 8:1:1 per user by seed */
    IMPORT_SPLIT_TIME,      /* 80/10/10 % quantiles of time */
} import_split;

typedef enum import_unknown {
    IMPORT_UNKNOWN_SKIP = 0, /* an interaction with an item that the items' file lacks: skipped */
    IMPORT_UNKNOWN_REFUSE,
    IMPORT_UNKNOWN_CREATE, /* becomes an item without content */
} import_unknown;

typedef struct import_feature_file {
    const char *modality;
    const char *path;
} import_feature_file;

/* What an option that may be repeated was given. */
typedef struct import_texts {
    const char *const *at; /* (count) */
    size_t count;
} import_texts;

typedef struct import_options {
    const char *interactions; /* one file, or NULL */
    const char *parts[3];     /* or train, valid, test; those absent are NULL */
    const char *items;        /* JSON lines, or a table such as RecBole's .item; NULL: none */
    const import_feature_file *features;
    size_t feature_count;

    /* Reading tables. NULL means what is usual. */
    const char *ignored_columns; /* "a,b": columns to leave out; "*": all unknown ones */
    import_texts maps;           /* "ROLE=COLUMN": what a column of either file means */
    import_texts columns;        /* "COLUMN=KIND": what the cells of a column of items become */
    const char *header;          /* "a,b": names of the columns of interactions without a header */
    const char *items_header;    /* and of items */
    const char *separator;       /* between fields; NULL: found out */
    const char *list_separator;  /* between the entries of a list; NULL: found out by column */
    const char *null_words;      /* "a,b": cells that say nothing; NULL: IMPORT_NULL_WORDS */
    const char *timezone;        /* of times without an offset; NULL: such are refused */
    double time_unit;            /* seconds in one unit of a number; 0: 1 */
    bool weights_are_counts;     /* a weight is 1 + ln(count) */
    uint64_t bad_lines_max;      /* so many lines that cannot be read are passed over */

    import_split split;
    import_unknown unknown_items;
    uint64_t seed;
    double min_rating; /* if has_min_rating: lines rated lower are skipped */
    bool has_min_rating;
    bool keep_first; /* the same pair in two splits: keep the earliest, do not refuse */
    bool merge;      /* the store need not be empty */
    const interaction_types *types;
    int64_t now; /* epoch seconds */
} import_options;

typedef struct import_hooks {
    void *ctx;
    /* How far a phase is; total 0: unknown. Called often. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    /* A line that was not imported, and why. */
    void (*skipped)(void *ctx, const char *path, uint64_t line, const char *why);
    /* A line that cannot be imported: "path:line: why". Up to IMPORT_FAULTS_SHOWN of them. */
    void (*fault)(void *ctx, const char *text);
    /* What was understood of a file, and what of it is not used. */
    void (*note)(void *ctx, const char *text);
    /* True stops the import: ERR_CANCELLED, the store as it was. */
    bool (*cancelled)(void *ctx);
} import_hooks;

typedef struct import_modality {
    char name[MODALITY_NAME_BYTES_MAX + 1];
    uint32_t width;
    uint64_t rows, zero, missing; /* of this import; zero ones are among rows */
    uint64_t tiny; /* rows, not zero, without a number of FEATURE_MAGNITUDE_MIN or more */
} import_modality;

typedef struct import_report {
    uint64_t users, items, interactions; /* in the store afterwards */
    uint64_t new_users, new_items, new_interactions;
    uint64_t train, valid, test; /* of the new interactions */
    uint64_t lines;              /* interaction lines read */
    uint64_t duplicates;         /* the same pair again: the earliest is kept */
    uint64_t low_rated;          /* skipped: below min_rating */
    uint64_t unknown_items;      /* skipped: the item is not in the items' file */
    uint64_t bad_lines;          /* skipped: cannot be read */
    uint64_t hidden_items;       /* made for interactions whose item the items' file lacks */
    import_modality modalities[MODALITIES_MAX];
    size_t modality_count;
    uint64_t seq;
} import_report;

/* import_check looks at the options alone, not at files or a store: ERR_INVALID for what
 * contradicts itself or is missing. import_run begins with it. */
err_code import_check(const import_options *options, err *e) ERR_CHECKED;

/* import_run does it. ERR_CONFLICT: the store is not empty and merge is not set; ERR_INVALID: the
 * files, with path and line; ERR_FULL, ERR_IO, ERR_NOMEM, ERR_CANCELLED. In every case of failure
 * the store's content is what it was. `hooks` may be NULL. */
err_code import_run(store *owner, const import_options *options, const import_hooks *hooks,
                    import_report *report, err *e) ERR_CHECKED;

#endif
