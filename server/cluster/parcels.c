/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/parcels.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/common/mem.h"
#include "server/cluster/feed.h"
#include "server/telemetry/clock.h"

enum {
    NAME_MAX_BYTES = 64,
    SUBJECT_MAX = 192,
    HEAD_BYTES = 4,
    HEADERS_BYTES = 512,
    PUT_MS = 5000,
    PUT_TRIES = 4
};

/* A part that has not come for this long, while the server sends heartbeats, is lost. */
static const uint64_t LATE_PART_NS = 10000000000U;

struct parcels {
    const nats_link *k;
    char stream[NAME_MAX_BYTES], cluster[NAME_MAX_BYTES];
    kvStore *index;
    char *part; /* (HEAD_BYTES + PARCEL_PART_BYTES) the part being sent */
    size_t part_bytes;
};

/* --- opening --- */

static err_code make_stream(const parcels *b, int replicas, err *e)
{
    char subject[SUBJECT_MAX];
    const char *subjects[] = {subject};
    jsStreamConfig config;
    jsStreamInfo *info = NULL;
    jsErrCode refusal = 0;
    natsStatus s = js_GetStreamInfo(&info, b->k->stream, b->stream, NULL, &refusal);
    if (s == NATS_NOT_FOUND || refusal == JSStreamNotFoundErr) {
        snprintf(subject, sizeof subject, "stair.%s.blob.>", b->cluster);
        (void)jsStreamConfig_Init(&config);
        config.Name = b->stream;
        config.Description = "blobs of a stair cluster: snapshots, generations, large writes";
        config.Subjects = subjects;
        config.SubjectsLen = 1;
        config.Storage = js_FileStorage;
        config.Discard = js_DiscardNew;
        config.Replicas = replicas;
        config.AllowDirect = true;
        s = js_AddStream(&info, b->k->stream, &config, NULL, &refusal);
    }
    jsStreamInfo_Destroy(info);
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, refusal, "opening the cluster's blobs", e);
}

static err_code open_index(parcels *b, int replicas, err *e)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "STAIR_%.32s_INDEX", b->cluster);
    natsStatus s = js_KeyValue(&b->index, b->k->stream, name);
    if (s == NATS_NOT_FOUND) {
        kvConfig config;
        (void)kvConfig_Init(&config);
        config.Bucket = name;
        config.History = 1;
        config.StorageType = js_FileStorage;
        config.Replicas = replicas;
        s = js_CreateKeyValue(&b->index, b->k->stream, &config);
    }
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, 0, "opening the index of blobs", e);
}

err_code parcels_open(parcels **out, const nats_link *k, const char *cluster, int replicas, err *e)
{
    *out = NULL;
    parcels *b = mem_array(1, sizeof *b);
    char *part = mem_array(1, HEAD_BYTES + PARCEL_PART_BYTES);
    if (b == NULL || part == NULL) {
        mem_free(part);
        mem_free(b);
        return err_nomem(e, "blobs");
    }
    b->part = part;
    b->k = k;
    snprintf(b->cluster, sizeof b->cluster, "%s", cluster);
    snprintf(b->stream, sizeof b->stream, "STAIR_%.32s_BLOBS", cluster);
    size_t most =
        k->payload_max > 2 * HEADERS_BYTES ? k->payload_max - HEADERS_BYTES : HEADERS_BYTES;
    b->part_bytes = most - HEAD_BYTES < PARCEL_PART_BYTES ? most - HEAD_BYTES : PARCEL_PART_BYTES;
    err_code code = make_stream(b, replicas, e);
    code = code == ERR_OK ? open_index(b, replicas, e) : code;
    if (code != ERR_OK) {
        parcels_close(b);
        return code;
    }
    *out = b;
    return ERR_OK;
}

void parcels_close(parcels *b)
{
    if (b != NULL) {
        kvStore_Destroy(b->index);
        mem_free(b->part);
        mem_free(b);
    }
}

void parcels_link_down(parcels_link *l)
{
    parcels_close(l->blobs);
    link_close(l->k);
    *l = (parcels_link){NULL, NULL};
}

