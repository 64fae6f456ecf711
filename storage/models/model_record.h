/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_record: encodes everything of a model except its tables: options, metrics, curve, choices.
 * Pure, fuzzed. Internal to storage/.
 */
#ifndef STORAGE_MODEL_RECORD_H
#define STORAGE_MODEL_RECORD_H

#include "core/common/err.h"
#include "core/common/slice.h"
#include "core/model/model.h"
#include "storage/env/codec.h"

enum { MODEL_RECORD_BYTES_MAX = 16 * 1024 * 1024 };

void model_encode(const model *m, encoder *x);

/* model_decode makes a model with NULL tables. Its sizes are within the limits of core. Free with
 * model_free. */
err_code model_decode(model **out, slice bytes, err *e) ERR_CHECKED;

#endif
