/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parcels: blobs beside the log, which are too large for its messages.
 *
 * The stream STAIR_<name>_BLOBS holds each blob in parts under a subject of its own, so that one
 * blob can be purged without another. A blob counts once it was read back and its SHA-256 is right.
 * What there is, is told by the index, a bucket without a time to live; its values are JSON.
 *
 * One thread at a time.
 */
#ifndef SERVER_PARCELS_H
#define SERVER_PARCELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "server/cluster/link.h"
#include "storage/env/sha256.h"

enum {
    PARCEL_ID_MAX = 96,
    PARCEL_SHA256_TEXT = 2 * SHA256_BYTES + 1,
    PARCEL_PART_BYTES = 1024 * 1024
};

typedef struct parcel {
    char id[PARCEL_ID_MAX]; /* [a-zA-Z0-9_.-], part of a subject */
    uint64_t bytes;
    uint32_t parts;
    char sha256[PARCEL_SHA256_TEXT];
} parcel;

typedef struct parcels parcels;

/* parcels_open makes stream and index where there are none. The link is borrowed. */
err_code parcels_open(parcels **out, const nats_link *k, const char *cluster, int replicas,
                      err *e) ERR_CHECKED;
void parcels_close(parcels *b); /* accepts NULL */

/* A connection of its own with what is beside the log, for a thread that lives long. Zeroed: none.
 */
typedef struct parcels_link {
    nats_link *k;   /* NULL: none */
    parcels *blobs; /* NULL: they could not be opened */
} parcels_link;

/* parcels_link_up connects where there is no connection that lives and has its blobs;
 * parcels_link_down closes it. */
err_code parcels_link_up(parcels_link *l, const cluster_options *o, int replicas,
                         err *e) ERR_CHECKED;
void parcels_link_down(parcels_link *l);

/* parcel_name sets an id of this kind that no other blob has. */
void parcel_name(parcel *x, const char *kind);

/* What a blob is read from and written to. `read` gives the next bytes, *got = 0 at the end. */
typedef err_code (*parcel_read)(void *ctx, void *out, size_t room, size_t *got, err *e);
typedef err_code (*parcel_write)(void *ctx, const void *bytes, size_t count, err *e);

/* parcel_put stores all that `read` gives under x->id, fills in the rest of `x`, and reads it back.
 * What was stored of a blob that failed is purged. */
err_code parcel_put(parcels *b, parcel *x, parcel_read read, void *ctx, err *e) ERR_CHECKED;

/* parcel_get hands the blob to `write` (NULL: only verified). ERR_CORRUPT if it is not what it is
 * said to be, which is known at its end. */
err_code parcel_get(parcels *b, const parcel *x, parcel_write write, void *ctx, err *e) ERR_CHECKED;

/* parcel_purge takes a blob away. */
err_code parcel_purge(parcels *b, const char *id, err *e) ERR_CHECKED;

/* parcel_json and parcel_from_json: the members "id", "bytes", "parts", "sha256" of an index entry.
 */
json_t *parcel_json(const parcel *x);
bool parcel_from_json(parcel *x, const json_t *document);

/* The index. parcel_index_put takes the document over; parcel_index_list gives an object of all
 * entries by key; parcel_index_remove forgets one. */
err_code parcel_index_put(parcels *b, const char *key, json_t *taken, err *e) ERR_CHECKED;
err_code parcel_index_list(parcels *b, json_t **out, err *e) ERR_CHECKED;
err_code parcel_index_remove(parcels *b, const char *key, err *e) ERR_CHECKED;

#endif
