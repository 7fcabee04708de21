// SPDX-License-Identifier: Apache-2.0
/*
 * Drops capabilities for good.  Capabilities belong to a thread, and glibc does not
 * synchronise threads here, so this is for a process with one thread; threads that start
 * later inherit what is left.
 */
#include "rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int exchange(int call, __u64 *effective, __u64 *permitted)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (__u32)*effective, .permitted = (__u32)*permitted },
		{ .effective = *effective >> 32, .permitted = *permitted >> 32 },
	};

	if (syscall(call, &header, data))
		return -errno;
	*effective = data[0].effective | (__u64)data[1].effective << 32;
	*permitted = data[0].permitted | (__u64)data[1].permitted << 32;
	return 0;
}

int clinux_permitted_capabilities(unsigned long long *permitted)
{
	__u64 effective = 0, mask = 0;
	int error = exchange(SYS_capget, &effective, &mask);

	*permitted = mask;
	return error;
}

/* The inheritable ones are dropped too, and with them the ambient ones. */
int clinux_set_capabilities(unsigned long long effective, unsigned long long permitted)
{
	__u64 wanted = effective, allowed = permitted;

	return exchange(SYS_capset, &wanted, &allowed);
}

int clinux_close_ways_back(void)
{
	/* This fails without CAP_SETPCAP, and is not needed then: with no_new_privs no file
	 * gives capabilities, and only root would get some without a file. */
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* Otherwise a process of the same user could attach to this one, which may have kept
	 * a capability such as CAP_SYS_PTRACE. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}
