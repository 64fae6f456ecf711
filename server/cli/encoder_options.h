/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoder_options: the options of an external encoder of texts.
 *
 * serve, import and encode share them, so that one configuration file serves all three.
 */
#ifndef SERVER_ENCODER_OPTIONS_H
#define SERVER_ENCODER_OPTIONS_H

#include <stdint.h>

#include "server/cli/options.h"

typedef struct encoder_options {
#define OPTION            OPTION_MEMBER
#define OPTION_OF_SERVICE OPTION_MEMBER
#include "server/cli/encoder_options.def"
} encoder_options;

/* encoder_url_check refuses everything but http and https addresses, and user information in
 * them. */
err_code encoder_url_check(const char *text, err *e) ERR_CHECKED;

/* encoder_options_check checks that the options fit together. The URL was checked before. */
err_code encoder_options_check(const encoder_options *o, err *e) ERR_CHECKED;

#endif
