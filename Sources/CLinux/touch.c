// SPDX-License-Identifier: Apache-2.0
// An access that survives SIGBUS. The handler leaves with a jump, which only C can express. It jumps only during such an
// access; any other SIGBUS ends the process as usual.
#define _GNU_SOURCE
#include "provocation_calls.h"

#include <setjmp.h>

static __thread sigjmp_buf before_touch;
static __thread volatile sig_atomic_t touching;

static void on_sigbus(int signal)
{
	if (touching)
		siglongjmp(before_touch, 1);
	struct sigaction fatal = { .sa_handler = SIG_DFL };
	sigaction(signal, &fatal, NULL);
	raise(signal);
}

int clinux_touch(volatile uint32_t *address, int writes)
{
	static __thread int installed;
	if (!installed) {
		// SA_NODEFER because the jump does not restore the signal mask, which would cost a
		// system call on every touch.
		struct sigaction action = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };
		if (sigaction(SIGBUS, &action, NULL) != 0)
			return -1;
		installed = 1;
	}
	if (sigsetjmp(before_touch, 0) != 0) {
		touching = 0;
		return -1;
	}
	touching = 1;
	uint32_t word = *address;
	if (writes)
		*address = word;
	touching = 0;
	return 0;
}
