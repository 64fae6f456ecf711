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
    const char *url; /* NULL: no encoder */
    const char *model, *modality, *key_file;
    double timeout, rate, wait, query_rate;
    int64_t batch;
} encoder_options;

/* encoder_url_check refuses what is no http or https address, and user information in it. */
err_code encoder_url_check(const char *text, err *e) ERR_CHECKED;

/* encoder_options_check says what belongs together; the URL was checked. */
err_code encoder_options_check(const encoder_options *o, err *e) ERR_CHECKED;

/* The entries for a struct `of` with a member `encoder`. */
#define OPTIONS_ENCODER(of)                                                                        \
    {.name = "encoder-url",                                                                        \
     .check = encoder_url_check,                                                                   \
     OPTION_FIELD(of, encoder.url, OPTION_TEXT),                                                   \
     .value = "URL",                                                                               \
     .help = "OpenAI-compatible embeddings call that makes vectors of items' texts, such as "      \
             "http://127.0.0.1:11434/v1/embeddings; without it there is no encoder"},              \
        {.name = "encoder-model",                                                                  \
         OPTION_FIELD(of, encoder.model, OPTION_TEXT),                                             \
         .value = "NAME",                                                                          \
         .help = "name of the model, sent with each call"},                                        \
        {.name = "encoder-modality",                                                               \
         OPTION_FIELD(of, encoder.modality, OPTION_TEXT),                                          \
         .initial = "text",                                                                        \
         .value = "NAME",                                                                          \
         .help = "modality that the vectors belong to; another model needs another name, or "      \
                 "stair encode --replace"},                                                        \
        {.name = "encoder-key-file",                                                               \
         OPTION_FIELD(of, encoder.key_file, OPTION_TEXT),                                          \
         .value = "FILE",                                                                          \
         .help = "file whose first line is sent as the bearer token"},                             \
        {.name = "encoder-timeout",                                                                \
         OPTION_FIELD(of, encoder.timeout, OPTION_SECONDS),                                        \
         .initial = "30s",                                                                         \
         .min = 0.01,                                                                              \
         .max = 3600,                                                                              \
         .help = "a call that takes longer counts as failed"},                                     \
        {.name = "encoder-batch",                                                                  \
         OPTION_FIELD(of, encoder.batch, OPTION_INT),                                              \
         .initial = "32",                                                                          \
         .min = 1,                                                                                 \
         .max = 512,                                                                               \
         .help = "texts in one call"},                                                             \
    {                                                                                              \
        .name = "encoder-rate", OPTION_FIELD(of, encoder.rate, OPTION_REAL), .initial = "0",       \
        .min = 0, .max = 1e6, .help = "maximum calls a second; 0: no limit"                        \
    }

#endif
