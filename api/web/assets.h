/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assets: files of the source tree that are built into the binary.
 *
 * Immutable. Each is followed by a NUL that is not counted in its length.
 */
#ifndef API_ASSETS_H
#define API_ASSETS_H

#include <stddef.h>

extern const char asset_openapi[]; /* openapi.yaml */
extern const size_t asset_openapi_length;

extern const char asset_console[]; /* api/web/console.html */
extern const size_t asset_console_length;

#endif
