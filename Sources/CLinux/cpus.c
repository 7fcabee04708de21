// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cpus.h"

#include <sched.h>

int clinux_usable_cpus(void)
{
	// The call fails when the kernel has more CPUs than the set has room for; Linux has at most 8192.
	cpu_set_t cpus[8192 / CPU_SETSIZE];
	if (sched_getaffinity(0, sizeof(cpus), cpus))
		return -1;
	return CPU_COUNT_S(sizeof(cpus), cpus);
}
