/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op: one write: the unit of admission, application, logging and numbering.
 *
 * Everything that changes a store is an op; a batch is one op. An op names users and items by
 * external id, and carries its timestamps and whatever admission decided (flags, weights, limits).
 * So its effect depends only on the ops before it. It never contains the vectors of new items. In
 * its encoded form, a log hands it to every node.
 *
 * An op and everything that it points to lie in its arena. One thread at a time; immutable once
 * submitted.
 */
#ifndef STORAGE_OP_H
#define STORAGE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/change.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"

typedef enum op_kind {
    OP_ITEMS_CREATE = 1,        /* refuses an entry whose id exists */
    OP_ITEMS_PUT = 2,           /* creates or replaces */
    OP_ITEMS_PATCH = 3,         /* JSON merge patch; refuses an unknown id */
    OP_ITEMS_DELETE = 4,        /* refuses an unknown id */
    OP_INTERACTIONS_ADD = 5,    /* unknown users are created; unknown items: `create_items` */
    OP_INTERACTIONS_REMOVE = 6, /* one type or all types of a pair */
    OP_USER_ERASE = 7,
    OP_GENERATION_ACTIVATE = 8, /* refuses a number that is not registered */
    OP_ITEMS_ENCODED = 9, /* vectors that an encoder made of texts, or that it refuses the texts */
    OP_GENERATION_REGISTER = 10, /* gives a generation its number; refuses one that has it */
    OP_GENERATION_PRUNE = 11,    /* takes numbers away, never the active one */
} op_kind;

/* A test of nodes of two versions builds one with the next number. */
#ifndef STAIR_OP_VERSION
#define STAIR_OP_VERSION 2
#endif

enum {
    OP_VERSION = STAIR_OP_VERSION, /* of the encoding and of what applying it does: a change of
                       either is a new one */
    OP_ENTRIES_MAX = 10000,
    OP_REQUEST_ID_BYTES_MAX = 128,
    OP_LIST_BYTES_MAX = 32,
    OP_EMBEDDING_BYTES_MAX = 1024 * 1024,
    OP_BYTES_MAX = 256 * 1024 * 1024, /* of the encoded form */
    IDEMPOTENCY_KEY_BYTES_MAX = 255,
    IDEMPOTENCY_HASH_BYTES = 32,
    IDEMPOTENCY_SECONDS = 24 * 60 * 60,
};

/* Which members an op_item speaks of. In a put, what is not given gets its default, but for
 * `created` and features, which stay as stored; in a patch, what is not given stays. Deletions
 * give none: only the id counts. */
enum {
    OP_TITLE = 1,          /* title; absent (at == NULL): none */
    OP_CATEGORIES = 2,     /* categories */
    OP_ATTRIBUTES = 4,     /* attributes; in a patch merged by name, ATTRIBUTE_REMOVED takes away */
    OP_CREATED = 8,        /* created */
    OP_HIDDEN = 16,        /* hidden */
    OP_FEATURES = 32,      /* features, each alone; data == NULL takes one away */
    OP_NO_ATTRIBUTES = 64, /* patch, "attributes": null: take all away, before OP_ATTRIBUTES */
    OP_NO_FEATURES = 128,  /* "features": null: take all away, before OP_FEATURES */
    OP_DESCRIPTION = 256,  /* description; absent: none */
};

typedef struct op_item {
    slice id;
    uint32_t given; /* OP_TITLE ... */
    uint32_t category_count;
    uint32_t attribute_count;
    uint32_t feature_count;
    slice title;
    slice description;
    const slice *categories;     /* (category_count) */
    const attribute *attributes; /* (attribute_count), each name once */
    const feature *features;     /* (feature_count), each modality once */
    int64_t created;             /* epoch seconds */
    bool hidden;
    /* OP_ITEMS_ENCODED: of the text that features[0] was made from (storage/records/item_text.h);
     * one without data takes the vector away: the text is refused, or there is none. Such an entry
     * has no more than id, hash and this feature. */
    uint64_t text_hash;
    const struct cold_item
        *prepared; /* not stored: handed on in the change_item, whose reader owns it */
} op_item;

