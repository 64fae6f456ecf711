/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_state: what the phases of one import share. Private to import*.c.
 *
 * The phases run on one thread, in the order of the functions below. They write into the staged
 * store through import_group, in transactions of bounded size. If a phase fails, the staged store
 * is discarded.
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

/* The file of one --features option, open from the check of its header until its rows are
 * copied. */
typedef struct import_npy {
    npy *reader;
    uint8_t number; /* the modality's number in the staged store */
} import_npy;

/* The faults of a file: of its lines, and of the file itself, such as a header without an id. */
typedef struct import_faults {
    err shown[IMPORT_FAULTS_SHOWN]; /* the first ones */
    uint64_t lines, files;
    bool stopped; /* reading stopped early, because enough faults were found */
} import_faults;

typedef struct import_state {
    const import_options *options;
    const import_hooks *hooks; /* never NULL */
    import_report *report;
    store *owner, *staged;
    store_write *group; /* the open transaction, or NULL */
    size_t group_bytes;
    uint64_t seq; /* the sequence number that the store will have */
    arena scratch;

    id_table *users, *items; /* id -> row */
    uint32_t old_users;      /* rows below this existed before the import */
    uint32_t old_items;      /* rows below this existed before the import */
    bool old_interactions;   /* the store has interactions, so records are merged one by one */
    uint32_t user_rows;      /* rows assigned so far */
    uint32_t item_rows;      /* rows assigned so far */
    uint64_t *replaced;      /* bitmap (old_items): old items that the file contains */
    uint32_t *file_rows;     /* (file_count): row of the n-th item of the items' file */
    uint32_t *file_lines;    /* (file_count): line of that item */
    size_t file_count, file_capacity;

    import_npy npys[MODALITIES_MAX];

    time_zone *zone;                  /* from --timezone, or NULL */
    uint64_t maps_used, columns_used; /* bitmaps over options->maps and options->columns */
    import_faults faults[2];          /* [0] in the items' file, [1] in the interactions' files */
    import_faults *current;           /* the entry for the file that is being read */
    struct {
        uint64_t count; /* cells that had a rating */
        double least, most;
    } ratings;
    uint64_t untimed; /* interactions without a timestamp, though the file has that column */

    const char *files[3]; /* the interaction files */
    size_t file_total;
    /* by index in options->types; -1: not registered yet */
    int16_t type_numbers[INTERACTION_TYPES_MAX];
    bool has_split; /* some file had a split column */
    import_edge *edges;
    size_t edge_count, edge_capacity;
} import_state;

/* import_group returns the open transaction. If that holds more than a bounded number of bytes, it
 * is committed first and another begun. `bytes` estimates what the caller will write.
 * import_group_end commits. */
err_code import_group(import_state *s, size_t bytes, store_write **out, err *e) ERR_CHECKED;
err_code import_group_end(import_state *s, err *e) ERR_CHECKED;

/* import_tick reports the progress of a phase. ERR_CANCELLED: the caller of the import asks to
 * stop. */
err_code import_tick(import_state *s, const char *phase, uint64_t done, uint64_t total,
                     err *e) ERR_CHECKED;

/* import_skip reports a line that is not imported. */
void import_skip(import_state *s, const char *path, uint64_t line, const char *why);