err_code parcels_link_up(parcels_link *l, const cluster_options *o, int replicas, err *e)
{
    if (l->blobs != NULL && link_alive(l->k)) {
        return ERR_OK;
    }
    parcels_link_down(l);
    err_code code = link_open(&l->k, o, LINK_MAKE_MS, e);
    return code == ERR_OK ? parcels_open(&l->blobs, l->k, o->name, replicas, e) : code;
}

void parcel_name(parcel *x, const char *kind)
{
    unsigned char bytes[8] = {0};
    memset(x, 0, sizeof *x);
    /* random bytes only tell blobs apart, so a failure is harmless */
    (void)(getrandom(bytes, sizeof bytes, 0) > 0);
    int length = snprintf(x->id, sizeof x->id, "%s.", kind);
    for (size_t i = 0; i < sizeof bytes && (size_t)length + 2 * i + 3 <= sizeof x->id; i++) {
        snprintf(x->id + length + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void set_subject(const parcels *b, const char *id, char out[SUBJECT_MAX])
{
    snprintf(out, SUBJECT_MAX, "stair.%s.blob.%s", b->cluster, id);
}

static void sum_text(const unsigned char sum[SHA256_BYTES], char out[PARCEL_SHA256_TEXT])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
    }
}

/* --- putting --- */

/* put_part sends one part. A part that is sent twice has the same id both times, so the server or
 * the reader drops the second one. */
static err_code put_part(parcels *b, const parcel *x, const char *subject, size_t bytes, err *e)
{
    char id[PARCEL_ID_MAX + 16];
    jsPubOptions how;
    jsErrCode refusal = 0;
    natsStatus s = NATS_OK;
    uint32_t number = htole32(x->parts);
    memcpy(b->part, &number, HEAD_BYTES);
    snprintf(id, sizeof id, "%s-%u", x->id, x->parts);
    (void)jsPubOptions_Init(&how);
    how.MaxWait = PUT_MS;
    how.MsgId = id;
    for (int i = 0; i < PUT_TRIES; i++) {
        s = js_Publish(NULL, b->k->stream, subject, b->part, (int)(HEAD_BYTES + bytes), &how,
                       &refusal);
        if (s != NATS_TIMEOUT && s != NATS_NO_RESPONDERS) {
            break;
        }
    }
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, refusal, "storing a blob", e);
}

/* fill reads one part. *got is less than a part only at the end. */
static err_code fill(const parcels *b, parcel_read read, void *ctx, size_t *got, err *e)
{
    err_code code = ERR_OK;
    size_t more = 1;
    *got = 0;
    while (code == ERR_OK && more > 0 && *got < b->part_bytes) {
        more = 0;
        code = read(ctx, b->part + HEAD_BYTES + *got, b->part_bytes - *got, &more, e);
        *got += more;
    }
    return code;
}

err_code parcel_put(parcels *b, parcel *x, parcel_read read, void *ctx, err *e)
{
    char subject[SUBJECT_MAX];
    unsigned char sum[SHA256_BYTES];
    sha256_sum h;
    size_t got = 0;
    set_subject(b, x->id, subject);
    x->bytes = x->parts = 0;
    err_code code = sha256_begin(&h, e);
    if (code != ERR_OK) {
        return code;
    }
    do {
        code = fill(b, read, ctx, &got, e);
        if (code == ERR_OK && got > 0) {
            sha256_add(&h, b->part + HEAD_BYTES, got);
            code = put_part(b, x, subject, got, e);
            x->parts++;
            x->bytes += got;
        }
    } while (code == ERR_OK && got > 0);
    if (code == ERR_OK) {
        code = sha256_end(&h, sum, e);
        sum_text(sum, x->sha256);
    } else {
        sha256_drop(&h);
    }
    code = code == ERR_OK ? parcel_get(b, x, NULL, NULL, e) : code;
    if (code != ERR_OK) {
        (void)(parcel_purge(b, x->id, NULL) == ERR_OK);
    }
    return code;
}

/* --- getting --- */

typedef struct getting {
    const parcel *x;
    parcel_write write;
    void *ctx;
    sha256_sum h;
    uint64_t bytes;
    uint32_t parts;
} getting;

