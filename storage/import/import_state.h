/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_state: what the phases of one import share. Private to import*.c.
 *
 * The phases run in the order of the functions below, on one thread. Whatever is written goes into
 * the staged store through import_group, in transactions of bounded size, so that a failure in any
 * phase only means that the staged store is thrown away.
 */
#ifndef STORAGE_IMPORT_STATE_H
#define STORAGE_IMPORT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/npy.h"
#include "storage/env/store.h"
#include "storage/import/delimited.h"
#include "storage/import/id_table.h"
#include "storage/import/import.h"
#include "storage/import/text_source.h"
#include "storage/import/time_zone.h"
#include "storage/log/op.h"
#include "storage/records/interactions.h"

/* One interaction line in memory: 32 bytes. */
typedef struct import_edge {
    uint32_t user, item; /* rows in the staged store */
    int64_t time;
    uint32_t line;
    float weight;
    uint8_t file; /* index of import_state.files */
    uint8_t type; /* number in the store's registry */
    uint8_t split;
    uint8_t flags;
} import_edge;

/* The features of one --features option, open from the check of its header until it is copied. */
typedef struct import_npy {
    npy *reader;
    uint8_t number; /* of the modality */
} import_npy;

/* What is wrong with a file: its lines, and the file itself, such as a header without an id. */
typedef struct import_faults {
    err shown[IMPORT_FAULTS_SHOWN]; /* the first ones */
    uint64_t lines, files;
    bool stopped; /* enough were found, so the file was not read to its end */
} import_faults;

typedef struct import_state {
    const import_options *options;
    const import_hooks *hooks; /* never NULL */
    import_report *report;
    store *owner, *staged;
    store_write *group; /* the open transaction, or NULL */
    size_t group_bytes;
    uint64_t seq; /* that the store will have */
    arena scratch;

    id_table *users, *items; /* id -> row */
    uint32_t old_users;      /* rows below belong to the store as it was */
    uint32_t old_items;      /* (rows given out before) */
    bool old_interactions;   /* the store has such: merge record by record */
    uint32_t user_rows;      /* rows given out by now */
    uint32_t item_rows;      /* rows given out by now */
    uint64_t *replaced;      /* bitmap (old_items): which of the old items the file has */
    uint32_t *file_rows;     /* (file_count): row of the n-th item of the items' file */
    uint32_t *file_lines;    /* (file_count): and its line */
    size_t file_count, file_capacity;

    import_npy npys[MODALITIES_MAX];

    time_zone *zone;                  /* of --timezone, or NULL */
    uint64_t maps_used, columns_used; /* bitmaps of options->maps and ->columns */
    import_faults faults[2];          /* of the items' file, and of the interactions' */
    import_faults *current;           /* those of the file that is being read */
    struct {
        uint64_t count; /* of cells with a rating */
        double least, most;
    } ratings;
    uint64_t untimed; /* interactions without a timestamp though the file has such a column */

    const char *files[3]; /* the interaction files */
    size_t file_total;
    int16_t type_numbers[INTERACTION_TYPES_MAX]; /* by index of options->types; -1: not yet */
    bool has_split;                              /* any file had such a column */
    import_edge *edges;
    size_t edge_count, edge_capacity;
} import_state;

/* import_group gives the open transaction, after committing it and beginning another if it holds
 * more than a bounded number of bytes; `bytes` is about what the caller is going to write.
 * import_group_end commits it. */
err_code import_group(import_state *s, size_t bytes, store_write **out, err *e) ERR_CHECKED;
err_code import_group_end(import_state *s, err *e) ERR_CHECKED;

/* import_tick tells how far a phase is and asks whether to stop: ERR_CANCELLED. */
err_code import_tick(import_state *s, const char *phase, uint64_t done, uint64_t total,
                     err *e) ERR_CHECKED;

/* import_skip tells of a line that is not imported. */
void import_skip(import_state *s, const char *path, uint64_t line, const char *why);