typedef struct op_interaction {
    slice user, item;
    slice type;    /* name; in a removal absent (at == NULL) means every type */
    int64_t time;  /* epoch seconds */
    float weight;  /* in the graph; > 0, finite */
    uint8_t flags; /* EDGE_* of core/common/change.h */
    uint8_t split; /* 0 for all that comes by the API */
} op_interaction;

/* A trained generation, as its training left it. Its tables travel apart. */
typedef struct op_registration {
    unsigned char id[16];     /* UUID */
    unsigned char sha256[32]; /* of its tables (storage/models/generation_sum.c) */
    unsigned char lineage[16];
    int64_t created; /* epoch seconds */
    uint64_t seq;    /* the store's when the data was read */
    uint64_t bytes;  /* of all tables */
    uint32_t users, items;
    bool activate; /* it wants to be the active one */
    slice summary; /* JSON text: options, metrics, curve */
} op_registration;

/* What the answer to an op says beside what applying it found, decided at admission. */
typedef struct op_answer {
    bool single;         /* the answer has the entry's own status */
    uint16_t errors_max; /* problems that it lists at most */
    uint32_t model;      /* generation at admission; 0: none */
    slice list;          /* pointer of the entries in the request's body: "/items" */
    slice request_id;
    const slice *embeddings; /* (count), each a JSON document; absent: that entry has none. NULL:
                                the answer tells of no embedding and no model */
} op_answer;

/* op_render builds, inside the op's transaction, the answer that a repeat of the same
 * Idempotency-Key will get: `result` is that of this op, `status` and `body` go into the record
 * (body from `a`). A function of the op and its result alone, so that every node keeps the same
 * answer; quick, takes no lock. */
struct apply_result;
typedef struct op op;
typedef err_code (*op_render)(const op *o, const struct apply_result *result, arena *a,
                              uint16_t *status, slice *body, err *e);

struct op {
    op_kind kind;
    int64_t time;         /* admission, epoch seconds */
    bool create_items;    /* OP_INTERACTIONS_ADD: unknown items become hidden, featureless ones */
    uint32_t count;       /* entries; 1 where the kind has none */
    const op_item *items; /* OP_ITEMS_*: (count) */
    const op_interaction *interactions; /* OP_INTERACTIONS_*: (count) */
    slice user;                         /* OP_USER_ERASE; the log has user_row in its place */
    uint32_t user_row;                  /* only in the log */
    uint32_t generation;                /* OP_GENERATION_ACTIVATE; 0: none */
    uint32_t keep;                      /* OP_GENERATION_PRUNE: how many stay beside the active */
    op_registration registration;       /* OP_GENERATION_REGISTER */

    /* The answer that is kept for a repeat. key.at == NULL: none, and nothing of it is encoded. */
    slice idempotency_key;
    unsigned char idempotency_hash[IDEMPOTENCY_HASH_BYTES]; /* of method, path and body */
    op_answer answer;
    op_render render; /* not encoded; NULL: an empty answer */

    arena memory; /* owns all of the above, for ops made by op_new or op_decode */
};

/* op_new makes an empty op whose memory may hold up to `bytes_max`. Free with op_free. */
err_code op_new(op **out, op_kind kind, size_t bytes_max, err *e) ERR_CHECKED;

/* op_free accepts NULL. */
void op_free(op *o);

/* op_check validates what apply relies on: kinds, counts, lengths, limits, finite numbers, names
 * given once. It is for bytes from disk and for tests; the API has checked more by then. */
err_code op_check(const op *o, err *e) ERR_CHECKED;

/* op_encode writes the op into `a`; *out is borrowed from it. */
err_code op_encode(const op *o, arena *a, slice *out, err *e) ERR_CHECKED;

/* op_decode reads what op_encode wrote, copies everything, and checks it. ERR_CORRUPT for any
 * other bytes, ERR_CONFLICT for an encoding of a newer version, which a newer stair applies.
 * Entries that an erasure took away are missing, so count may be 0. Free with op_free. */
err_code op_decode(op **out, slice bytes, err *e) ERR_CHECKED;

#endif
