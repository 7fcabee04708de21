// SPDX-License-Identifier: Apache-2.0
/*
 * Futex calls that come to the kernel in unusual ways: calls.  The word of each one is in the
 * zero page, so each one fails with EFAULT.  Prints a line for each with the operation and the
 * word's address.  For x86-64.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, OLD_FUTEX = 240, NEW_FUTEX_WAKE = 454 };

static char *map(char *place, int access, int flags)
{
	char *page = mmap(place, PAGE, access, MAP_ANONYMOUS | flags, -1, 0);

	if (page == MAP_FAILED)
		err(1, "mmap");
	return page;
}

/* The zero page, in an area without write access: a futex call would replace it in any other. */
static char *map_zero_page(char *place, int flags)
{
	char *page = map(place, PROT_READ, MAP_PRIVATE | flags);

	(void)*(volatile char *)page;
	return page;
}

static void expect_failure(const char *operation, char *word, long result, int error)
{
	if (result >= 0 || error != EFAULT)
		errx(1, "%s: %ld, %d", operation, result, error);
	printf("%s %p\n", operation, (void *)word);
	fflush(stdout);
}

/* A call of the 32-bit table, with another word in the register of the first argument of the
 * 64-bit table. */
static void call_with_int80(long number, long second, char *other)
{
	char *word = map_zero_page(NULL, MAP_32BIT);
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "0"(number), "b"(word), "c"(second), "d"(1L), "S"(2L), "D"(other)
		     : "memory", "r8", "r9", "r10", "r11");
	expect_failure("wake", word, (int)result < 0 ? -1 : 0, -(int)result);
}

static void *wait_on(void *word)
{
	struct timespec limit = { .tv_sec = 60 };
	long result = syscall(SYS_futex, word, FUTEX_WAIT, 0, &limit, NULL, 0);

	expect_failure("wait", word, result, errno);
	_exit(0);
}

/* A call that a signal interrupts, so that the kernel restarts it. */
static void be_stopped(void)
{
	char *word = map(NULL, PROT_READ | PROT_WRITE, MAP_SHARED);
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_on, word))
		errx(1, "pthread_create");
	/* Long enough for the thread to be in its call. */
	usleep(500000);
	map_zero_page(word, MAP_FIXED);
	kill(getpid(), SIGSTOP);
	pause();
}

int main(void)
{
	char *other = map_zero_page(NULL, 0);
	pid_t child;
	int status;

	call_with_int80(OLD_FUTEX, FUTEX_WAKE, other);
	/* Its mask has all bits set. */
	call_with_int80(NEW_FUTEX_WAKE, -1, other);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		be_stopped();
	if (waitpid(child, &status, WUNTRACED) != child || kill(child, SIGCONT))
		err(1, "waitpid");
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the child ended with %d", status);
	return 0;
}
