/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_arguments: the options that the commands which train share, and what they mean.
 *
 * One struct, one list of table entries and one check, so that `stair train`, `stair tune` and a
 * training that is asked for over HTTP know the same names, defaults, ranges and conflicts. A
 * preset sets what the paper published for a data set; whatever is given explicitly beats it.
 */
#ifndef SERVER_TRAIN_ARGUMENTS_H
#define SERVER_TRAIN_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/item_fields.h"
#include "core/model/train_options.h"
#include "server/cli/command.h"
#include "server/cli/options.h"
#include "server/load/dataset_load.h"

typedef struct train_arguments {
    const char *store;
    int64_t dim, layers, batch, epochs, patience, eval_every, seed, threads;
    double lr, weight_decay;
    const char *gamma, *gamma_forward, *gamma_backward;
    const char *neighbours, *select;
    option_list without;
    int protocol, preset, activate, words;
    bool refit, resume, json;
    uint64_t quota;
    int64_t progress_fd, budget_epochs;
} train_arguments;

/* The entries that train and tune have in common, for a table of train_arguments. */
#define TRAIN_SHARED_OPTIONS                                                                       \
    OPTION_STORE(train_arguments), OPTION_QUOTA(train_arguments),                                  \
        {.name = "dim",                                                                            \
         OPTION_FIELD(train_arguments, dim, OPTION_INT),                                           \
         .initial = "64",                                                                          \
         .min = 1,                                                                                 \
         .max = TRAIN_DIM_MAX,                                                                     \
         .help = "length of an embedding"},                                                        \
        {.name = "layers",                                                                         \
         OPTION_FIELD(train_arguments, layers, OPTION_INT),                                        \
         .initial = "4",                                                                           \
         .min = 0,                                                                                 \
         .max = TRAIN_LAYERS_MAX,                                                                  \
         .help = "layers of both convolutions"},                                                   \
        {.name = "gamma",                                                                          \
         OPTION_FIELD(train_arguments, gamma, OPTION_TEXT),                                        \
         .initial = "0.2",                                                                         \
         .value = "X",                                                                             \
         .help = "how fast both strengths change along the dimensions; smaller: content rules "    \
                 "more; auto chooses by validation"},                                              \
        {.name = "gamma-forward",                                                                  \
         OPTION_FIELD(train_arguments, gamma_forward, OPTION_TEXT),                                \
         .value = "X",                                                                             \
         .help = "that of the forward convolution alone, or plain for averaging the layers, "      \
                 "which is the default without gamma and preset"},                                 \
        {.name = "gamma-backward",                                                                 \
         OPTION_FIELD(train_arguments, gamma_backward, OPTION_TEXT),                               \
         .value = "X",                                                                             \
         .help = "that of the backward convolution alone"},                                        \
        {.name = "neighbours",                                                                     \
         OPTION_FIELD(train_arguments, neighbours, OPTION_TEXT),                                   \
         .value = "NAME=K,...",                                                                    \
         .help = "neighbours of a modality in the item graph, and its weight; text and words 5 "   \
                 "and any other 1 unless given, 0 leaves it out"},                                 \
        {.name = "words",                                                                          \
         OPTION_FIELD(train_arguments, words, OPTION_CHOICE),                                      \
         .choices = "auto|yes|no",                                                                 \
         .help = "make the modality words of titles, descriptions, categories and text "           \
                 "attributes; auto: where no features named text are given"},                      \
        {.name = "lr",                                                                             \
         OPTION_FIELD(train_arguments, lr, OPTION_REAL),                                           \
         .initial = "0",                                                                           \
         .min = 0,                                                                                 \
         .max = TRAIN_LR_MAX,                                                                      \
         .help = "learning rate; 0: by the batch, 0.0015 for each 1,024 up to 2,048, and 0.0025 "  \
                 "beyond, and without features at least 0.01"},                                    \
        {.name = "weight-decay",                                                                   \
         OPTION_FIELD(train_arguments, weight_decay, OPTION_REAL),                                 \
         .initial = "0.1",                                                                         \
         .min = 0,                                                                                 \
         .max = TRAIN_WEIGHT_DECAY_MAX,                                                            \
         .help = "decoupled weight decay"},                                                        \
        {.name = "batch",                                                                          \
         OPTION_FIELD(train_arguments, batch, OPTION_INT),                                         \
         .initial = "0",                                                                           \
         .min = 0,                                                                                 \
         .max = TRAIN_BATCH_MAX,                                                                   \
         .help = "interactions of a step; 0: by their number, 1,024 to 8,192"},                    \
        {.name = "epochs",                                                                         \
         OPTION_FIELD(train_arguments, epochs, OPTION_INT),                                        \
         .initial = "500",                                                                         \
         .min = 1,                                                                                 \
         .max = TRAIN_EPOCHS_MAX,                                                                  \
         .help = "most epochs; the best one is kept"},                                             \
        {.name = "patience",                                                                       \
         OPTION_FIELD(train_arguments, patience, OPTION_INT),                                      \
         .initial = "5",                                                                           \
         .min = 0,                                                                                 \
         .max = 1000000,                                                                           \
         .help = "stop after so many evaluations without a gain of 1 %; 0 never does"},            \
        {.name = "eval-every",                                                                     \
         OPTION_FIELD(train_arguments, eval_every, OPTION_INT),                                    \
         .initial = "5",                                                                           \
         .min = 0,                                                                                 \
         .max = 1000000,                                                                           \
         .help = "epochs between evaluations; 0 keeps the last epoch"},                            \
        {.name = "seed",                                                                           \
         OPTION_FIELD(train_arguments, seed, OPTION_INT),                                          \
         .initial = "1",                                                                           \
         .max = 9007199254740992,                                                                  \
         .help = "of all random numbers; same seed and threads, same bytes"},                      \
        {.name = "threads",                                                                        \
         OPTION_FIELD(train_arguments, threads, OPTION_INT),                                       \
         .initial = "0",                                                                           \
         .min = 0,                                                                                 \
         .max = TRAIN_THREADS_MAX,                                                                 \
         .help = "threads of the training; 0: one for each processor that affinity and control "   \
                 "group allow"},                                                                   \
        {.name = "select",                                                                         \
         OPTION_FIELD(train_arguments, select, OPTION_TEXT),                                       \
         .initial = "NDCG@20",                                                                     \
         .value = "METRIC@K",                                                                      \
         .help = "the validation metric that picks the best epoch: Recall or NDCG"},               \
        {.name = "without",                                                                        \
         OPTION_FIELD(train_arguments, without, OPTION_LIST),                                      \
         .value = "mi|fsc|bsc|links",                                                              \
         .help = "leave a part of the method out, to see what it earns"},                          \
        {.name = "protocol",                                                                       \
         OPTION_FIELD(train_arguments, protocol, OPTION_CHOICE),                                   \
         .choices = "stair|mmrec",                                                                 \
         .help = "who is evaluated and what is masked: the authors', or MMRec's"},                 \
    {                                                                                              \
        .name = "preset", OPTION_FIELD(train_arguments, preset, OPTION_CHOICE),                    \
        .choices = "none|baby|sports|electronics", .help = "the published options of a data set"   \
    }

/* What was asked for beside the numbers of train_options. */
typedef struct train_request {
    train_options options;
    bool gamma_auto; /* --gamma auto: the strengths are yet to be chosen */
    dataset_neighbours neighbours[MODALITIES_MAX];
    size_t neighbour_count;
    dataset_words words;
} train_request;

/* Where faults go: an option by its `name` in the table, and `part` of it (a modality of
 * neighbours) or absent. `why` says what, actual, allowed, without the name. */
typedef struct train_faults {
    void (*report)(void *ctx, const char *name, slice part, const char *why);
    void *ctx;
} train_faults;

/* train_threads is `asked`, or for 0 what affinity and control group allow, up to the most that a
 * training takes. */
int train_threads(int64_t asked);

/* train_request_make checks all that the table cannot, and translates: texts with a grammar of
 * their own, options that exclude each other. Every fault is reported, not only the first; then
 * false. The names in `out` are borrowed from `a`. */
bool train_request_make(train_request *out, const train_arguments *a, const option_values *given,
                        const train_faults *faults);

#endif
