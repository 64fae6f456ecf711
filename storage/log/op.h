/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op: one write. An op is the unit of admission, application, logging and numbering.
 *
 * Everything that changes a store is an op; a batch is one op. An op names users and items by
 * external id, and carries its timestamps and whatever admission decided (flags, weights, limits).
 * So its effect depends only on the ops before it. It never contains the vectors of new items. In
 * its encoded form, a log hands it to every node.
 *
 * An op and everything that it points to are in its arena. One thread at a time; immutable once
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
    OP_INTERACTIONS_ADD = 5,    /* creates unknown users; for unknown items see `create_items` */
    OP_INTERACTIONS_REMOVE = 6, /* one type or all types of a pair */
    OP_USER_ERASE = 7,
    OP_GENERATION_ACTIVATE = 8, /* refuses a number that is not registered */
    OP_ITEMS_ENCODED = 9, /* vectors that an encoder made from texts, or its refusals of texts */
    OP_GENERATION_REGISTER = 10, /* gives a generation its number; refuses one that has a number */
    OP_GENERATION_PRUNE = 11,    /* removes generations, never the active one */
} op_kind;

/* A test with nodes of two versions builds one with the next number. */
#ifndef STAIR_OP_VERSION
#define STAIR_OP_VERSION 2
#endif

/* An op has a version, which stands for its encoding and for the effect of applying it; a change of
 * either raises OP_VERSION. Logs keep ops of older versions, so all versions from OP_VERSION_OLDEST
 * on are decoded, each by its own encoding, and applied with their own effect. OP_VERSION_OLDEST is
 * the oldest version that a store of STORE_FORMAT can have in its log. */
enum {
    OP_VERSION_OLDEST = 2,
    OP_VERSION = STAIR_OP_VERSION,
    OP_ENTRIES_MAX = 10000,
    OP_REQUEST_ID_BYTES_MAX = 128,
    OP_LIST_BYTES_MAX = 32,
    OP_EMBEDDING_BYTES_MAX = 1024 * 1024,
    OP_BYTES_MAX = 256 * 1024 * 1024, /* limit of the encoded form */
    IDEMPOTENCY_KEY_BYTES_MAX = 255,
    IDEMPOTENCY_HASH_BYTES = 32,
    IDEMPOTENCY_SECONDS = 24 * 60 * 60,
};

/* Which members an op_item sets. In a put, other members get their defaults, except that `created`
 * and features stay as stored. In a patch, other members stay. In a deletion only the id counts. */
enum {
    OP_TITLE = 1,      /* title; absent (at == NULL) removes it */
    OP_CATEGORIES = 2, /* categories */
    /* attributes; a patch merges them by name, and ATTRIBUTE_REMOVED removes one */
    OP_ATTRIBUTES = 4,
    OP_CREATED = 8,        /* created */
    OP_HIDDEN = 16,        /* hidden */
    OP_FEATURES = 32,      /* features, each separately; data == NULL removes one */
    OP_NO_ATTRIBUTES = 64, /* patch, "attributes": null: remove all before OP_ATTRIBUTES */
    OP_NO_FEATURES = 128,  /* "features": null: remove all before OP_FEATURES */
    OP_DESCRIPTION = 256,  /* description; absent removes it */
};

typedef struct op_item {
    slice id;
    uint32_t given; /* OP_TITLE, ... */
    uint32_t category_count;
    uint32_t attribute_count;
    uint32_t feature_count;
    slice title;
    slice description;
    const slice *categories;     /* (category_count) */
    const attribute *attributes; /* (attribute_count) each name once */
    const feature *features;     /* (feature_count) each modality once */
    int64_t created;             /* epoch seconds */
    bool hidden;
    /* The hash of the text that encoded features were made from (storage/records/item_text.h). Of
     * ops, only OP_ITEMS_ENCODED has it: an entry has only the id, the hash and features[0]. If
     * that has no data, the vector is removed: the encoder refused the text, or the item has none
     * any more. */
    uint64_t text_hash;
    const struct cold_item
        *prepared; /* not stored; passed on in the change_item, whose reader owns it */
} op_item;

typedef struct op_interaction {
    slice user, item;
    slice type;    /* name; in a removal, absent (at == NULL) means every type */
    int64_t time;  /* epoch seconds */
    float weight;  /* in the graph; > 0, finite */
    uint8_t flags; /* EDGE_* of core/common/change.h */
    uint8_t split; /* 0 for everything that comes through the API */
} op_interaction;