static err_code take_part(getting *g, slice bytes, err *e)
{
    uint32_t number = 0;
    if (bytes.length < HEAD_BYTES) {
        return err_set(e, ERR_CORRUPT, "the blob %s is damaged", g->x->id);
    }
    memcpy(&number, bytes.at, HEAD_BYTES);
    number = le32toh(number);
    if (number < g->parts) {
        return ERR_OK; /* the part was sent twice */
    }
    size_t count = bytes.length - HEAD_BYTES;
    if (number != g->parts || g->bytes + count > g->x->bytes) {
        return err_set(e, ERR_CORRUPT, "the blob %s is damaged", g->x->id);
    }
    sha256_add(&g->h, bytes.at + HEAD_BYTES, count);
    g->parts++;
    g->bytes += count;
    return g->write != NULL ? g->write(g->ctx, bytes.at + HEAD_BYTES, count, e) : ERR_OK;
}

/* read_parts ends once it has all parts. The consumer can be on a server whose replica of the
 * stream is behind, so "nothing follows" does not mean that a part is lost: only LATE_PART_NS
 * without one means it. */
static err_code read_parts(getting *g, feed *f, err *e)
{
    err_code code = ERR_OK;
    uint64_t since_ns = clock_ns();
    while (code == ERR_OK && g->parts < g->x->parts) {
        feed_message m;
        code = feed_next(f, &m, e);
        if (code == ERR_OK && m.owned != NULL) {
            code = take_part(g, m.bytes, e);
            feed_message_free(&m);
            since_ns = clock_ns();
        } else if (code == ERR_OK && feed_pushes(f) && clock_ns() - since_ns > LATE_PART_NS) {
            code = err_set(e, ERR_CORRUPT, "the blob %s has %u of its %u parts", g->x->id, g->parts,
                           g->x->parts);
        }
    }
    return code;
}

err_code parcel_get(parcels *b, const parcel *x, parcel_write write, void *ctx, err *e)
{
    char subject[SUBJECT_MAX], text[PARCEL_SHA256_TEXT];
    unsigned char sum[SHA256_BYTES];
    getting g = {.x = x, .write = write, .ctx = ctx};
    feed *f = NULL;
    set_subject(b, x->id, subject);
    const feed_from from = {.stream = b->stream, .subject = subject, .ask_ms = LINK_MAKE_MS};
    err_code code = sha256_begin(&g.h, e);
    if (code != ERR_OK) {
        return code;
    }
    code = x->parts > 0 ? feed_open(&f, b->k, &from, e) : ERR_OK;
    code = code == ERR_OK ? read_parts(&g, f, e) : code;
    feed_close(f);
    if (code != ERR_OK) {
        sha256_drop(&g.h);
        return code;
    }
    code = sha256_end(&g.h, sum, e);
    sum_text(sum, text);
    if (code == ERR_OK && (g.bytes != x->bytes || strcmp(text, x->sha256) != 0)) {
        code = err_set(e, ERR_CORRUPT, "the blob %s is damaged: its SHA-256 is wrong", x->id);
    }
    return code;
}

/* erase_parts overwrites the parts in the servers' files: a purge alone leaves the bytes there
 * until the files are rewritten. If erasing fails, the message is purged all the same. */
static void erase_parts(const parcels *b, const char *subject)
{
    natsStatus s = NATS_OK;
    while (s == NATS_OK) {
        natsMsg *m = NULL;
        s = js_GetLastMsg(&m, b->k->stream, b->stream, subject, NULL, NULL);
        s = s == NATS_OK ? js_EraseMsg(b->k->stream, b->stream, natsMsg_GetSequence(m), NULL, NULL)
                         : s;
        natsMsg_Destroy(m);
    }
}

err_code parcel_purge(parcels *b, const char *id, err *e)
{
    char subject[SUBJECT_MAX];
    jsOptions how;
    jsErrCode refusal = 0;
    set_subject(b, id, subject);
    erase_parts(b, subject);
    (void)jsOptions_Init(&how);
    how.Wait = PUT_MS;
    how.Stream.Purge.Subject = subject;
    natsStatus s = js_PurgeStream(b->k->stream, b->stream, &how, &refusal);
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, refusal, "purging a blob", e);
}

/* --- the stored blobs --- */

err_code parcel_ids(parcels *b, json_t **out, err *e)
{
    char prefix[SUBJECT_MAX];
    set_subject(b, "", prefix);
    return link_subjects(b->k, b->stream, prefix, out, e);
}

