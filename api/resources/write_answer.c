/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write_answer: writes the answer to a write, from its op and the result of applying it.
 *
 * There are two callers: the HTTP thread answers the request, and whoever applies an op with an
 * Idempotency-Key keeps the answer for repeats. Both get the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "api/resources/write.h"
#include "api/web/problem.h"
#include "core/common/timestamp.h"

/* Larger than any answer to OP_ENTRIES_MAX entries. */
static const size_t RENDER_BYTES_MAX = (size_t)64 << 20;

static void put_names(buffer *b, const char *key, const slice *names, uint32_t count)
{
    json_put_key(b, key);
    buffer_put(b, "[", 1);
    for (uint32_t i = 0; i < count; i++) {
        json_put_comma(b);
        json_put_string(b, names[i]);
    }
    buffer_put(b, "]", 1);
}

void write_embedding_put(buffer *b, const write_embedding *m)
{
    buffer_put(b, "{", 1);
    put_names(b, "from", m->from, m->from_count);
    put_names(b, "missing", m->missing, m->missing_count);
    put_names(b, "unused", m->unused, m->unused_count);
    if (m->pending.at != NULL) {
        put_names(b, "pending", &m->pending, 1);
    }
    json_put_key(b, "neighbours");
    buffer_put(b, "[", 1);
    for (uint32_t i = 0; i < m->neighbour_count; i++) {
        json_put_comma(b);
        buffer_put_text(b, "{\"item\":");
        json_put_string(b, m->neighbours[i].item);
        json_put_key(b, "modality");
        json_put_string(b, m->neighbours[i].modality);
        json_put_key(b, "similarity");
        json_put_float(b, m->neighbours[i].similarity);
        buffer_put(b, "}", 1);
    }
    buffer_put_text(b, "]}");
}

/* What an answer is made from: the op and properties of its request. */
typedef struct reply {
    const op *op;
    bool single;
    const char *list, *request_id;
    uint32_t model;
    const write_embedding *embeddings; /* (op->count); NULL: use those in the op */
    slice location;
    size_t errors_max;
    const api_erasure_terms *erasure; /* NULL if not known */
} reply;

static bool tells_embeddings(const reply *w)
{
    return w->embeddings != NULL || w->op->answer.embeddings != NULL;
}

/* put_embedding writes what the request computed, or what its op carries. */
static void put_embedding(buffer *b, const reply *w, uint32_t i)
{
    slice carried = w->op->answer.embeddings != NULL ? w->op->answer.embeddings[i] : slice_of(NULL);
    if (carried.at != NULL) {
        json_put_key(b, "embedding");
        buffer_put(b, carried.at, carried.length);
    } else if (w->embeddings != NULL && w->embeddings[i].known) {
        json_put_key(b, "embedding");
        write_embedding_put(b, &w->embeddings[i]);
    }
}

static unsigned entry_status(const apply_entry *entry)
{
    if (entry->code != ERR_OK) {
        return problem_status(entry->code);
    }
    return entry->outcome == APPLY_CREATED ? 201 : 200;
}

/* put_entry writes the members that describe the outcome of entry `i`, except its status. */
static void put_entry(buffer *b, const reply *w, const apply_entry *entry, uint32_t i)
{
    if (tells_embeddings(w) && entry->code == ERR_OK) {
        put_embedding(b, w, i);
    }
    bool counts = w->op->kind == OP_INTERACTIONS_REMOVE || w->op->kind == OP_GENERATION_PRUNE;
    if (entry->code == ERR_OK && counts) {
        json_put_key(b, "removed");
        json_put_unsigned(b, entry->removed);
    }
}

static void put_time(buffer *b, const char *key, int64_t seconds)
{
    char text[TIMESTAMP_TEXT_MAX];
    timestamp_format(seconds, text);
    json_put_key(b, key);
    json_put_text(b, text);
}

/* put_free_by writes when the cluster's copies no longer contain the user. The op itself empties
 * the stored answers. */
static void put_free_by(buffer *b, const api_erasure_terms *t, int64_t erased)
{
    json_put_key(b, "free_by");
    buffer_put(b, "{", 1);
    put_time(b, "kept_answers", erased);
    put_time(b, "generations", erased + t->generations_seconds);
    put_time(b, "snapshots", erased + t->snapshots_seconds);
    put_time(b, "log", erased + t->log_seconds);
    put_time(b, "blobs", erased + t->blobs_seconds);
    buffer_put(b, "}", 1);
}

