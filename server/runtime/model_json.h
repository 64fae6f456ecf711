/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_json: writes a trained model as JSON.
 *
 * A generation's summary, the reports of train, tune and eval, and the list of generations are made
 * of these parts, so a field has the same name and form in all of them. A number that is not
 * finite, such as a loss that was not measured, is null.
 *
 * All functions return a new reference, or NULL if memory runs out. Thread-safe.
 */
#ifndef SERVER_MODEL_JSON_H
#define SERVER_MODEL_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "core/model/eval.h"
#include "core/model/model.h"

/* model_json_new makes the whole document: options, modalities, epochs, metrics with their
 * protocol, serving and curve. It also accepts a described model (storage/models/model_store.h),
 * whose tables are NULL; it then leaves out counts that need the tables. */
json_t *model_json_new(const model *m, bool refit);

/* model_metrics_json makes {"Recall@1": ..., "NDCG@20": ...}, or null if no user was measured. */
json_t *model_metrics_json(const eval_metrics *m);

/* model_options_json has the options under their names on the command line. */
json_t *model_options_json(const train_options *o);

/* model_served_json tells with which layers and links a model is served, and what they gained. */
json_t *model_served_json(const model *m);

/* model_links_kind_name returns the word for a kind of links. */
const char *model_links_kind_name(links_kind kind);

#endif
