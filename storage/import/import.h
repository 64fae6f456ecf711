/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import: reads files in common formats and makes them the content of a store.
 *
 * The import reads and checks everything, and writes it into a staged copy of the store. One rename
 * (store_stage_flip) then replaces the old content. A bad line, a full disk or a kill leaves the
 * store as it was. The hooks report every line that is not imported.
 *
 * Phases:
 *     items          their file, with the features inside it
 *     interactions   the files are read into memory, 32 bytes each
 *     arrange        duplicates and splits
 *     features       .npy files, checked, then copied row by row
 *     write
 *     flip
 *
 * Memory grows with the number of interactions and ids, not with features or item texts.
 *
 * One call at a time per store. The store must be open as STORE_OWNER.
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
    /* the file's split column; without one, all interactions are for training */
    IMPORT_SPLIT_UNSET = 0,
    IMPORT_SPLIT_NONE,   /* all interactions are for training */
    IMPORT_SPLIT_RANDOM, /* 8:1:1 for each user, by seed */
    IMPORT_SPLIT_TIME,   /* by the 80 % and 90 % quantiles of time */
} import_split;

typedef enum import_unknown {
    IMPORT_UNKNOWN_SKIP = 0, /* skip an interaction whose item is not in the items' file */
    IMPORT_UNKNOWN_REFUSE,
    IMPORT_UNKNOWN_CREATE, /* create the item, without content */
} import_unknown;

typedef struct import_feature_file {
    const char *modality;
    const char *path;
} import_feature_file;

/* The values of an option that may be repeated. */
typedef struct import_texts {
    const char *const *at; /* (count) */
    size_t count;
} import_texts;

typedef struct import_options {
    const char *interactions; /* one file, or NULL */
    const char *parts[3];     /* or the files of train, valid and test; NULL for a missing one */
    const char *items;        /* JSON lines, or a table such as RecBole's .item; or NULL */
    const import_feature_file *features;
    size_t feature_count;

    /* How to read tables. NULL is the default. */
    /* Columns to leave out, "a,b"; "*" leaves out all columns without a role. */
    const char *ignored_columns;
    import_texts maps;    /* "ROLE=COLUMN": what a column of either file means */
    import_texts columns; /* "COLUMN=KIND": the kind of attribute that a column of items becomes */
    const char *header;   /* "a,b": column names, for interaction files without a header */
    const char *items_header;   /* "a,b": column names, for an items' file without a header */
    const char *separator;      /* between fields; NULL: detect it */
    const char *list_separator; /* between the entries of a list; NULL: detect it in each column */
    const char *null_words;     /* "a,b": cells that count as empty; NULL: IMPORT_NULL_WORDS */
    const char *timezone;       /* for times without an offset; NULL: such times are refused */
    double time_unit;           /* seconds in one unit of a number; 0 means 1 */
    bool weights_are_counts;    /* a weight is 1 + ln(count) */
    /* how many unreadable lines are skipped before the import is refused */
    uint64_t bad_lines_max;

    import_split split;
    import_unknown unknown_items;
    uint64_t seed;
    double min_rating; /* with has_min_rating: lines with a lower rating are skipped */
    bool has_min_rating;
    bool keep_first; /* the same pair in two splits: keep the earliest instead of refusing */
    bool merge;      /* the store need not be empty */
    const interaction_types *types;
    int64_t now; /* epoch seconds */
} import_options;

typedef struct import_hooks {
    void *ctx;
    /* Progress of a phase; total 0 if it is unknown. Called often. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    /* A line that was not imported, and why. */
    void (*skipped)(void *ctx, const char *path, uint64_t line, const char *why);
    /* A line that cannot be imported: "path:line: why". Up to IMPORT_FAULTS_SHOWN of them. */
    void (*fault)(void *ctx, const char *text);
    /* What was recognised in a file, and what was not used. */
    void (*note)(void *ctx, const char *text);
    /* Returning true stops the import with ERR_CANCELLED and leaves the store as it was. */
    bool (*cancelled)(void *ctx);
} import_hooks;

typedef struct import_modality {
    char name[MODALITY_NAME_BYTES_MAX + 1];
    uint32_t width;
    /* in this import: rows with a vector; of these, rows of zeroes alone; rows without a vector */
    uint64_t rows, zero, missing;
    /* rows that are not zero, but have no number of at least FEATURE_MAGNITUDE_MIN */
    uint64_t tiny;
} import_modality;

typedef struct import_report {
    uint64_t users, items, interactions; /* in the store after the import */
    uint64_t new_users, new_items, new_interactions;
    uint64_t train, valid, test; /* of the new interactions */
    uint64_t lines;              /* interaction lines read */
    uint64_t duplicates;         /* repeats of a pair; the earliest is kept */
    uint64_t low_rated;          /* skipped because the rating is below min_rating */
    uint64_t unknown_items;      /* skipped because the item is not in the items' file */
    uint64_t bad_lines;          /* skipped because they cannot be read */
    uint64_t hidden_items;       /* created for interactions whose item is not in the items' file */
    import_modality modalities[MODALITIES_MAX];
    size_t modality_count;
    uint64_t seq;
} import_report;

/* import_check checks the options alone, without files or a store. ERR_INVALID: options contradict
 * each other or are missing. import_run begins with it. */
err_code import_check(const import_options *options, err *e) ERR_CHECKED;

/* import_run runs the import. ERR_CONFLICT: the store is not empty and merge is not set.
 * ERR_INVALID: a file is wrong; the text has path and line. ERR_FULL, ERR_IO, ERR_NOMEM,
 * ERR_CANCELLED. On every failure the store keeps its content. `hooks` may be NULL. */
err_code import_run(store *owner, const import_options *options, const import_hooks *hooks,
                    import_report *report, err *e) ERR_CHECKED;

#endif
