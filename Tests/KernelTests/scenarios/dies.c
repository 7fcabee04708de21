// SPDX-License-Identifier: Apache-2.0
// A process that ends with the failure of a thread of its own, as a program does that the C library aborts: a shared futex on
// memory that was never written. It prints its number and waits for a byte on standard input before that.
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *fail(void *address)
{
	char byte;
	uint32_t value;

	// A thread is there for a while before it fails.
	if (read(0, &byte, 1) != 1)
		_exit(1);
	// Reading maps the zero page.
	value = *(volatile uint32_t *)address;
	_exit(syscall(SYS_futex, address, FUTEX_WAIT, value + 1, NULL, NULL, 0) == -1 ? 0 : 1);
}

int main(void)
{
	pthread_t thread;
	void *address = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	printf("%d\n", getpid());
	fflush(stdout);
	if (address == MAP_FAILED || pthread_create(&thread, NULL, fail, address))
		return 1;
	pause();
	return 1;
}
