/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_base: loads a stored generation and makes it ready to serve.
 */
#ifndef SERVER_GENERATION_BASE_H
#define SERVER_GENERATION_BASE_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/state/base.h"
#include "core/serve/state/view.h"
#include "storage/env/store.h"

/* generation_read reads a ready generation and builds its index with `threads` threads, which takes
 * seconds for a large shop. It sets the OpenMP threads of the calling thread. ERR_NOT_FOUND: there
 * is no such generation. Release with base_release. */
err_code generation_read(base **out, store *s, uint32_t generation, int threads,
                         err *e) ERR_CHECKED;

/* generation_fold adds the items of `v` that came after the generation. Call it once. */
err_code generation_fold(base *b, store *s, const view *v, err *e) ERR_CHECKED;

/* generation_base does both. */
err_code generation_base(base **out, store *s, const view *v, uint32_t generation, int threads,
                         err *e) ERR_CHECKED;

#endif
