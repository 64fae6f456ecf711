/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus_error: what is said when the store's file ends before its pages do.
 *
 * data.mdb is read through memory, so a file that was cut short, or a disk that cannot read a page,
 * shows as SIGBUS in the midst of any read and not as an error of a call. Its size alone does not
 * tell beforehand: LMDB may leave free pages at the end unwritten.
 */
#ifndef SERVER_BUS_ERROR_H
#define SERVER_BUS_ERROR_H

/* bus_error_install makes such a read end the process with status 1 and one line on standard error;
 * any other SIGBUS ends it as before. Called once, by main, before there are threads. */
void bus_error_install(void);

#endif
