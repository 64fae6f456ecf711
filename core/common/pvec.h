/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvec: a vector that keeps its old versions by sharing unchanged parts.
 *
 * A pvec is a value: copying the struct gives a second vector at no cost. Elements are in leaves of
 * a fixed size below a radix tree. To change an element, its leaf and the few nodes above it are
 * copied once per transaction (pvec_txn) and then changed in place. Versions that readers hold are
 * never changed. Leaves that were never written are absent and read as zeros, so a sparse vector
 * (the bitmap of a rare category) takes little memory.
 *
 * Reading is thread-safe. A transaction belongs to one thread. It collects the memory that it
 * replaces; the publisher decides when to free that memory (core/common/epoch.h).
 */
#ifndef CORE_PVEC_H
#define CORE_PVEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct pvec_node pvec_node;

typedef struct pvec {
    pvec_node *root; /* NULL if all elements are zero */
    uint16_t element_bytes;
    uint8_t leaf_bits; /* elements per leaf = 1 << leaf_bits */
    uint8_t height;    /* levels of nodes above the leaves */
} pvec;

typedef void (*pvec_free_fn)(void *memory);

typedef struct pvec_piece {
    void *memory;
    pvec_free_fn release;
} pvec_piece;

/* The memory that a transaction allocated, and the memory that its version no longer uses. */
typedef struct pvec_txn {
    uint64_t stamp; /* nodes made by this transaction carry it */
    pvec_piece *made;
    size_t made_count, made_room;
    pvec_piece *replaced;
    size_t replaced_count, replaced_room;
} pvec_txn;

/* pvec_init makes an empty vector. A leaf has element_bytes << leaf_bits bytes. */
void pvec_init(pvec *v, size_t element_bytes, unsigned leaf_bits);

/* pvec_get borrows element i, for any index; it is zeros if nothing was written there. Elements
 * have at most PVEC_ELEMENT_MAX bytes. */
enum { PVEC_ELEMENT_MAX = 64 };
const void *pvec_get(const pvec *v, size_t i);

/* pvec_leaf borrows leaf number `leaf` (the elements from leaf << leaf_bits on), or returns NULL if
 * it is absent. */
const void *pvec_leaf(const pvec *v, size_t leaf);

/* pvec_edit returns a writable element i in the version that *v becomes. Its address stays valid
 * until the transaction ends. After a failure the transaction can only be undone. */
err_code pvec_edit(void **out, pvec *v, pvec_txn *txn, size_t i, err *e) ERR_CHECKED;

/* pvec_free frees every node of *v. No other version may be in use. */
void pvec_free(pvec *v);

/* pvec_txn_begin starts a transaction. A stamp must never repeat during the vectors' life. */
void pvec_txn_begin(pvec_txn *txn, uint64_t stamp);

/* pvec_txn_made and pvec_txn_replaced hand memory over to the transaction: the former is freed if
 * the transaction is undone, the latter some time after it was published. On failure the caller
 * still owns the memory. */
err_code pvec_txn_made(pvec_txn *txn, void *memory, pvec_free_fn release, err *e) ERR_CHECKED;
err_code pvec_txn_replaced(pvec_txn *txn, void *memory, pvec_free_fn release, err *e) ERR_CHECKED;

/* pvec_txn_replaced_all does this with every node of *v, which the new version no longer uses. */
err_code pvec_txn_replaced_all(pvec_txn *txn, const pvec *v, err *e) ERR_CHECKED;

/* pvec_txn_undo frees all memory that was made and forgets what was replaced. pvec_txn_fini frees
 * only the lists. */
void pvec_txn_undo(pvec_txn *txn);
void pvec_txn_fini(pvec_txn *txn);

#endif
