/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_quota.h"

#include "core/model/links_build.h"
#include "core/search/index.h"
#include "core/train/loop/fit_map.h"
#include "core/train/loop/train_memory.h"

enum {
    PAGE_BYTES = 4096,
    BLOBS_FIXED = 9, /* tables, description, counts, clusters */
    BLOBS_OF_MODALITY = 4,
    BLOBS_OF_LINKS = 8,
    CLUSTER_BYTES_OF_ROW = 8,
    LINK_BYTES = 6,
    LINK_ROW_BYTES = 12,
    TREE_BYTES = 32 * PAGE_BYTES, /* for rewritten pages of the trees, and the description */
};

/* link_bytes returns an upper bound for the bytes of the links and of the map between features. */
static uint64_t link_bytes(const dataset *d, const train_options *o)
{
    train_size size = train_size_of(d);
    uint64_t kept = LINKS_KEPT_COLLABORATIVE + LINKS_KEPT_CONTENT * size.modality_count;
    uint64_t width = fit_map_width(size.widths, size.modality_count, size.items);
    uint64_t others = size.items > 0 ? size.items - 1 : 0;
    kept = kept < 2 * others ? kept : 2 * others;
    uint64_t bytes = size.items * (kept * LINK_BYTES + 2 * LINK_ROW_BYTES);
    return o->without_links ? 0 : bytes + width * width * sizeof(float);
}

/* generation_bytes is an upper bound: the tables of storage/models/model_store.h in whole pages. */
static uint64_t generation_bytes(const dataset *d, const train_options *o)
{
    uint64_t row = o->dim * sizeof(float), users = d->users, items = d->items;
    uint64_t bytes = users * (row + sizeof(uint32_t)) + 3 * items * row + 2 * row;
    uint64_t blobs = BLOBS_FIXED + BLOBS_OF_MODALITY * d->modality_count;
    for (size_t m = 0; m < d->modality_count; m++) {
        uint64_t width = d->modalities[m].width;
        bytes += width * (row + sizeof(float)) + row + items * row;
    }
    bytes += link_bytes(d, o);
    blobs += o->without_links ? 0 : BLOBS_OF_LINKS;
    if (items >= INDEX_ANN_ROWS_MIN) {
        bytes += items * CLUSTER_BYTES_OF_ROW;
    }
    return bytes + bytes / 128 + blobs * 2 * PAGE_BYTES + TREE_BYTES;
}

err_code train_memory_check(const dataset *d, const train_options *o, uint64_t memory, err *e)
{
    train_size size = train_size_of(d);
    uint64_t need = train_memory(&size, o);
    const double mib = 1024 * 1024;
    return need <= memory
               ? ERR_OK
               : err_set(
                     e, ERR_NOMEM,
                     "a training needs at least %.1f MiB of memory, but only %.1f MiB are "
                     "available: add memory, lower --dim, or train without links (--without links)",
                     (double)need / mib, (double)memory / mib);
}

err_code train_quota_check(store *s, const dataset *d, const train_options *o, err *e)
{
    store_info info;
    err_code code = store_stat(s, &info, e);
    if (code != ERR_OK) {
        return code;
    }
    uint64_t need = generation_bytes(d, o), room = store_quota_room(s, need);
    if (need > room) {
        const double mib = 1024 * 1024;
        return err_set(
            e, ERR_FULL,
            "%s: a generation takes about %.1f MiB, but of the quota of %.1f MiB only %.1f MiB are "
            "free: raise the quota, or free space with stair generations --prune 1",
            store_dir(s), (double)need / mib, (double)info.quota_bytes / mib, (double)room / mib);
    }
    return ERR_OK;
}
