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

/* supervisor_ready reports that requests are answered from now on. supervisor_status sets one line
 * for people (`systemctl status`). */
void supervisor_ready(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void supervisor_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* supervisor_reloading begins a reload, which the next supervisor_ready ends. supervisor_stopping
 * begins the stop. */
void supervisor_reloading(void);
void supervisor_stopping(void);

/* supervisor_alive gives a sign of life. Call it at least every supervisor_alive_seconds (0: not
 * wanted), and only after seeing that the service works. After twice that time without a sign, the
 * supervisor kills and restarts the process. */
void supervisor_alive(void);
double supervisor_alive_seconds(void);

#endif
