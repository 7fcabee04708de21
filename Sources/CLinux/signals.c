// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int clinux_signal_descriptor(void)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
	sigset_t set;
	int code, descriptor;

	sigemptyset(&set);
	for (unsigned place = 0; place < sizeof(ending) / sizeof(ending[0]); place++)
		sigaddset(&set, ending[place]);
	code = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (code)
		return -code;
	descriptor = signalfd(-1, &set, SFD_CLOEXEC);
	return descriptor < 0 ? -errno : descriptor;
}

int clinux_next_signal(int descriptor, int *is_from_kernel)
{
	struct signalfd_siginfo info;

	// The kernel writes one whole structure or nothing.
	if (read(descriptor, &info, sizeof(info)) < 0)
		return -errno;
	*is_from_kernel = info.ssi_code == SI_KERNEL;
	return info.ssi_signo;
}
