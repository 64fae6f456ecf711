/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parcels: blobs beside the log, for data that is too large for its messages.
 *
 * The stream STAIR_<name>_BLOBS holds each blob in parts. Each blob has a subject of its own, so
 * that it can be purged alone. A blob counts as stored after it has been read back and its SHA-256
 * is right. An index, a bucket without a time to live, lists the blobs; its values are JSON.
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

/* A test of what happens after these minutes builds a node in which they are seconds. */
#ifndef STAIR_SETTLE_SECONDS
#define STAIR_SETTLE_SECONDS 600
#endif

enum {
    PARCEL_ID_MAX = 96,
    PARCEL_SHA256_TEXT = 2 * SHA256_BYTES + 1,
    PARCEL_PART_BYTES = 1024 * 1024,
    /* time for which superfluous messages and blobs are kept before they are removed */
    SETTLE_SECONDS = STAIR_SETTLE_SECONDS,
    /* age after which parts that no index entry refers to belong to nobody */
    PARCEL_STRAY_SECONDS = 6 * SETTLE_SECONDS
};

typedef struct parcel {
    char id[PARCEL_ID_MAX]; /* [a-zA-Z0-9_.-], part of a subject */
    uint64_t bytes;
    uint32_t parts;
    char sha256[PARCEL_SHA256_TEXT];
} parcel;

typedef struct parcels parcels;

/* parcels_open makes the stream and the index if they are missing. The link is borrowed. */
err_code parcels_open(parcels **out, const nats_link *k, const char *cluster, int replicas,
                      err *e) ERR_CHECKED;
void parcels_close(parcels *b); /* accepts NULL */

/* A connection of its own to the blobs, for a thread that lives long. A zeroed one is not
 * connected. */
typedef struct parcels_link {
    nats_link *k;   /* NULL if not connected */
    parcels *blobs; /* NULL if they could not be opened */
} parcels_link;

/* parcels_link_up connects unless a live connection with open blobs exists. parcels_link_down
 * closes it. */
err_code parcels_link_up(parcels_link *l, const cluster_options *o, int replicas,
                         err *e) ERR_CHECKED;
void parcels_link_down(parcels_link *l);

/* parcel_name sets a unique id that begins with the kind. */
void parcel_name(parcel *x, const char *kind);

/* Callbacks that give and take a blob's bytes. `read` sets *got = 0 at the end. */
typedef err_code (*parcel_read)(void *ctx, void *out, size_t room, size_t *got, err *e);
typedef err_code (*parcel_write)(void *ctx, const void *bytes, size_t count, err *e);

/* parcel_put stores all that `read` gives under x->id, fills in the other members of `x`, and reads
 * the blob back. If it fails, it purges what it stored. */
err_code parcel_put(parcels *b, parcel *x, parcel_read read, void *ctx, err *e) ERR_CHECKED;

/* parcel_get hands the blob to `write`, or only verifies it if `write` is NULL. ERR_CORRUPT: the
 * content does not match `x`; this is known only at the end. */
err_code parcel_get(parcels *b, const parcel *x, parcel_write write, void *ctx, err *e) ERR_CHECKED;

/* parcel_purge removes a blob and makes the servers overwrite its parts in their files, which takes
 * some milliseconds for each part. */
err_code parcel_purge(parcels *b, const char *id, err *e) ERR_CHECKED;

/* parcel_ids returns an array of the ids that have parts. parcel_last_stored returns the time at
 * which the newest part of an id was stored, in epoch seconds by the servers' clock; ERR_NOT_FOUND
 * if it has no parts. */
err_code parcel_ids(parcels *b, json_t **out, err *e) ERR_CHECKED;
err_code parcel_last_stored(parcels *b, const char *id, int64_t *out, err *e) ERR_CHECKED;

/* parcel_json and parcel_from_json convert to and from the members "id", "bytes", "parts" and
 * "sha256" of an index entry. */
json_t *parcel_json(const parcel *x);
bool parcel_from_json(parcel *x, const json_t *document);

/* The index. parcel_index_put takes ownership of the document. parcel_index_list returns an object
 * with all entries by key; the member "stored" of each is the time at which it was written, in
 * epoch seconds by the servers' clock. parcel_index_remove removes an entry. */
err_code parcel_index_put(parcels *b, const char *key, json_t *taken, err *e) ERR_CHECKED;
err_code parcel_index_list(parcels *b, json_t **out, err *e) ERR_CHECKED;
err_code parcel_index_remove(parcels *b, const char *key, err *e) ERR_CHECKED;

#endif