static void put_receipt(buffer *b, const reply *w, const apply_receipt *r)
{
    bool copied = w->erasure != NULL && w->erasure->copied;
    json_put_key(b, "erased");
    buffer_put(b, "{", 1);
    json_put_key(b, "interactions");
    json_put_unsigned(b, r->interactions);
    json_put_key(b, "generations");
    json_put_unsigned(b, r->generations);
    json_put_key(b, "log_entries");
    json_put_unsigned(b, r->log_entries);
    json_put_key(b, "idempotency_records");
    json_put_unsigned(b, r->idempotency);
    json_put_key(b, "checkpoint");
    json_put_bool(b, r->checkpoint);
    buffer_put(b, "}", 1);
    json_put_key(b, "training_running");
    json_put_bool(b, r->training);
    json_put_key(b, "out_of_reach");
    buffer_put_text(b, "[\"snapshots and exports made before\",\"free pages of the store that are "
                       "not overwritten yet\"");
    if (copied) {
        buffer_put_text(b,
                        ",\"stores of nodes that do not run, until they have applied the erasure\","
                        "\"trimmed messages in the NATS servers' files, until these rewrite "
                        "them\"");
    }
    buffer_put(b, "]", 1);
    if (copied) {
        put_free_by(b, w->erasure, w->op->time);
    }
}

static void put_model_seq(buffer *b, const reply *w, uint64_t seq)
{
    if (w->op->kind == OP_GENERATION_ACTIVATE) {
        json_put_key(b, "model");
        json_put_unsigned(b, w->op->generation);
    } else if (tells_embeddings(w)) {
        json_put_key(b, "model");
        if (w->model == 0) {
            buffer_put(b, "null", 4);
        } else {
            json_put_unsigned(b, w->model);
        }
    }
    json_put_key(b, "seq");
    json_put_unsigned(b, seq);
}

static void put_location(const reply *w, api_response *r)
{
    if (r->status == 201 && w->location.at != NULL && w->location.length < sizeof r->location) {
        memcpy(r->location, w->location.at, w->location.length);
        r->location[w->location.length] = '\0';
    }
}

static void answer_single(const reply *w, const apply_result *result, api_response *r)
{
    const apply_entry *entry = &result->entries[0];
    buffer *b = &r->body;
    r->status = entry_status(entry);
    buffer_put(b, "{", 1);
    if (w->op->kind == OP_USER_ERASE) {
        json_put_key(b, "user");
        json_put_string(b, w->op->user);
        put_receipt(b, w, &result->receipt);
    } else if (w->op->items != NULL) {
        json_put_key(b, "id");
        json_put_string(b, w->op->items[0].id);
    } else if (w->op->interactions != NULL) {
        json_put_key(b, "user");
        json_put_string(b, w->op->interactions[0].user);
        json_put_key(b, "item");
        json_put_string(b, w->op->interactions[0].item);
    }
    put_entry(b, w, entry, 0);
    put_model_seq(b, w, result->seq);
    buffer_put(b, "}", 1);
    put_location(w, r);
}

static void put_results(const reply *w, const apply_result *result, buffer *b)
{
    json_put_key(b, "accepted");
    json_put_unsigned(b, result->accepted);
    json_put_key(b, "results");
    buffer_put(b, "[", 1);
    for (uint32_t i = 0; i < result->entry_count; i++) {
        const apply_entry *entry = &result->entries[i];
        buffer_put_text(b, i > 0 ? ",{\"index\":" : "{\"index\":");
        json_put_unsigned(b, i);
        buffer_put_text(b, ",\"status\":");
        json_put_unsigned(b, entry_status(entry));
        if (entry->detail != NULL) {
            json_put_key(b, "detail");
            json_put_text(b, entry->detail);
        }
        put_entry(b, w, entry, i);
        buffer_put(b, "}", 1);
    }
    buffer_put(b, "]", 1);
}

/* shared_status returns the status that all refused entries share, otherwise 400. */
static unsigned shared_status(const apply_result *result)
{
    unsigned status = problem_status(result->entries[0].code);
    for (uint32_t i = 1; i < result->entry_count; i++) {
        if (problem_status(result->entries[i].code) != status) {
            return 400;
        }
    }
    return status;
}

/* answer_refused answers a write of which nothing was accepted: a problem that points to each
 * entry. */
