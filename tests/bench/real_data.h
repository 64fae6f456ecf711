/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real_data: reads a folder with interactions.inter and NAME_feat.npy as a dataset, so that benches
 * can measure the trainer without a store. The ids in the files are row numbers. */
#ifndef TESTS_BENCH_REAL_DATA_H
#define TESTS_BENCH_REAL_DATA_H

#include <stdbool.h>

#include "core/model/dataset.h"

/* real_data_load reads the folder `dir` with the features that `neighbours` names
 * ("text=5,category=1"). If the folder is missing or unreadable, it prints a line to stderr and
 * returns false. Free with dataset_free. */
bool real_data_load(dataset **out, const char *dir, const char *neighbours);

#endif
