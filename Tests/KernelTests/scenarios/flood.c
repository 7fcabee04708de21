// SPDX-License-Identifier: Apache-2.0
/*
 * One detach that a victim meets, and right behind it those of more held pages than the
 * table of detaches has slots: flood DIRECTORY SECONDS [HUGE]. The pages of a file are put
 * into pipes, which hold them, and then cut out of the file. A child waits on a futex in the
 * first page meanwhile, with less priority; run both on one CPU. With HUGE, a directory of
 * hugetlbfs, the futex is in a huge page of a file there, which is cut out before the others.
 * Ends when enough of the child's calls have failed with EFAULT, or after SECONDS, and prints
 * how many have.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIPES = 24, ENOUGH = 10, PAGES_OF_PIPE = 256, PAGE = 4096, HUGE_PAGE = 2 << 20 };
static const size_t bytes = (size_t)PIPES * PAGES_OF_PIPE * PAGE;
/* Ends by itself, so that each call that failed is counted: failed[1] asks for it. */
static void be_victim(char *word, volatile unsigned long *failed)
{
	while (!failed[1]) {
		/* The word never has this value. */
		if (syscall(SYS_futex, word, FUTEX_WAIT, 2, NULL, NULL, 0) && errno == EFAULT)
			++*failed;
	}
}

static int fill(char *from)
{
	int ends[2];
	struct iovec pages = { .iov_base = from, .iov_len = PAGES_OF_PIPE * PAGE };

	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, PAGES_OF_PIPE * PAGE) < 0)
		err(1, "pipe");
	if (vmsplice(ends[1], &pages, 1, SPLICE_F_NONBLOCK) < 0)
		err(1, "vmsplice");
	close(ends[1]);
	return ends[0];
}

/* Maps a new file without a name; its descriptor is in `file`. */
static char *map(const char *directory, size_t size, int *file)
{
	char path[4096], *memory;

	snprintf(path, sizeof(path), "%s/flood", directory);
	*file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (*file < 0)
		err(1, "%s", path);
	unlink(path);
	if (ftruncate(*file, size))
		err(1, "ftruncate");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	return memory;
}

static void cut(int file, size_t size)
{
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size))
		err(1, "fallocate");
}

int main(int count, char **arguments)
{
	struct sched_param priority = { .sched_priority = 20 };
	struct timespec turn = { .tv_nsec = 3000000 };
	char *memory, *word;
	int file, huge = -1, pipes[PIPES];
	volatile unsigned long *failed;
	pid_t victim;
	time_t end;

	if (count != 3 && count != 4)
		errx(64, "usage: flood DIRECTORY SECONDS [HUGE]");
	memory = map(arguments[1], bytes, &file);
	word = count == 4 ? map(arguments[3], HUGE_PAGE, &huge) : memory;
	failed = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (failed == MAP_FAILED)
		err(1, "mmap");
	victim = fork();
	if (victim < 0)
		err(1, "fork");
	if (!victim) {
		be_victim(word, failed);
		return 0;
	}
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		err(1, "sched_setscheduler");
	end = time(NULL) + atoi(arguments[2]);
	do {
		memset(memory, 1, bytes);
		*word = 1;
		for (int i = 0; i < PIPES; i++)
			pipes[i] = fill(memory + (size_t)i * PAGES_OF_PIPE * PAGE);
		/* The victim's turn; this task's end of it comes anywhere in a call. */
		nanosleep(&turn, NULL);
		if (huge >= 0)
			cut(huge, HUGE_PAGE);
		cut(file, bytes);
		for (int i = 0; i < PIPES; i++)
			close(pipes[i]);
	} while (*failed < ENOUGH && time(NULL) < end);
	failed[1] = 1;
	if (waitpid(victim, NULL, 0) != victim)
		err(1, "waitpid");
	printf("%lu\n", *failed);
	return 0;
}
