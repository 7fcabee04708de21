/* SPDX-License-Identifier: Apache-2.0 */
// Emits a message while this process is blocked in a system call.
#ifndef CLINUX_PATIENCE_H
#define CLINUX_PATIENCE_H

#include <sys/types.h>

/// Starts a child that writes `line` to standard error after `seconds`, unless this process has closed `leash` or ended by
/// then; the child ends in both cases. The process must have one thread, and waits for the child afterwards. The child, or -1
/// with errno.
pid_t clinux_tell_later(int seconds, const char *line, int *leash);

#endif
