/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers: one function per method and path, implemented in one file per resource.
 *
 * A handler either answers (writes c->response) or prepares a write (sets c->write). If it returns
 * an error code, that becomes the problem document, together with the problems collected in the
 * context.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/web/context.h"
#include "core/common/err.h"

err_code handle_recommend_get(context *c, err *e) ERR_CHECKED;
err_code handle_recommend_post(context *c, err *e) ERR_CHECKED;
err_code handle_recommend_batch_post(context *c, err *e) ERR_CHECKED;
err_code handle_similar_get(context *c, err *e) ERR_CHECKED;
err_code handle_popular_get(context *c, err *e) ERR_CHECKED;
err_code handle_latest_get(context *c, err *e) ERR_CHECKED;
err_code handle_items_get(context *c, err *e) ERR_CHECKED;
err_code handle_items_post(context *c, err *e) ERR_CHECKED;
err_code handle_items_put(context *c, err *e) ERR_CHECKED;
err_code handle_items_patch(context *c, err *e) ERR_CHECKED;
err_code handle_items_delete_post(context *c, err *e) ERR_CHECKED;
err_code handle_item_id_get(context *c, err *e) ERR_CHECKED;
err_code handle_item_id_put(context *c, err *e) ERR_CHECKED;
err_code handle_item_id_patch(context *c, err *e) ERR_CHECKED;
err_code handle_item_id_delete(context *c, err *e) ERR_CHECKED;
err_code handle_interactions_post(context *c, err *e) ERR_CHECKED;
err_code handle_interactions_delete(context *c, err *e) ERR_CHECKED;
err_code handle_users_get(context *c, err *e) ERR_CHECKED;
err_code handle_user_get(context *c, err *e) ERR_CHECKED;
err_code handle_user_interactions_get(context *c, err *e) ERR_CHECKED;
err_code handle_user_delete(context *c, err *e) ERR_CHECKED;
err_code handle_model_get(context *c, err *e) ERR_CHECKED;
err_code handle_model_generations_get(context *c, err *e) ERR_CHECKED;
err_code handle_model_train_post(context *c, err *e) ERR_CHECKED;
err_code handle_model_train_get(context *c, err *e) ERR_CHECKED;
err_code handle_model_train_delete(context *c, err *e) ERR_CHECKED;
err_code handle_model_activate_post(context *c, err *e) ERR_CHECKED;
err_code handle_model_prune_post(context *c, err *e) ERR_CHECKED;
err_code handle_snapshot_post(context *c, err *e) ERR_CHECKED;
err_code handle_snapshot_name_get(context *c, err *e) ERR_CHECKED;
err_code handle_export_items_get(context *c, err *e) ERR_CHECKED;
err_code handle_export_interactions_get(context *c, err *e) ERR_CHECKED;
err_code handle_health_get(context *c, err *e) ERR_CHECKED;
err_code handle_health_live_get(context *c, err *e) ERR_CHECKED;
err_code handle_health_ready_get(context *c, err *e) ERR_CHECKED;
err_code handle_cluster_get(context *c, err *e) ERR_CHECKED;
err_code handle_metrics_get(context *c, err *e) ERR_CHECKED;
err_code handle_openapi_get(context *c, err *e) ERR_CHECKED;
err_code handle_root_get(context *c, err *e) ERR_CHECKED;
err_code handle_console_get(context *c, err *e) ERR_CHECKED;

#endif
