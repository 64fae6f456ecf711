/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_stream_format: constants that both ends of a generation's stream share. Internal to
 * storage/models.
 */
#ifndef STORAGE_GENERATION_STREAM_FORMAT_H
#define STORAGE_GENERATION_STREAM_FORMAT_H

#include "storage/models/generation_stream.h"

#define STREAM_MAGIC "stairgen"
enum { STREAM_MAGIC_BYTES = 8, STREAM_VERSION = 1, STREAM_HEAD_BYTES_MAX = 128 };

#endif
