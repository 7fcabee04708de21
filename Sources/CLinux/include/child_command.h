/* SPDX-License-Identifier: Apache-2.0 */
// Starting another program: with the signals of a fresh process, its output here or there, and a
// descriptor that tells of its end.
#ifndef CLINUX_CHILD_COMMAND_H
#define CLINUX_CHILD_COMMAND_H

#include <sys/types.h>

/// Starts the program at `path`; `output` becomes its standard output unless it is -1. Signals are neither
/// blocked nor ignored there. The process, or -1 with errno.
pid_t clinux_spawn_command(const char *path, char *const arguments[], int output);

/// As above, but the program waits, with the rights and the environment of now, for the release.
/// `release` is to be handed on. The process, or -1 with errno.
pid_t clinux_hold_command(const char *path, char *const arguments[], int *release);

/// Lets a held program run. 0, or -1 with errno when it could not be run. Ends `release`.
int clinux_release_command(int release);

/// A descriptor that is readable when the process has ended (pidfd_open(2), Linux 5.3); -1 with errno.
int clinux_process_descriptor(pid_t process);

/// Waits for the process. Its exit status as a shell has it: 128 and the signal where one ended it.
int clinux_wait_status(pid_t process);

#endif
