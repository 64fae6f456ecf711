/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_text: joins an item's texts into one text for an external encoder, and tracks whether it has
 * been encoded.
 *
 * The text has one line each for the title, the description without markup, the categories, and the
 * attributes that are texts. An item keeps the hash of the text that its vector was made from, so
 * the items alone tell which texts still need encoding.
 */
#ifndef STORAGE_ITEM_TEXT_H
#define STORAGE_ITEM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/records/features.h"
#include "storage/records/items.h"

/* The text is cut here: common models read a few thousand tokens. */
enum { ITEM_TEXT_BYTES_MAX = 32 * 1024 };

/* item_text_write composes the text and returns its length, at most ITEM_TEXT_BYTES_MAX, always
 * whole characters. `out` has room for ITEM_TEXT_BYTES_MAX bytes. 0: there is nothing to encode. */
size_t item_text_write(const stored_item *it, char *out);

/* An item's encoded_hash while its vector waits to be replaced: the hash of no text. Whatever run
 * comes next encodes the item. */
enum { ITEM_TEXT_AGAIN = 1 };

/* item_text_hash returns the hash of that text; never 0 or ITEM_TEXT_AGAIN. */
uint64_t item_text_hash(const char *text, size_t length);

/* item_text_given tells whether a client gave the item's vector of the encoder's modality. Such a
 * vector is never replaced by an encoder's. */
bool item_text_given(const stored_item *it, feature_origin vector);

/* item_text_pending composes the item's text and tells whether it must be encoded. It need not be
 * if the present text was already encoded or refused, or if the vector was given by a client. With
 * *length 0 the item has no text any more, and the vector of its earlier text must be removed. */
bool item_text_pending(const stored_item *it, feature_origin vector, char *out, size_t *length);

#endif
