/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survey: finds out whether a service can open this store without crashing.
 *
 * First a child process reads the pages of the store (storage/maintenance/walk.h), for at most
 * SURVEY_SECONDS, so a large store is read only in part. A complete walk costs about as much as
 * reading the branch and leaf pages; the load that follows finds them in the page cache.
 */
#ifndef SERVER_SURVEY_H
#define SERVER_SURVEY_H

#include "core/common/err.h"

enum { SURVEY_SECONDS = 5 };

/* survey_store returns ERR_CORRUPT if the store is damaged; the text says where. It ignores a
 * missing store, another format and a store in use, because opening the store reports these. Call
 * it while this process has no other thread. */
err_code survey_store(const char *dir, err *e) ERR_CHECKED;

#endif
