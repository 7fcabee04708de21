// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cpus.h"

#include <sched.h>

int clinux_usable_cpus(void)
{
	// A kernel that numbers more CPUs than there is room for refuses; Linux numbers at most 8192.
	cpu_set_t cpus[8192 / CPU_SETSIZE];
	if (sched_getaffinity(0, sizeof(cpus), cpus))
		return -1;
	return CPU_COUNT_S(sizeof(cpus), cpus);
}
