/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor: reports the state of the service to systemd (sd_notify).
 *
 * systemd, or another program that speaks its protocol, names a datagram socket in NOTIFY_SOCKET
 * and, with a watchdog, an interval in WATCHDOG_USEC. Without them every call does nothing. A
 * message that cannot be delivered is not reported.
 *
 *     status...  ready  (alive | status | reloading ... ready)...  stopping  alive...
 *
 * The only user of libsystemd. Thread-safe; a call sends one datagram and does not block for long.
 */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

/* supervisor_ready says that requests are answered from now on; supervisor_status what goes on, in
 * one line for people (`systemctl status`). */
void supervisor_ready(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void supervisor_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* supervisor_reloading begins what the next supervisor_ready ends; supervisor_stopping begins the
 * end. */
void supervisor_reloading(void);
void supervisor_stopping(void);

/* supervisor_alive is to be called at least every supervisor_alive_seconds (0: nobody asks), and
 * only by what has just seen that the service works: after a silence of twice that the process is
 * killed and started again. */
void supervisor_alive(void);
double supervisor_alive_seconds(void);

#endif