/* import_note tells what was understood of a file, or is not used of it. */
void import_note(import_state *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* import_bad_line takes what is wrong with a line, with its path and number. ERR_OK: go on with the
 * next one; the lines are passed over, or all first faults are told together. Else the code of
 * `why`, if that is no matter of a line, or ERR_INVALID when enough faults of the file are known.
 *
 * import_file_read takes what the reading of a file came to. ERR_INVALID becomes one more fault,
 * so that the other file's faults are found in the same run; other codes are handed on.
 * import_faulty tells whether the faults so far will refuse the import; import_faults_end, a phase,
 * does it and tells all. */
err_code import_bad_line(import_state *s, const err *why, err *e) ERR_CHECKED;
err_code import_file_read(import_state *s, const err *why, err *e) ERR_CHECKED;
bool import_faulty(const import_state *s);
err_code import_faults_end(import_state *s, err *e) ERR_CHECKED;

/* import_tell_rest tells, at the end, what was passed over and what was not used. import_clean
 * takes from an error's text what a terminal would obey. */
void import_tell_rest(import_state *s);
void import_clean(err *e);

/* import_id checks an id from a text file: 1 to 256 bytes of UTF-8 and no word for nothing. `what`
 * is "user" or "item". */
err_code import_id(const import_state *s, slice id, const char *what, err *e) ERR_CHECKED;

/* import_time reads a cell as a time, as the options say. */
err_code import_time(const import_state *s, slice cell, int64_t *seconds, err *e) ERR_CHECKED;

/* import_table_of opens a table over a source, which it takes over; import_open_table over a path.
 */
err_code import_table_of(const import_state *s, text_source *source, bool items, delimited **out,
                         err *e) ERR_CHECKED;
err_code import_open_table(const import_state *s, const char *path, bool items, delimited **out,
                           err *e) ERR_CHECKED;

/* import_file_bytes gives a file's size, or 0 if that cannot be known. */
uint64_t import_file_bytes(const char *path);

/* import_item_put creates or (merge) replaces an item of the items' file; a second line of the
 * same id is refused. import_item_bare creates one with nothing but its id. */
err_code import_item_put(import_state *s, const op_item *it, uint32_t line, err *e) ERR_CHECKED;
err_code import_item_bare(import_state *s, slice id, uint32_t *row, err *e) ERR_CHECKED;

/* import_is_tiny tells whether a vector that is not zero has no number of FEATURE_MAGNITUDE_MIN. */
bool import_is_tiny(const feature *f);

/* import_modality_of gives the report's entry of a modality, made at its first use. */
import_modality *import_modality_of(import_state *s, slice name);

/* import_bucket puts the interactions of every user (or item) together, in no order within;
 * `starts` (rows + 1, zeroed) gets where they are. */
err_code import_bucket(import_state *s, bool by_item, size_t *starts, err *e) ERR_CHECKED;

/* import_edge_record makes the record of an interaction, and counts it in the report. */
interaction import_edge_record(const import_edge *x);
void import_edge_count(import_state *s, const import_edge *x);

/* The phases. */
err_code import_known_ids(import_state *s, err *e) ERR_CHECKED;
err_code import_items(import_state *s, err *e) ERR_CHECKED;
err_code import_items_table(import_state *s, text_source *source,
                            err *e) ERR_CHECKED; /* of it; takes the source over */
err_code import_items_jsonl(import_state *s, text_source *source,
                            err *e) ERR_CHECKED; /* of it; takes the source over */
err_code import_features_open(import_state *s, err *e) ERR_CHECKED;
err_code import_interactions(import_state *s, err *e) ERR_CHECKED;
err_code import_interactions_jsonl(import_state *s, text_source *source, size_t file,
                                   err *e) ERR_CHECKED; /* of it; takes the source over */
err_code import_edge_add(import_state *s, const op_interaction *x, size_t type, uint64_t line,
                         size_t file, err *e) ERR_CHECKED;         /* of it */
err_code import_columns_used(import_state *s, err *e) ERR_CHECKED; /* --map, --column */
err_code import_arrange(import_state *s, err *e) ERR_CHECKED;
err_code import_edges_write(import_state *s, err *e) ERR_CHECKED;
err_code import_edges_append(import_state *s, err *e) ERR_CHECKED; /* of it, for an empty store */
err_code import_features_write(import_state *s, err *e) ERR_CHECKED;

#endif
