/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real_data: a folder of interactions.inter and NAME_feat.npy as a dataset, for measuring the
 * trainer alone; ids in the file are the rows.
 */
#ifndef TESTS_BENCH_REAL_DATA_H
#define TESTS_BENCH_REAL_DATA_H

#include <stdbool.h>

#include "core/model/dataset.h"

/* real_data_load reads DIR with features named in `neighbours` ("text=5,category=1"). False, with a
 * line on stderr, if it is not there or cannot be read. Free with dataset_free. */
bool real_data_load(dataset **out, const char *dir, const char *neighbours);

#endif
