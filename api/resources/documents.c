/* SPDX-License-Identifier: Apache-2.0 */
/* documents: GET /openapi.yaml and /console, which are files built into the binary. GET / redirects
 * to the console. */
#include <stdio.h>

#include "api/handlers.h"
#include "api/web/assets.h"

err_code handle_openapi_get(context *c, err *e)
{
    (void)e;
    c->response->content_type = "application/yaml";
    buffer_put(&c->response->body, asset_openapi, asset_openapi_length);
    return ERR_OK;
}

err_code handle_console_get(context *c, err *e)
{
    (void)e;
    c->response->content_type = "text/html; charset=utf-8";
    buffer_put(&c->response->body, asset_console, asset_console_length);
    return ERR_OK;
}

/* handle_root_get redirects to a relative address, so that it works behind a proxy that adds a
 * prefix. */
err_code handle_root_get(context *c, err *e)
{
    (void)e;
    c->response->status = 302;
    c->response->content_type = "text/plain; charset=utf-8";
    snprintf(c->response->location, sizeof c->response->location, "console");
    buffer_put_text(&c->response->body, "stair: recommendations. The console is at console, the "
                                        "contract at openapi.yaml.\n");
    return ERR_OK;
}
