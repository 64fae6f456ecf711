/*
 * generation_json: a generation as the JSON document that `stair generations --json` prints.
 */
#ifndef SERVER_GENERATION_JSON_H
#define SERVER_GENERATION_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "core/train/model.h"
#include "storage/generations.h"

/* generation_json_new describes `info` and, unless NULL, what model_describe gave: options,
 * metrics, learning curve. NULL without memory; released with json_decref. */
json_t *generation_json_new(const generation_info *info, const model *m);

/* generation_refitted tells whether the model was trained on the validation interactions too, so
 * that its figures of them are those of a run before. */
bool generation_refitted(const generation_info *info);

#endif
