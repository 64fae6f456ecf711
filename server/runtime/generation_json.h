/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_json: writes a generation as the JSON document that `stair generations --json` prints.
 */
#ifndef SERVER_GENERATION_JSON_H
#define SERVER_GENERATION_JSON_H

#include <jansson.h>

#include "core/model/model.h"
#include "storage/models/generations.h"

/* generation_json_new describes `info` and, unless `m` is NULL, the result of model_describe:
 * options, metrics with their protocol, learning curve. It returns NULL if memory runs out. Release
 * with json_decref. */
json_t *generation_json_new(const generation_info *info, const model *m);

#endif
