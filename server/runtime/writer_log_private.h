/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_log_private: what the files of a writer with a log share.
 *
 * writer_log.c holds the thread and its queue. writer_flight.c holds the messages that this node
 * has published and that have not come back. writer_follow.c applies what the log delivers.
 */
#ifndef SERVER_WRITER_LOG_PRIVATE_H
#define SERVER_WRITER_LOG_PRIVATE_H

#include <string.h>

#include "core/serve/state/coldstart.h"
#include "server/runtime/replicated_log.h"
#include "server/runtime/seq_waits.h"
#include "server/runtime/writer_log.h"
#include "server/runtime/writer_private.h"
#include "storage/log/message.h"

/* A message of this node that has not come back yet. */
typedef struct flight {
    uint64_t number;
    encoder bytes;    /* the encoded message */
    writer_job *jobs; /* (count), in the order of its ops */
    size_t count;
    uint64_t need_bytes;        /* what its ops may take of the quota */
    uint64_t began_ns, sent_ns; /* when it was published first, and last */
    struct flight *next;
} flight;

/* A message that the log has delivered. */
typedef struct delivery {
    slice bytes; /* the encoded message, owned */
    char position[EXTERNAL_POSITION_MAX + 1];
    unsigned char publisher[PUBLISHER_BYTES];
    uint64_t number;
    message *m;           /* NULL for an own message, whose ops are in flight */
    cold_item **prepared; /* (prepared_count) vectors of its new items, owned */
    size_t prepared_count;
    struct delivery *next;
} delivery;

/* When a message has come back, the next one waits for the writes of the clients that are answered
 * then: as long as these come with gaps of less than FLIGHT_GAP_NS, for FLIGHT_GATHER_NS at most.
 */
enum { FLIGHT_GAP_NS = 1000 * 1000, FLIGHT_GATHER_NS = 3 * 1000 * 1000 };

struct writer_log {
    const replicated_log *log; /* immutable */
    /* guarded by writer.mutex */
    pthread_cond_t room; /* signalled when a delivery may wait again */
    delivery *first, **last;
    size_t waiting, waiting_bytes;
    size_t own;        /* how many of them are messages of this node */
    uint64_t taken_ns; /* when deliveries were last taken to be applied */
    bool resend;
    /* used by the writer's thread alone */
    delivery *held;    /* taken but not applied yet */
    uint64_t retry_ns; /* when to try the held ones again; 0 means now */
    bool stopped;
    uint64_t heard_ns; /* time at which the log last delivered something */
    bool closed;       /* the log accepts nothing now: waiting jobs are refused at once */
    flight *flights;   /* oldest first */
    size_t flight_count;
    /* number of writes that can be expected for the next message, as of `landed_ns`, when the last
     * one came back */
    size_t expected;
    uint64_t landed_ns;
    uint64_t number; /* number of the last message */
    char position[EXTERNAL_POSITION_MAX + 1];
};

/* flight_launch publishes these jobs in as many messages as they need. Jobs that are not admitted
 * end at once. */
void flight_launch(writer *w, writer_job *jobs);

/* flight_may_launch tells whether the waiting jobs should be published now. The caller holds the
 * mutex. */
bool flight_may_launch(const writer *w);

/* flight_wake_at returns how many jobs must wait for the thread to have something to do. The caller
 * holds the mutex. */
size_t flight_wake_at(const writer *w);

/* flight_tick sends again messages that have not come back, and ends the jobs whose time is up. */
void flight_tick(writer *w, uint64_t now);
void flight_resend(writer *w);

/* flight_find returns the message in flight that equals a delivery byte for byte, or NULL. */
flight *flight_find(writer *w, const delivery *d);
/* flight_land removes a message from those in flight and frees it. The caller owns its jobs. */
void flight_land(writer *w, flight *f);

/* follow_apply applies what is held. Messages that cannot be applied stay held. */
void follow_apply(writer *w, uint64_t now);

err_code delivery_new(delivery **out, writer *w, slice bytes, slice position, err *e) ERR_CHECKED;
/* delivery_decode decodes the ops of a delivery, unless it has them. */
err_code delivery_decode(delivery *d, op_render render, err *e) ERR_CHECKED;
void delivery_free(delivery *d);

/* writer_log_agrees tells whether the store on disk is at the position to which this writer's log
 * has brought it. */
static inline bool writer_log_agrees(const writer *w, const store_info *info)
{
    return w->log == NULL || strcmp(w->log->position, info->external) == 0;
}

#endif
