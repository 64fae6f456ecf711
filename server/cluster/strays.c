/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/strays.h"

#include <string.h>

#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

static const uint64_t LOOK_NS = (uint64_t)NS_PER_SECOND * PARCEL_STRAY_SECONDS / 10;

static bool is_named(const json_t *index, const char *id)
{
    const char *key = NULL;
    json_t *entry = NULL;
    json_object_foreach((json_t *)(uintptr_t)index, key, entry)
    {
        const char *named = json_string_value(json_object_get(entry, "id"));
        if (named != NULL && strcmp(named, id) == 0) {
            return true;
        }
    }
    return false;
}

static err_code remove_if_old(housekeeping *h, const house_view *v, const char *id, err *e)
{
    int64_t stored = 0;
    err_code code = parcel_last_stored(h->link.blobs, id, &stored, e);
    if (code == ERR_NOT_FOUND) {
        return ERR_OK; /* it has been purged meanwhile */
    }
    if (code != ERR_OK || stored + PARCEL_STRAY_SECONDS >= v->now) {
        return code;
    }
    code = parcel_purge(h->link.blobs, id, e);
    if (code == ERR_OK) {
        log_event(LOG_INFO, "stray_parts_removed", log_text("blob", id));
    }
    return code;
}

err_code strays_remove(housekeeping *h, const house_view *v, err *e)
{
    json_t *ids = NULL;
    size_t i = 0;
    const json_t *id = NULL;
    uint64_t now = clock_ns();
    if (h->strays_ns != 0 && now < h->strays_ns + LOOK_NS) {
        return ERR_OK;
    }
    h->strays_ns = now;
    err_code code = parcel_ids(h->link.blobs, &ids, e);
    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id);
        if (code == ERR_OK && !is_named(h->index, text)) {
            code = remove_if_old(h, v, text, e);
        }
    }
    json_decref(ids);
    return code;
}
