/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_store: stores the links between items as blobs of a generation, and loads them.
 *
 * Each of the two tables has four blobs, stored as they are in memory (little-endian):
 * links<x>.start, .unit, .target and .level, where x is the number of the source. The choice of
 * links is part of the blob "meta".
 */
#ifndef STORAGE_LINKS_STORE_H
#define STORAGE_LINKS_STORE_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/model/links.h"
#include "storage/env/store.h"
#include "storage/models/generations.h"

/* links_put writes the tables into a generation that is building. */
err_code links_put(store *s, const generation_id *generation, const item_links *l,
                   err *e) ERR_CHECKED;

/* links_get fills the tables of `l`, whose items and choice are set, and checks everything.
 * ERR_CORRUPT. */
err_code links_get(store *s, uint32_t generation, item_links *l, err *e) ERR_CHECKED;

#endif
