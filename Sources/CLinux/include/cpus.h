/* SPDX-License-Identifier: Apache-2.0 */
// The CPUs of this process, which may be fewer than the machine has: taskset(1), a service's CPUAffinity=, a
// container's cpuset.
#ifndef CLINUX_CPUS_H
#define CLINUX_CPUS_H

/// The number of CPUs that the caller can run on; -1 with errno.
int clinux_usable_cpus(void);

#endif
