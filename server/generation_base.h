/*
 * generation_base: a generation as it is in the store, made ready to serve.
 */
#ifndef SERVER_GENERATION_BASE_H
#define SERVER_GENERATION_BASE_H

#include <stdint.h>

#include "core/base.h"
#include "core/err.h"
#include "core/view.h"
#include "storage/store.h"

/* generation_base reads a ready generation, builds its index with `threads`, and folds in the items
 * of `v` that came after it. Takes seconds on a large shop; sets the OpenMP threads of the calling
 * thread. ERR_NOT_FOUND without such a generation. Release with base_release. */
err_code generation_base(base **out, store *s, const view *v, uint32_t generation, int threads,
                         err *e) ERR_CHECKED;

#endif
