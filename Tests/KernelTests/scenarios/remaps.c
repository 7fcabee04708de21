// SPDX-License-Identifier: Apache-2.0
/*
 * The page of a futex loses its mapping, and right behind that the memory area at its address
 * is replaced: remaps DIRECTORY REPLACEMENT SECONDS, with the replacement "anonymous", "file"
 * (another one) or "offset" (of the same file).  A task of real-time priority punches a hole
 * into the file and replaces the area in one turn.  Its other thread calls futex() meanwhile
 * with less priority on the same CPU.  All observations are of the removed page, because the
 * replacement has its own page from the begin.  Ends when enough calls have failed with EFAULT,
 * or after SECONDS, and prints how many have.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { ENOUGH = 25, PAGE = 4096, HUGE_PAGE = 2 << 20, HUGETLBFS = 0x958458f6 };
static char *word;
static volatile unsigned long failed;
static volatile int is_over;

static void *be_victim(void *unused)
{
	while (!is_over)
		if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 && errno == EFAULT)
			failed++;
	return unused;
}

static int make_file(const char *directory, const char *name, size_t bytes)
{
	char path[4096];
	int file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, bytes))
		err(1, "%s", path);
	return file;
}

/* A page of the area is there when this returns. */
static void map(size_t bytes, int flags, int file, off_t offset)
{
	if (mmap(word, bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_POPULATE | flags, file,
		 offset) == MAP_FAILED)
		err(1, "mmap");
	*word = 1;
}

static void replace(const char *replacement, size_t unit, int file, int other)
{
	/* Part of an area of huge pages cannot be replaced. */
	if (unit > PAGE && munmap(word, unit))
		err(1, "munmap");
	if (!strcmp(replacement, "anonymous"))
		map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else if (!strcmp(replacement, "file"))
		map(PAGE, MAP_SHARED, other, 0);
	else
		map(unit, MAP_SHARED, file, unit);
}

int main(int count, char **arguments)
{
	struct sched_param priority = { .sched_priority = 20 };
	struct timespec turn = { 0 };
	struct statfs place;
	int file, other;
	size_t unit;
	cpu_set_t cpu;
	pthread_t victim;
	time_t end;

	if (count != 4)
		errx(64, "usage: remaps DIRECTORY REPLACEMENT SECONDS");
	if (statfs(arguments[1], &place))
		err(1, "%s", arguments[1]);
	unit = place.f_type == HUGETLBFS ? HUGE_PAGE : PAGE;
	file = make_file(arguments[1], "removed", 2 * unit);
	other = make_file("/mnt/tmpfs", "other", PAGE);
	word = mmap(NULL, 3 * unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		err(1, "mmap");
	word = (char *)(((unsigned long)word + unit - 1) & ~(unit - 1));
	map(unit, MAP_SHARED, file, 0);
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		err(1, "sched_setaffinity");
	if (pthread_create(&victim, NULL, be_victim, NULL))
		errx(1, "pthread_create");
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		err(1, "sched_setscheduler");
	end = time(NULL) + atoi(arguments[3]);
	while (failed < ENOUGH && time(NULL) < end) {
		/* The victim's turn; this task's end of it comes anywhere in a call. */
		turn.tv_nsec = 1000000 + random() % 1000000;
		nanosleep(&turn, NULL);
		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, unit))
			err(1, "fallocate");
		replace(arguments[2], unit, file, other);
		nanosleep(&turn, NULL);
		if (unit > PAGE && munmap(word, unit))
			err(1, "munmap");
		map(unit, MAP_SHARED, file, 0);
	}
	is_over = 1;
	pthread_join(victim, NULL);
	printf("%d %lu\n", getpid(), failed);
	return 0;
}
