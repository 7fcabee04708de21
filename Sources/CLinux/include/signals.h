/* SPDX-License-Identifier: Apache-2.0 */
// The signals that end a run, as a descriptor.
#ifndef CLINUX_SIGNALS_H
#define CLINUX_SIGNALS_H

/// Blocks SIGINT, SIGTERM, SIGHUP and SIGUSR1 for the calling thread and those that it starts, and returns a descriptor
/// that is readable when one has arrived; or -errno.
int clinux_signal_descriptor(void);

/// The number of the signal that arrived, or -errno. `*is_from_kernel` is 1 if the kernel sent it, as for a terminal.
int clinux_next_signal(int descriptor, int *is_from_kernel);

#endif
