/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_arguments: the options that the training commands share, and their meaning.
 *
 * There is one struct, one list of table entries and one check, so that `stair train`, `stair tune`
 * and a training requested over HTTP have the same names, defaults, ranges and conflicts. A preset
 * sets the paper's values for a data set; explicit options override it.
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
#define OPTION          OPTION_MEMBER
#define OPTION_OF_TRAIN OPTION_MEMBER
#define OPTION_OF_TUNE  OPTION_MEMBER
#include "server/jobs/train_arguments.def"
} train_arguments;

/* The options of `stair train` and of `stair tune`. */
extern const option train_option_table[], tune_option_table[];

/* What was requested in addition to the numbers of train_options. */
typedef struct train_request {
    train_options options;
    bool gamma_auto; /* --gamma auto: the strengths will be chosen by validation */
    dataset_neighbours neighbours[MODALITIES_MAX];
    size_t neighbour_count;
    dataset_words words;
} train_request;

/* Receives faults. An option is given by its `name` in the table, and a `part` of it (a modality of
 * neighbours), or absent. `why` says what, actual, allowed, without the name. */
typedef struct train_faults {
    void (*report)(void *ctx, const char *name, slice part, const char *why);
    void *ctx;
} train_faults;

/* train_threads returns `asked`. For 0 it returns what affinity and control group allow, up to the
 * most that a training uses. */
int train_threads(int64_t asked);

/* train_request_make checks what the table cannot: texts with a grammar of their own, and options
 * that exclude each other. It fills `out`, whose names are borrowed from `a`. It reports every
 * fault, not only the first, and then returns false. */
bool train_request_make(train_request *out, const train_arguments *a, const option_values *given,
                        const train_faults *faults);

#endif
