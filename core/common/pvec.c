/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvec: the persistent radix vector. See the header for the contract.
 *
 * Every node starts with the stamp of the transaction that made it. No reader has seen a node with
 * the current transaction's stamp, so it is changed in place; any other node is copied first.
 */
#include "core/common/pvec.h"

#include <assert.h>
#include <string.h>

#include "core/common/mem.h"

enum { FAN_BITS = 6, FAN = 1 << FAN_BITS };

struct pvec_node {
    uint64_t stamp;
    union {
        pvec_node *child[FAN];
        unsigned char bytes[1]; /* a leaf: in fact element_bytes << leaf_bits bytes */
    };
};

static const unsigned char zeros[PVEC_ELEMENT_MAX] __attribute__((aligned(64)));

void pvec_init(pvec *v, size_t element_bytes, unsigned leaf_bits)
{
    assert(element_bytes > 0 && element_bytes <= PVEC_ELEMENT_MAX && leaf_bits < 20);
    *v = (pvec){NULL, (uint16_t)element_bytes, (uint8_t)leaf_bits, 0};
}

static size_t node_bytes(const pvec *v, unsigned level)
{
    size_t body = level == 0 ? (size_t)v->element_bytes << v->leaf_bits : FAN * sizeof(pvec_node *);
    return offsetof(struct pvec_node, bytes) + body;
}

/* reach_bits returns how many leaves a tree of this height addresses, as a power of two. */
static unsigned reach_bits(unsigned height)
{
    return height * FAN_BITS;
}

const void *pvec_leaf(const pvec *v, size_t leaf)
{
    const pvec_node *node = v->root;
    if (node == NULL || (reach_bits(v->height) < 64 && leaf >> reach_bits(v->height) != 0)) {
        return NULL;
    }
    for (unsigned level = v->height; level > 0 && node != NULL; level--) {
        node = node->child[(leaf >> reach_bits(level - 1)) & (FAN - 1)];
    }
    return node != NULL ? node->bytes : NULL;
}

const void *pvec_get(const pvec *v, size_t i)
{
    const unsigned char *leaf = pvec_leaf(v, i >> v->leaf_bits);
    if (leaf == NULL) {
        return zeros;
    }
    return leaf + (i & (((size_t)1 << v->leaf_bits) - 1)) * v->element_bytes;
}

/* own returns a version of *place that this transaction may write, creating or copying it if
 * necessary. */
static err_code own(const pvec *v, pvec_txn *txn, pvec_node **place, unsigned level, err *e)
{
    pvec_node *old = *place;
    if (old != NULL && old->stamp == txn->stamp) {
        return ERR_OK;
    }
    size_t bytes = node_bytes(v, level);
    pvec_node *node = mem_array(1, bytes);
    if (node == NULL) {
        return err_nomem(e, "a node of the live tables");
    }
    if (old != NULL) {
        memcpy(node, old, bytes);
        err_code code = pvec_txn_replaced(txn, old, mem_free, e);
        if (code != ERR_OK) {
            mem_free(node);
            return code;
        }
    }
    node->stamp = txn->stamp;
    err_code code = pvec_txn_made(txn, node, mem_free, e);
    if (code != ERR_OK) {
        mem_free(node);
        return code;
    }
    *place = node;
    return ERR_OK;
}

/* raise adds levels above the root until the tree addresses `leaf`. */
static err_code raise(pvec *v, pvec_txn *txn, size_t leaf, err *e)
{
    while (leaf >> reach_bits(v->height) != 0) {
        pvec_node *top = NULL;
        if (v->root != NULL) {
            err_code code = own(v, txn, &top, v->height + 1U, e);
            if (code != ERR_OK) {
                return code;
            }
            top->child[0] = v->root;
        }
        v->root = top;
        v->height++;
    }
    return ERR_OK;
}

err_code pvec_edit(void **out, pvec *v, pvec_txn *txn, size_t i, err *e)
{
    *out = NULL;
    size_t leaf = i >> v->leaf_bits;
    pvec next = *v;
    err_code code = raise(&next, txn, leaf, e);
    if (code != ERR_OK) {
        return code;
    }
    pvec_node **place = &next.root;
    for (unsigned level = next.height;; level--) {
        code = own(&next, txn, place, level, e);
        if (code != ERR_OK) {
            return code;
        }
        if (level == 0) {
            break;
        }
        /* The first owned node is next.root; deeper nodes hang below nodes that this transaction
         * owns. */
        place = &(*place)->child[(leaf >> reach_bits(level - 1)) & (FAN - 1)];
    }
    *out = (*place)->bytes + (i & (((size_t)1 << v->leaf_bits) - 1)) * v->element_bytes;
    *v = next;
    return ERR_OK;
}

static void free_below(pvec_node *node, unsigned level)
{
    if (node == NULL) {
        return;
    }
    for (unsigned i = 0; level > 0 && i < FAN; i++) {
        free_below(node->child[i], level - 1);
    }
    mem_free(node);
}

void pvec_free(pvec *v)
{
    free_below(v->root, v->height);
    v->root = NULL;
    v->height = 0;
}

void pvec_txn_begin(pvec_txn *txn, uint64_t stamp)
{
    txn->stamp = stamp;
    txn->made_count = 0;
    txn->replaced_count = 0;
}

static err_code keep(pvec_piece **list, size_t *count, size_t *room, pvec_piece piece, err *e)
{
    pvec_piece *grown = mem_reserve(*list, room, *count + 1, sizeof *grown);
    if (grown == NULL) {
        return err_nomem(e, "the pieces of a change of the live tables");
    }
    *list = grown;
    (*list)[(*count)++] = piece;
    return ERR_OK;
}

err_code pvec_txn_made(pvec_txn *txn, void *memory, pvec_free_fn release, err *e)
{
    return keep(&txn->made, &txn->made_count, &txn->made_room, (pvec_piece){memory, release}, e);
}

err_code pvec_txn_replaced(pvec_txn *txn, void *memory, pvec_free_fn release, err *e)
{
    return keep(&txn->replaced, &txn->replaced_count, &txn->replaced_room,
                (pvec_piece){memory, release}, e);
}

static err_code replace_below(pvec_txn *txn, pvec_node *node, unsigned level, err *e)
{
    if (node == NULL) {
        return ERR_OK;
    }
    err_code code = pvec_txn_replaced(txn, node, mem_free, e);
    for (unsigned i = 0; level > 0 && i < FAN && code == ERR_OK; i++) {
        code = replace_below(txn, node->child[i], level - 1, e);
    }
    return code;
}

err_code pvec_txn_replaced_all(pvec_txn *txn, const pvec *v, err *e)
{
    return replace_below(txn, v->root, v->height, e);
}

void pvec_txn_undo(pvec_txn *txn)
{
    while (txn->made_count > 0) {
        pvec_piece *piece = &txn->made[--txn->made_count];
        piece->release(piece->memory);
    }
    txn->replaced_count = 0;
}

void pvec_txn_fini(pvec_txn *txn)
{
    mem_free(txn->made);
    mem_free(txn->replaced);
    memset(txn, 0, sizeof *txn);
}