/* import_note reports what was recognised in a file, or is not used. */
void import_note(import_state *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* import_bad_line records a fault of a line, with its path and number. ERR_OK: go on with the next
 * line, because bad lines are skipped, or the first faults are reported together. Otherwise it
 * returns ERR_INVALID when enough faults of the file are known, or the code of `why` if that is not
 * about the line.
 *
 * import_file_read records the outcome of reading a file. ERR_INVALID becomes one more fault, so
 * that one run also finds the faults of the other file; other codes are returned. import_faulty
 * tells whether the faults so far will refuse the import. import_faults_end, a phase, refuses it
 * and reports them all. */
err_code import_bad_line(import_state *s, const err *why, err *e) ERR_CHECKED;
err_code import_file_read(import_state *s, const err *why, err *e) ERR_CHECKED;
bool import_faulty(const import_state *s);
err_code import_faults_end(import_state *s, err *e) ERR_CHECKED;

/* import_tell_rest reports, at the end, what was skipped and what was not used. import_clean
 * removes characters that would control a terminal from an error's text. */
void import_tell_rest(import_state *s);
void import_clean(err *e);

/* import_id checks an id from a text file: 1 to 256 bytes of UTF-8, and not a word for an empty
 * cell. `what` is "user" or "item". */
err_code import_id(const import_state *s, slice id, const char *what, err *e) ERR_CHECKED;

/* import_time reads a cell as a time, following the options. */
err_code import_time(const import_state *s, slice cell, int64_t *seconds, err *e) ERR_CHECKED;

/* import_table_of opens a table over a source, which it takes over. import_open_table opens a
 * path. */
err_code import_table_of(const import_state *s, text_source *source, bool items, delimited **out,
                         err *e) ERR_CHECKED;
err_code import_open_table(const import_state *s, const char *path, bool items, delimited **out,
                           err *e) ERR_CHECKED;

/* import_file_bytes returns a file's size, or 0 if it is unknown. */
uint64_t import_file_bytes(const char *path);

/* import_item_put creates an item of the items' file, or in a merge replaces it. It refuses a
 * second line with the same id. import_item_bare creates an item with only its id. */
err_code import_item_put(import_state *s, const op_item *it, uint32_t line, err *e) ERR_CHECKED;
err_code import_item_bare(import_state *s, slice id, uint32_t *row, err *e) ERR_CHECKED;

/* import_is_tiny tells whether a vector is not zero, but has no number of at least
 * FEATURE_MAGNITUDE_MIN. */
bool import_is_tiny(const feature *f);

/* import_modality_of returns the report's entry for a modality, and creates it at the first use. */
import_modality *import_modality_of(import_state *s, slice name);

/* import_bucket groups the interactions by user (or by item), in no order inside a group. `starts`
 * (rows + 1, zeroed) receives where each group starts. */
err_code import_bucket(import_state *s, bool by_item, size_t *starts, err *e) ERR_CHECKED;

/* import_edge_record makes the record of an interaction. import_edge_count counts it in the
 * report. */
interaction import_edge_record(const import_edge *x);
void import_edge_count(import_state *s, const import_edge *x);

/* The phases, in order. A comment "part of it" marks a function that the phase above it calls. */
err_code import_known_ids(import_state *s, err *e) ERR_CHECKED;
err_code import_items(import_state *s, err *e) ERR_CHECKED;
err_code import_items_table(import_state *s, text_source *source,
                            err *e) ERR_CHECKED; /* part of it; takes the source over */
err_code import_items_jsonl(import_state *s, text_source *source,
                            err *e) ERR_CHECKED; /* part of it; takes the source over */
err_code import_features_open(import_state *s, err *e) ERR_CHECKED;
err_code import_interactions(import_state *s, err *e) ERR_CHECKED;
err_code import_interactions_jsonl(import_state *s, text_source *source, size_t file,
                                   err *e) ERR_CHECKED; /* part of it; takes the source over */
err_code import_edge_add(import_state *s, const op_interaction *x, size_t type, uint64_t line,
                         size_t file, err *e) ERR_CHECKED;         /* part of it */
err_code import_columns_used(import_state *s, err *e) ERR_CHECKED; /* --map, --column */
err_code import_arrange(import_state *s, err *e) ERR_CHECKED;
err_code import_edges_write(import_state *s, err *e) ERR_CHECKED;
/* part of it, for an empty store */
err_code import_edges_append(import_state *s, err *e) ERR_CHECKED;
err_code import_features_write(import_state *s, err *e) ERR_CHECKED;

#endif
