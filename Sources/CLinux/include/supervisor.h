/* SPDX-License-Identifier: Apache-2.0 */
// Notifies a supervisor such as systemd.
#ifndef CLINUX_SUPERVISOR_H
#define CLINUX_SUPERVISOR_H

/// Sends `text` to the datagram socket that is called `name` in NOTIFY_SOCKET. 0, or -1 with errno. Never blocks.
int clinux_notify(const char *name, const char *text);

#endif
