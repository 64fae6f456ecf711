/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write: a write from the checked request to its answer.
 *
 * An api_write owns the op, what was computed for it at admission (the vectors of new items), and
 * what the answer needs. The same function renders the answer and the record that a repeat of an
 * Idempotency-Key gets. For the record it runs inside the op's transaction, on the writer's thread,
 * and uses only what the op carries (op_answer).
 *
 * One thread at a time; it passes from the request's thread to the writer's and back.
 */
#ifndef API_WRITE_H
#define API_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "api/web/context.h"
#include "api/web/json_write.h"
#include "core/common/arena.h"
#include "core/serve/state/coldstart.h"
#include "storage/log/op.h"

enum { REQUEST_ID_BYTES_MAX = OP_REQUEST_ID_BYTES_MAX };

/* How the vector of a new item was computed, by names. Everything is in the op's arena. */
typedef struct write_embedding {
    bool known; /* something was computed for this entry */
    uint32_t from_count, missing_count, unused_count, neighbour_count;
    const slice *from, *missing, *unused;
    slice pending; /* modality that an encoder will make from the texts; absent if none */
    const struct write_neighbour {
        slice item, modality;
        float similarity;
    } * neighbours;
} write_embedding;

struct api_write {
    op *op;
    bool single;      /* the answer has the status of its entry */
    const char *list; /* JSON pointer to the entries in the body: "/items" */
    const char *route;
    uint32_t model;              /* generation at admission; 0 if none */
    write_embedding *embeddings; /* (op->count) or NULL */
    cold_item **prepared;        /* (op->count) or NULL; the vectors of new items, owned */
    slice location;              /* path of a new item, for the Location header */
    char request_id[REQUEST_ID_BYTES_MAX + 1];
    size_t errors_max;
    api_erasure_terms erasure; /* for the answer to an erasure */
};

/* write_new makes a write with an empty op of this kind. The context owns it. The op may use
 * `bytes_max`. */
err_code write_new(context *c, op_kind kind, size_t bytes_max, api_write **out, err *e) ERR_CHECKED;

/* write_free accepts NULL. */
void write_free(api_write *w);

/* write_idempotent adds the Idempotency-Key of a POST, if it has one, to the op. Other methods can
 * be repeated safely without one; and a DELETE answered from memory would not delete what has been
 * created again since. */
err_code write_idempotent(context *c, api_write *w, err *e) ERR_CHECKED;

/* write_render is the op_render of every op that the API makes or a log delivers. */
err_code write_render(const op *o, const apply_result *result, arena *a, uint16_t *status,
                      slice *body, err *e) ERR_CHECKED;

/* write_embedding_put writes the document of one embedding. */
void write_embedding_put(buffer *b, const write_embedding *m);

/* write_answer renders the outcome of the op: the answer, or a problem. */
void write_answer(const api_write *w, const apply_result *result, api_response *response);

#endif
