/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_error: the message when the store's file ends before its pages do.
 *
 * data.mdb is read through a memory map. So a file that was cut short, or a disk that cannot read a
 * page, causes a SIGBUS in the middle of a read and not an error of a call. The file's size does
 * not show it beforehand, because LMDB may leave free pages at the end unwritten.
 */
#ifndef SERVER_BUS_ERROR_H
#define SERVER_BUS_ERROR_H

/* bus_error_install makes such a read end the process with status 1 and one line on standard error.
 * Any other SIGBUS ends the process as usual. main calls it once, before there are threads. */
void bus_error_install(void);

#endif