err_code parcel_last_stored(parcels *b, const char *id, int64_t *out, err *e)
{
    char subject[SUBJECT_MAX];
    natsMsg *m = NULL;
    jsErrCode refusal = 0;
    set_subject(b, id, subject);
    natsStatus s = js_GetLastMsg(&m, b->k->stream, b->stream, subject, NULL, &refusal);
    if (s == NATS_NOT_FOUND) {
        return ERR_NOT_FOUND;
    }
    *out = s == NATS_OK ? natsMsg_GetTime(m) / NS_PER_SECOND : 0;
    natsMsg_Destroy(m);
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, refusal, "asking for a blob", e);
}

/* --- the index --- */

json_t *parcel_json(const parcel *x)
{
    return json_pack("{s:s,s:I,s:I,s:s}", "id", x->id, "bytes", (json_int_t)x->bytes, "parts",
                     (json_int_t)x->parts, "sha256", x->sha256);
}

bool parcel_from_json(parcel *x, const json_t *document)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    const char *sum = json_string_value(json_object_get(document, "sha256"));
    json_int_t bytes = json_integer_value(json_object_get(document, "bytes"));
    json_int_t parts = json_integer_value(json_object_get(document, "parts"));
    memset(x, 0, sizeof *x);
    if (id == NULL || sum == NULL || strlen(id) >= sizeof x->id ||
        strlen(sum) >= sizeof x->sha256 || bytes < 0 || parts < 0 || parts > UINT32_MAX) {
        return false;
    }
    snprintf(x->id, sizeof x->id, "%s", id);
    snprintf(x->sha256, sizeof x->sha256, "%s", sum);
    x->bytes = (uint64_t)bytes;
    x->parts = (uint32_t)parts;
    return true;
}

err_code parcel_index_put(parcels *b, const char *key, json_t *taken, err *e)
{
    char *text = taken != NULL ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    if (text == NULL) {
        return err_nomem(e, "the index of blobs");
    }
    natsStatus s = kvStore_PutString(NULL, b->index, key, text);
    free(text); /* allocated by jansson */
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, 0, "writing the index of blobs", e);
}

static natsStatus add_entry(const parcels *b, const char *key, json_t *out)
{
    kvEntry *entry = NULL;
    natsStatus s = kvStore_Get(&entry, b->index, key);
    json_t *value = s == NATS_OK
                        ? json_loadb(kvEntry_Value(entry), (size_t)kvEntry_ValueLen(entry), 0, NULL)
                        : NULL;
    if (value != NULL) {
        json_object_set_new(value, "stored", json_integer(kvEntry_Created(entry) / NS_PER_SECOND));
        json_object_set_new(out, key, value);
    }
    kvEntry_Destroy(entry);
    return s == NATS_NOT_FOUND ? NATS_OK : s; /* the entry has been removed */
}

err_code parcel_index_list(parcels *b, json_t **out, err *e)
{
    char stream[NAME_MAX_BYTES + 8], prefix[SUBJECT_MAX];
    json_t *keys = NULL;
    size_t i = 0;
    const json_t *key = NULL;
    natsStatus s = NATS_OK;
    *out = NULL;
    snprintf(stream, sizeof stream, "KV_%s", kvStore_Bucket(b->index));
    snprintf(prefix, sizeof prefix, "$KV.%s.", kvStore_Bucket(b->index));
    err_code code = link_subjects(b->k, stream, prefix, &keys, e);
    if (code != ERR_OK) {
        return code;
    }
    *out = json_object();
    json_array_foreach(keys, i, key)
    {
        s = s == NATS_OK ? add_entry(b, json_string_value(key), *out) : s;
    }
    json_decref(keys);
    if (s != NATS_OK) {
        json_decref(*out);
        *out = NULL;
        return link_error(b->k, s, 0, "reading the index of blobs", e);
    }
    return *out != NULL ? ERR_OK : err_nomem(e, "the index of blobs");
}

err_code parcel_index_remove(parcels *b, const char *key, err *e)
{
    natsStatus s = kvStore_Purge(b->index, key, NULL);
    return s == NATS_OK ? ERR_OK : link_error(b->k, s, 0, "writing the index of blobs", e);
}
