/* SPDX-License-Identifier: Apache-2.0 */
// Saying that something takes long while nothing but a system call that does not return is going on.
#ifndef CLINUX_PATIENCE_H
#define CLINUX_PATIENCE_H

#include <sys/types.h>

/// Makes a child that writes `line` to standard error after so many seconds, unless `leash` was closed here
/// or this process is gone by then, and ends either way. The process must have one thread and waits for the
/// child afterwards. The child, or -1 with errno.
pid_t clinux_tell_later(int seconds, const char *line, int *leash);

#endif
