// SPDX-License-Identifier: Apache-2.0
/*
 * What one futex(FUTEX_WAKE) that wakes nobody costs: `futex` prints "private NS" and
 * "shared NS", medians of rounds.  `futex storm CALLS` makes CALLS shared calls and prints
 * the nanoseconds that all of them took.  The shared word is in a file on tmpfs that stays
 * mapped, so get_futex_key() finds its mapping.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS  4000
#define ROUNDS 15

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds that `calls` calls take. */
static double wake(uint32_t *word, int operation, long calls)
{
	double begin = now();

	for (long i = 0; i < calls; i++)
		syscall(SYS_futex, word, operation, 1, NULL, NULL, 0);
	return now() - begin;
}

static double median_call(uint32_t *word, int operation)
{
	double took[ROUNDS];

	wake(word, operation, CALLS); /* warms up */
	for (int round = 0; round < ROUNDS; round++)
		took[round] = wake(word, operation, CALLS) / CALLS;
	qsort(took, ROUNDS, sizeof(*took), compare);
	return took[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	int file = open("/mnt/tmpfs/futex-word", O_RDWR | O_CREAT, 0600);
	uint32_t *word;

	if (file < 0 || ftruncate(file, 4096) ||
	    (word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
		perror("futex: cannot map a file on /mnt/tmpfs");
		return 1;
	}
	*word = 0;
	if (argc > 2 && !strcmp(argv[1], "storm")) {
		printf("%.0f\n", wake(word, FUTEX_WAKE, atol(argv[2])));
		return 0;
	}
	printf("private %.1f\n", median_call(word, FUTEX_WAKE_PRIVATE));
	printf("shared %.1f\n", median_call(word, FUTEX_WAKE));
	return 0;
}