/* A trained generation as its training finished it. Its tables are copied separately. */
typedef struct op_registration {
    unsigned char id[16];     /* UUID */
    unsigned char sha256[32]; /* checksum of its tables (storage/models/generation_sum.c) */
    unsigned char lineage[16];
    int64_t created; /* epoch seconds */
    uint64_t seq;    /* the store's seq when the data was read */
    uint64_t bytes;  /* size of all tables together */
    uint32_t users, items;
    bool activate; /* the service must activate it after registering it */
    slice summary; /* JSON text: options, metrics, curve */
} op_registration;

/* What the answer to an op contains besides the results. Decided at admission. */
typedef struct op_answer {
    bool single;         /* the answer has the status of the only entry */
    uint16_t errors_max; /* the most problems that it lists */
    uint32_t model;      /* active generation at admission; 0 if none */
    slice list;          /* JSON pointer to the entries in the request's body: "/items" */
    slice request_id;
    /* (count) a JSON document for each entry; absent for an entry without one. NULL: the answer
     * contains no embeddings and no model */
    const slice *embeddings;
} op_answer;

/* op_render builds, inside the op's transaction, the answer for repeats with the same
 * Idempotency-Key. `result` is that of this op; `status` and `body` go into the record, and the
 * body is allocated from `a`. The answer depends only on the op and its result, so that every node
 * stores the same answer. It must be quick and take no lock. */
struct apply_result;
typedef struct op op;
typedef err_code (*op_render)(const op *o, const struct apply_result *result, arena *a,
                              uint16_t *status, slice *body, err *e);

struct op {
    op_kind kind;
    /* 0 means OP_VERSION. A decoded op has that of its bytes. A writer with a log sets the version
     * that all nodes read. */
    uint8_t version;
    int64_t time; /* time of admission, epoch seconds */
    /* OP_INTERACTIONS_ADD: unknown items are created, hidden and without features */
    bool create_items;
    uint32_t count;                     /* number of entries; 1 if the kind has none */
    const op_item *items;               /* OP_ITEMS_*: (count) */
    const op_interaction *interactions; /* OP_INTERACTIONS_*: (count) */
    slice user;                         /* OP_USER_ERASE; the log has user_row instead */
    uint32_t user_row;                  /* only in the log */
    uint32_t generation;                /* OP_GENERATION_ACTIVATE; 0 means none */
    /* OP_GENERATION_PRUNE: how many stay besides the active one */
    uint32_t keep;
    op_registration registration; /* OP_GENERATION_REGISTER */

    /* The key and answer to store for repeats. key.at == NULL: there is none, and none of this is
     * encoded. */
    slice idempotency_key;
    unsigned char idempotency_hash[IDEMPOTENCY_HASH_BYTES]; /* hash of method, path and body */
    op_answer answer;
    op_render render; /* not encoded; NULL: the answer is empty */

    arena memory; /* owns all of the above if the op was made by op_new or op_decode */
};

/* op_version returns the version by which an op is encoded and applied. */
static inline unsigned op_version(const op *o)
{
    return o->version != 0 ? o->version : OP_VERSION;
}

/* op_version_least returns the oldest version that can express the op. */
unsigned op_version_least(const op *o);

/* op_new makes an empty op that may use up to `bytes_max` of memory. Free with op_free. */
err_code op_new(op **out, op_kind kind, size_t bytes_max, err *e) ERR_CHECKED;

/* op_free accepts NULL. */
void op_free(op *o);

/* op_check validates what apply relies on: kinds, counts, lengths, limits, finite numbers, unique
 * names. It is for bytes from disk and for tests; the API checks more. */
err_code op_check(const op *o, err *e) ERR_CHECKED;

/* op_encode encodes the op in its version. *out is allocated in `a`. */
err_code op_encode(const op *o, arena *a, slice *out, err *e) ERR_CHECKED;

/* op_decode decodes and checks an op, and copies everything. ERR_CORRUPT: the bytes are damaged.
 * ERR_CONFLICT: its version is newer than OP_VERSION. Entries that an erasure removed are
 * missing, so count may be 0. Free with op_free. */
err_code op_decode(op **out, slice bytes, err *e) ERR_CHECKED;

#endif
