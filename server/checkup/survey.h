/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survey: whether a service can open this store and live.
 *
 * A child walks the pages of the store first (storage/maintenance/walk.h), for at most
 * SURVEY_SECONDS: a larger store is walked in part. A walk that is done costs about what reading
 * the branch and leaf pages costs, and the load that follows finds them in the page cache.
 */
#ifndef SERVER_SURVEY_H
#define SERVER_SURVEY_H

#include "core/common/err.h"

enum { SURVEY_SECONDS = 5 };

/* survey_store: ERR_CORRUPT says what does not hold. That there is no store, or one of another
 * format, or that it is in use, is not for here: opening it says so. To be called while this
 * process has no other thread. */
err_code survey_store(const char *dir, err *e) ERR_CHECKED;

#endif
