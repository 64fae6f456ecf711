/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvec: a vector that keeps its old versions, by sharing what did not change.
 *
 * A pvec is a value: copying the struct gives a second vector for free. Elements live in leaves of
 * a fixed size under a radix tree; to change an element, its leaf and the few nodes above it are
 * copied once per transaction (pvec_txn) and then changed in place. Versions that readers hold are
 * never touched. Leaves that were never written are absent and read as zeros, so sparse vectors
 * (bitmaps of rare categories) cost what they hold.
 *
 * Reading is thread-safe. A transaction belongs to one thread; the memory that it replaces is
 * collected in it, and whoever publishes decides when to free it (core/common/epoch.h).
 */
#ifndef CORE_PVEC_H
#define CORE_PVEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct pvec_node pvec_node;

typedef struct pvec {
    pvec_node *root; /* NULL: all zeros */
    uint16_t element_bytes;
    uint8_t leaf_bits; /* elements per leaf = 1 << leaf_bits */
    uint8_t height;    /* levels of nodes above the leaves */
} pvec;

typedef void (*pvec_free_fn)(void *memory);

typedef struct pvec_piece {
    void *memory;
    pvec_free_fn release;
} pvec_piece;

/* Memory that a transaction made, and memory that its version no longer uses. */
typedef struct pvec_txn {
    uint64_t stamp; /* nodes made by this transaction carry it */
    pvec_piece *made;
    size_t made_count, made_room;
    pvec_piece *replaced;
    size_t replaced_count, replaced_room;
} pvec_txn;

/* pvec_init makes an empty vector; element_bytes << leaf_bits is a leaf's size. */
void pvec_init(pvec *v, size_t element_bytes, unsigned leaf_bits);

/* pvec_get borrows element i of any index; zeros where nothing was written. Element sizes up to
 * PVEC_ELEMENT_MAX bytes. */
enum { PVEC_ELEMENT_MAX = 64 };
const void *pvec_get(const pvec *v, size_t i);

/* pvec_leaf borrows leaf number `leaf` (elements from leaf << leaf_bits on), NULL if absent. */
const void *pvec_leaf(const pvec *v, size_t leaf);

/* pvec_edit gives a writable place for element i in the version that *v becomes; it stays where it
 * is until the transaction ends. After a failure the transaction can only be undone. */
err_code pvec_edit(void **out, pvec *v, pvec_txn *txn, size_t i, err *e) ERR_CHECKED;

/* pvec_free frees every node that *v reaches: only when no other version is in use. */
void pvec_free(pvec *v);

/* pvec_txn_begin starts a transaction; stamps must never repeat within the vectors' life. */
void pvec_txn_begin(pvec_txn *txn, uint64_t stamp);

/* pvec_txn_made and pvec_txn_replaced hand memory over to the transaction's two lists: what is
 * freed if it is undone, and what is freed some time after it was published. On failure the memory
 * still belongs to the caller. */
err_code pvec_txn_made(pvec_txn *txn, void *memory, pvec_free_fn release, err *e) ERR_CHECKED;
err_code pvec_txn_replaced(pvec_txn *txn, void *memory, pvec_free_fn release, err *e) ERR_CHECKED;

/* pvec_txn_replaced_all does so with every node of *v, which the new version drops whole. */
err_code pvec_txn_replaced_all(pvec_txn *txn, const pvec *v, err *e) ERR_CHECKED;

/* pvec_txn_undo frees all that was made and forgets what was replaced. pvec_txn_fini frees the
 * lists alone. */
void pvec_txn_undo(pvec_txn *txn);
void pvec_txn_fini(pvec_txn *txn);

#endif
