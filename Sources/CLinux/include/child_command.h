/* SPDX-License-Identifier: Apache-2.0 */
// Starts another program: with the signals of a new process, its output redirected if wanted, and a descriptor that becomes
// readable at its end.
#ifndef CLINUX_CHILD_COMMAND_H
#define CLINUX_CHILD_COMMAND_H

#include <sys/types.h>

/// Starts the program at `path`; `output` becomes its standard output unless it is -1. Signals are neither
/// blocked nor ignored there. The process, or -1 with errno.
pid_t clinux_spawn_command(const char *path, char *const arguments[], int output);

/// As above, but the program waits for the release, with the capabilities and the environment of now. Pass `release` to
/// `clinux_release_command`. The process, or -1 with errno.
pid_t clinux_hold_command(const char *path, char *const arguments[], int *release);

/// Runs a held program. 0, or -1 with errno when it cannot be run. Closes `release`.
int clinux_release_command(int release);

/// A descriptor that is readable when the process has ended (pidfd_open(2), Linux 5.3); -1 with errno.
int clinux_process_descriptor(pid_t process);

/// The same for a thread (PIDFD_THREAD, Linux 6.9); -1 with errno, which is EINVAL on earlier kernels.
int clinux_thread_descriptor(pid_t thread);

/// Whether a thread of the process exists.
int clinux_thread_exists(pid_t process, pid_t thread);

/// Waits for the process. Its exit status as a shell reports it: 128 plus the signal that ended it, if one did.
int clinux_wait_status(pid_t process);

#endif
