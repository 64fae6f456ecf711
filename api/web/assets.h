/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assets: files of the source tree that the binary carries, so that it needs none beside it.
 *
 * Immutable. Each is followed by a NUL that its length does not count.
 */
#ifndef API_ASSETS_H
#define API_ASSETS_H

#include <stddef.h>

extern const char asset_openapi[]; /* openapi.yaml */
extern const size_t asset_openapi_length;

extern const char asset_console[]; /* api/web/console.html */
extern const size_t asset_console_length;

#endif