static void answer_refused(const reply *w, const apply_result *result, api_response *r)
{
    arena memory;
    arena_init(&memory, (size_t)1 << 20);
    problem_list list;
    problem_list_init(&list, w->errors_max, &memory);
    for (uint32_t i = 0; i < result->entry_count; i++) {
        const apply_entry *entry = &result->entries[i];
        /* entries that are plain ids have no members to point to */
        bool bare = w->op->kind == OP_ITEMS_DELETE;
        slice field = bare ? (slice){"", 0} : entry->field;
        const char *detail = entry->detail != NULL ? entry->detail : "refused";
        char pointer[ERR_TEXT_MAX];
        if (w->single) {
            snprintf(pointer, sizeof pointer, "%.*s", (int)field.length, field.at);
        } else {
            snprintf(pointer, sizeof pointer, "%s/%u%.*s", w->list, i, (int)field.length, field.at);
        }
        problem_report(&list, pointer, detail);
    }
    const apply_entry *first = &result->entries[0];
    unsigned status = shared_status(result);
    const char *name = status == problem_status(first->code) ? err_code_name(first->code) : NULL;
    const char *detail = first->detail != NULL ? first->detail : "refused";
    snprintf(r->cause, sizeof r->cause, "%s", detail);
    r->code = first->code;
    if (w->single) {
        problem_open(r, status, name, detail);
    } else {
        problem_open(r, status, name, "every entry was refused");
        put_results(w, result, &r->body);
    }
    json_put_key(&r->body, "seq");
    json_put_unsigned(&r->body, result->seq);
    bool placed = !w->single || first->field.at != NULL;
    problem_close(r, placed && w->list[0] != '\0' ? &list : NULL, slice_of(w->request_id));
    arena_fini(&memory);
}

static void answer(const reply *w, const apply_result *result, api_response *r)
{
    r->content_type = "application/json";
    if (result->accepted == 0) {
        answer_refused(w, result, r);
    } else if (w->single) {
        answer_single(w, result, r);
    } else {
        r->status = 200;
        buffer_put(&r->body, "{", 1);
        put_results(w, result, &r->body);
        put_model_seq(&r->body, w, result->seq);
        buffer_put(&r->body, "}", 1);
    }
}

void write_answer(const api_write *w, const apply_result *result, api_response *r)
{
    err e = ERR_INIT;
    const reply whole = {.op = w->op,
                         .single = w->single,
                         .list = w->list,
                         .request_id = w->request_id,
                         .model = w->model,
                         .embeddings = w->embeddings,
                         .location = w->location,
                         .errors_max = w->errors_max,
                         .erasure = &w->erasure};
    buffer_reset(&r->body, SIZE_MAX);
    r->route = w->route;
    if (result->replayed) {
        r->status = result->status;
        r->content_type = result->status < 400 ? "application/json" : "application/problem+json";
        buffer_put(&r->body, result->body.at, result->body.length);
        put_location(&whole, r);
    } else if (result->entry_count == 0 || result->code == ERR_UNPROCESSABLE ||
               problem_status(result->code) >= 500) {
        if (result->code != ERR_OK || result->entry_count == 0) {
            err_set(&e, result->code != ERR_OK ? result->code : ERR_INTERNAL, "%s", result->detail);
        }
    }
    if (e.code == ERR_OK && !result->replayed) {
        answer(&whole, result, r);
    }
    if (e.code == ERR_OK && json_answer_check(&r->body, &e) == ERR_OK) {
        return;
    }
    buffer_reset(&r->body, 0);
    problem_respond(r, &e, NULL, slice_of(w->request_id));
}

err_code write_render(const op *o, const apply_result *result, arena *a, uint16_t *status,
                      slice *body, err *e)
{
    char list[OP_LIST_BYTES_MAX + 1], request_id[REQUEST_ID_BYTES_MAX + 1];
    const reply whole = {.op = o,
                         .single = o->answer.single,
                         .list = list,
                         .request_id = request_id,
                         .model = o->answer.model,
                         .errors_max = o->answer.errors_max};
    api_response r;
    snprintf(list, sizeof list, "%.*s", (int)o->answer.list.length, o->answer.list.at);
    snprintf(request_id, sizeof request_id, "%.*s", (int)o->answer.request_id.length,
             o->answer.request_id.at);
    api_response_init(&r, RENDER_BYTES_MAX);
    answer(&whole, result, &r);
    err_code code = json_answer_check(&r.body, e);
    if (code == ERR_OK) {
        *status = (uint16_t)r.status;
        *body = arena_slice(a, (slice){r.body.at, r.body.length});
        code = body->at == NULL ? err_nomem(e, "an answer") : ERR_OK;
    }
    api_response_fini(&r);
    return code;
}
