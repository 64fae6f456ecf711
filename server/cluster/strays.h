/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strays: parts of blobs that no index entry names.
 *
 * A node that dies while it stores a blob leaves the parts that it had stored. A blob gets its
 * entry within seconds of its last part, so parts without an entry whose newest is older than
 * PARCEL_STRAY_SECONDS belong to nobody.
 *
 * Threading: one thread at a time.
 */
#ifndef SERVER_STRAYS_H
#define SERVER_STRAYS_H

#include "server/cluster/housekeeping_private.h"

/* strays_remove removes such parts. Most calls return at once; it searches only now and then. */
err_code strays_remove(housekeeping *h, const house_view *v, err *e) ERR_CHECKED;

#endif
