/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/erasures.h"

#include "core/common/mem.h"
#include "server/cluster/cluster.h"
#include "server/cluster/snapshots.h"
#include "server/telemetry/log.h"

/* The time within which a copy is replaced, as a limit that the answer to an erasure promises. A
 * copy is replaced once the last one is SETTLE_SECONDS old, for snapshots twice, and making it
 * takes time as well. Messages of the log are removed once they are older than the log's age and
 * snapshots cover them; the blob of a large write follows its message. */
enum { COPY_SECONDS = 6 * SETTLE_SECONDS };

void cluster_erasure_terms(const cluster_options *o, api_erasure_terms *out)
{
    int64_t age = (int64_t)o->log_age;
    out->copied = true;
    out->generations_seconds = out->snapshots_seconds = COPY_SECONDS;
    out->log_seconds = (age > COPY_SECONDS ? age : COPY_SECONDS) + COPY_SECONDS;
    out->blobs_seconds = out->log_seconds + COPY_SECONDS;
}

/* The log is free of the users once its first message is later than a snapshot that was taken after
 * the erasure. */
static void look_at_snapshots(const housekeeping *h, const house_view *v, erasure_progress *p)
{
    cluster_snapshot *list = mem_array(SNAPSHOTS_MAX, sizeof *list);
    size_t count = list != NULL ? snapshots_of(h->index, list) : 0;
    p->snapshots = count > 0;
    for (size_t i = 0; i < count; i++) {
        bool after = list[i].seq >= p->seq;
        p->snapshots = p->snapshots && after;
        p->log = p->log || (after && v->facts.first > list[i].position);
    }
    mem_free(list);
}

static bool is_over(const erasure_progress *p)
{
    return p->seq == 0 || (p->log && p->snapshots && p->generations);
}

void erasures_look(housekeeping *h, const house_view *v, bool generations)
{
    erasure_progress now = {.seq = v->info.erased_seq};
    if (now.seq != 0) {
        now.generations = generations;
        look_at_snapshots(h, v, &now);
    }
    pthread_mutex_lock(&h->c->mutex);
    bool was_over = is_over(&h->c->erasure);
    h->c->erasure = now;
    pthread_mutex_unlock(&h->c->mutex);
    if (!was_over && is_over(&now)) {
        log_event(LOG_INFO, "erasures_complete", log_int("seq", now.seq));
    }
}
