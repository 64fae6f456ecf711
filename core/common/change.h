/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change: the effects of one applied op, as facts about rows.
 *
 * The store decides (ids to rows, conflicts, unknown items), and the live tables follow. A change
 * states the new state, not the request: a replaced item carries its whole content, and a repeated
 * interaction carries the present record. The changes of an op, applied in order, bring a view from
 * the state before the op to the state after it. Everything is borrowed from the op and its
 * apply_result, and is valid until the first of them is freed.
 */
#ifndef CORE_CHANGE_H
#define CORE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/item_fields.h"
#include "core/common/slice.h"

typedef enum change_kind {
    CHANGE_MODALITY = 1, /* the first use of a modality fixed its width */
    CHANGE_TYPE,         /* the first use of an interaction type assigned its number */
    CHANGE_ITEM,         /* an item is new, or its content changed */
    /* an item was deleted: its edges no longer count, its row is not used again */
    CHANGE_ITEM_GONE,
    CHANGE_USER,       /* a user is new */
    CHANGE_USER_GONE,  /* a user was erased, with all interactions; the row is not used again */
    CHANGE_EDGE,       /* an interaction is new, or was repeated (known) */
    CHANGE_EDGE_GONE,  /* one interaction record was removed */
    CHANGE_GENERATION, /* another generation is active now */
} change_kind;

/* Bits of an interaction's flags, decided at admission from the configuration of its type. */
enum {
    EDGE_IN_GRAPH = 1, /* counts in the graph, with its weight */
    EDGE_SEEN = 2,     /* hides the item from the user's lists */
};

typedef struct change_item {
    uint32_t row;
    bool created; /* the row is new with this change */
    bool hidden;
    bool features_changed; /* `features` differ from what the row had before */
    bool texts_changed;    /* title, description, categories or attributes differ */
    slice id, title, description;
    uint32_t predecessor; /* 1 + the row that the id had before it was deleted; 0 if none */
    int64_t created_at;   /* epoch seconds */
    uint64_t updated_seq;
    const slice *categories; /* (category_count) */
    uint32_t category_count;
    uint32_t attribute_count;
    const attribute *attributes; /* (attribute_count), by name */
    const feature
        *features; /* all that the item now has; only if features_changed or texts_changed */
    uint32_t feature_count;
    const struct cold_item
        *prepared; /* computed at admission (core/serve/state/coldstart), or NULL */
} change_item;

/* A pair of user and item can have one record for each type. The pair's weight in the graph is the
 * largest weight among its records with EDGE_IN_GRAPH. Its split is the lowest of theirs. The item
 * is seen if any record has EDGE_SEEN. */
typedef struct change_edge {
    uint32_t user, item; /* rows */
    uint8_t type;        /* number in the store's registry of types */
    uint8_t split;       /* 0 train, 1 validation, 2 test */
    uint8_t flags;       /* EDGE_* */
    bool known;          /* the edge existed before: only `time` and `split` may have changed */
    float weight;
    int64_t time; /* epoch seconds */
} change_edge;

typedef struct change {
    change_kind kind;
    union {
        struct {
            uint32_t number; /* registry number: modality index or type number */
            uint32_t width;  /* numbers in a vector of the modality; 0 for a type */
            slice name;
        } registered;            /* CHANGE_MODALITY, CHANGE_TYPE */
        const change_item *item; /* CHANGE_ITEM */
        struct {
            uint32_t row;
            slice id;        /* CHANGE_USER only */
        } row;               /* CHANGE_ITEM_GONE, CHANGE_USER, CHANGE_USER_GONE */
        change_edge edge;    /* CHANGE_EDGE, CHANGE_EDGE_GONE (user, item, type) */
        uint32_t generation; /* CHANGE_GENERATION; 0 means none */
    };
} change;

typedef struct change_list {
    const change *items; /* (count) */
    size_t count;
    uint64_t seq; /* seq of the op */
} change_list;

#endif
