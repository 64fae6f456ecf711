/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/serve_options.h"

#include "api/api.h"
#include "core/common/interaction_types.h"
#include "server/cli/address.h"
#include "storage/env/store.h"

/* TLS 1.2 and 1.3 only, without CBC and without RSA key exchange. */
#define TLS_PRIORITY_DEFAULT                                                                       \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:"            \
    "+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:%SERVER_PRECEDENCE"

static err_code types_check(const char *text, err *e)
{
    interaction_types types;
    return interaction_types_parse(&types, text, e);
}

const option serve_option_table[] = {
#define OPTION(...) OPTION_ENTRY(serve_options, , __VA_ARGS__)
#include "server/cli/serve_options.def"
#define OPTION(...)            OPTION_ENTRY(serve_options, encoder., __VA_ARGS__)
#define OPTION_OF_SERVICE(...) OPTION(__VA_ARGS__)
#include "server/cli/encoder_options.def"
#define OPTION(...) OPTION_ENTRY(serve_options, cluster., __VA_ARGS__)
#include "server/cli/cluster_options.def"
    OPTION_END,
};
