// SPDX-License-Identifier: Apache-2.0
// An access that survives SIGBUS. The handler leaves with a jump, which only C can express. It jumps only during such an
// access; any other SIGBUS ends the process as usual.
#define _GNU_SOURCE
#include "provocation_calls.h"

#include <setjmp.h>
#include <sys/mman.h>

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

static int catch_sigbus(void)
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
	return 0;
}

int clinux_poison(void *address, size_t length)
{
	if (catch_sigbus() != 0)
		return -1;
	// The signal comes when the page is poisoned, to a process whose data is lost with it.
	if (sigsetjmp(before_touch, 0) != 0) {
		touching = 0;
		return 0;
	}
	touching = 1;
	int result = madvise(address, length, 100 /* MADV_HWPOISON */);
	touching = 0;
	return result;
}

int clinux_touch(volatile uint32_t *address, int writes)
{
	if (catch_sigbus() != 0)
		return -1;
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
