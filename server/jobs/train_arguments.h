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
#define OPTION          OPTION_MEMBER
#define OPTION_OF_TRAIN OPTION_MEMBER
#define OPTION_OF_TUNE  OPTION_MEMBER
#include "server/jobs/train_arguments.def"
} train_arguments;

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
