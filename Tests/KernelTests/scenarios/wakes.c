// SPDX-License-Identifier: Apache-2.0

// Whether wakes reach their waiters while somebody takes the page away, and whether anything outlives its file.
//
//   wakes keys FILE none|punch|direct|truncate COUNT
//     A waiter in another process waits COUNT times, in turn on a word of the first and of the second page of
//     FILE; each time it is woken once. A third process takes both pages out of the page cache meanwhile, with
//     real-time priority and naps, on the same CPU. The words are 0 all the time, so nothing is lost with a page.
//     Prints: wakes, how many woke a waiter, how many of those waiters went on, wakes that reached a waiter on
//     the other word, EFAULT of waits, EFAULT of wakes, operations of the third process.
//   wakes lifetime DIRECTORY ROUNDS
//     In each round a process wakes a word of a new file without pause, while its other thread maps a second file
//     over it and back, and while holes are punched in the files, their names removed, and their sizes cut to 0.
//     Prints: rounds, calls, EFAULT, other errors.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SIZE = 4 * PAGE };

static struct board {
	atomic_long turn, went_on, lost;
	atomic_long wait_efault, wake_efault, other_errors;
	atomic_long operations, calls;
} * board;

static void fail(const char *what)
{
	fprintf(stderr, "wakes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long futex(int *word, int operation, int value, long seconds)
{
	struct timespec time = { seconds, 0 };

	return syscall(SYS_futex, word, operation, value, seconds ? &time : NULL, NULL, 0);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void nap(long us)
{
	struct timespec time = { 0, us * 1000 };

	nanosleep(&time, NULL);
}

static void on_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int *map(int file)
{
	int *words = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);

	if (words == MAP_FAILED)
		fail("mmap");
	return words;
}

static int *word_of(int *words, long turn)
{
	return words + (turn & 1) * (PAGE / sizeof(int));
}

static int new_file(const char *path)
{
	static char zeros[SIZE] __attribute__((aligned(PAGE)));
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (file < 0 || write(file, zeros, SIZE) != SIZE || fsync(file))
		fail(path);
	return file;
}

static void disturb(const char *path, const char *how)
{
	static char zeros[2 * PAGE] __attribute__((aligned(PAGE)));
	struct sched_param priority = { .sched_priority = 10 };
	int file = open(path, strcmp(how, "direct") ? O_RDWR : O_RDWR | O_DIRECT);

	if (file < 0)
		fail(path);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		fail("SCHED_FIFO");
	for (;; nap(strcmp(how, "direct") ? 300 : 1000)) {
		int failed;

		if (!strcmp(how, "punch"))
			failed = fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					   2 * PAGE);
		else if (!strcmp(how, "direct"))
			failed = pwrite(file, zeros, 2 * PAGE, 0) != 2 * PAGE;
		else
			failed = ftruncate(file, 0) || ftruncate(file, SIZE);
		if (failed)
			fail(how);
		atomic_fetch_add(&board->operations, 1);
	}
}

static void wait_for_wakes(const char *path, long count)
{
	int *words = map(open(path, O_RDONLY));

	for (long turn = 0; turn < count; turn++) {
		int *word = word_of(words, turn);

		atomic_store(&board->turn, turn + 1);
		while (futex(word, FUTEX_WAIT, 0, 10)) {
			if (errno == EFAULT)
				atomic_fetch_add(&board->wait_efault, 1);
			else if (errno == ETIMEDOUT)
				exit(2);
			else if (errno != EINTR)
				atomic_fetch_add(&board->other_errors, 1);
		}
		atomic_fetch_add(&board->went_on, 1);
	}
	exit(0);
}

static int keys(const char *path, const char *how, long count)
{
	int file = new_file(path), *words = map(open(path, O_RDONLY));
	long woken = 0, crossed = 0;
	pid_t waiter, disturber = 0;

	on_one_cpu();
	waiter = fork();
	if (!waiter) {
		on_one_cpu();
		wait_for_wakes(path, count);
	}
	if (strcmp(how, "none")) {
		disturber = fork();
		if (!disturber) {
			on_one_cpu();
			disturb(path, how);
		}
	}
	for (long turn = 0; turn < count; turn++) {
		double limit = now() + 10;

		while (atomic_load(&board->turn) != turn + 1 && now() < limit)
			nap(20);
		for (;;) {
			long result;

			result = futex(word_of(words, turn + 1), FUTEX_WAKE, 1, 0);
			if (result > 0)
				crossed += result;
			result = futex(word_of(words, turn), FUTEX_WAKE, 1, 0);
			if (result == 1) {
				woken++;
				break;
			}
			if (result < 0)
				atomic_fetch_add(&board->wake_efault, 1);
			if (now() > limit)
				break;
			if (result == 0)
				nap(20);
		}
		limit = now() + 10;
		while (atomic_load(&board->went_on) < woken && now() < limit)
			nap(20);
	}
	if (disturber)
		kill(disturber, SIGKILL);
	printf("%ld %ld %ld %ld %ld %ld %ld\n", count, woken, atomic_load(&board->went_on), crossed,
	       atomic_load(&board->wait_efault), atomic_load(&board->wake_efault),
	       atomic_load(&board->operations));
	kill(waiter, SIGKILL);
	close(file);
	unlink(path);
	return atomic_load(&board->other_errors) != 0;
}

static void *wake_without_pause(void *words)
{
	for (;;) {
		long result = futex(words, FUTEX_WAKE, 1, 0);

		atomic_fetch_add(&board->calls, 1);
		if (result < 0)
			atomic_fetch_add(
				errno == EFAULT ? &board->wake_efault : &board->other_errors, 1);
	}
}

static int lifetime(const char *directory, long rounds)
{
	for (long round = 0; round < rounds; round++) {
		char names[2][256];
		int files[2];
		pid_t victim;

		for (int i = 0; i < 2; i++) {
			snprintf(names[i], sizeof(names[i]), "%s/file-%d", directory, i);
			files[i] = new_file(names[i]);
		}
		victim = fork();
		if (!victim) {
			int *words = map(files[0]);
			pthread_t thread;

			on_one_cpu();
			pthread_create(&thread, NULL, wake_without_pause, words);
			for (int i = 0;; i++, nap(300))
				mmap(words, SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, files[i & 1],
				     0);
		}
		if (!fork()) {
			struct sched_param priority = { .sched_priority = 10 };

			on_one_cpu();
			sched_setscheduler(0, SCHED_FIFO, &priority);
			for (int i = 0; i < 60; i++, nap(300)) {
				for (int j = 0; j < 2; j++)
					fallocate(files[j],
						  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
						  PAGE);
				if (i == 30)
					unlink(names[0]), unlink(names[1]);
				if (i == 45)
					ftruncate(files[0], 0), ftruncate(files[1], 0);
			}
			exit(0);
		}
		close(files[0]);
		close(files[1]);
		if (round & 1)
			nap(9000);
		else
			wait(NULL);
		kill(victim, SIGKILL);
		while (wait(NULL) > 0)
			;
	}
	printf("%ld %ld %ld %ld\n", rounds, atomic_load(&board->calls),
	       atomic_load(&board->wake_efault), atomic_load(&board->other_errors));
	return 0;
}

int main(int count, char **arguments)
{
	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == 5 && !strcmp(arguments[1], "keys"))
		return keys(arguments[2], arguments[3], atol(arguments[4]));
	if (count == 4 && !strcmp(arguments[1], "lifetime"))
		return lifetime(arguments[2], atol(arguments[3]));
	fprintf(stderr, "usage: see the source\n");
	return 64;
}
