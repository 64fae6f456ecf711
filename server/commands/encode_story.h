/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_story: encodes texts and prints the progress, for the commands that encode.
 */
#ifndef SERVER_ENCODE_STORY_H
#define SERVER_ENCODE_STORY_H

#include <stdbool.h>

#include "server/encode/encode_store.h"

/* encode_story_run is encode_store with a progress bar and a line at the end, unless `quiet`. */
err_code encode_story_run(store *s, const encoder_options *o, bool replace, bool quiet,
                          encode_report *out, err *e) ERR_CHECKED;

#endif
