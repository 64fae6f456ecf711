/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_json: writes a generation as the JSON document that `stair generations --json` prints.
 */
#ifndef SERVER_GENERATION_JSON_H
#define SERVER_GENERATION_JSON_H

#include <jansson.h>

#include "core/model/model.h"
#include "storage/models/generations.h"

/* generation_json_new describes `info` and, unless NULL, what model_describe gave: options,
 * metrics and by which protocol, learning curve. NULL without memory; released with json_decref. */
json_t *generation_json_new(const generation_info *info, const model *m);

#endif
