/*
 * What one futex(FUTEX_WAKE) that wakes nobody takes: `futex [ROUNDS]` prints
 * "private NS" and "shared NS", the median of the rounds.  The shared word lies
 * in a file on tmpfs that stays mapped, so get_futex_key() finds its mapping.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS 4000

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

static double median_call(uint32_t *word, int operation, int rounds)
{
	double *took = calloc(rounds, sizeof(*took));

	for (int round = -1; round < rounds; round++) {
		double begin = now();

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_futex, word, operation, 1, NULL, NULL, 0);
		if (round >= 0) /* the first warms up */
			took[round] = (now() - begin) / CALLS;
	}
	qsort(took, rounds, sizeof(*took), compare);
	return took[rounds / 2];
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	int file = open("/mnt/tmpfs/futex-word", O_RDWR | O_CREAT, 0600);
	uint32_t *word;

	if (file < 0 || ftruncate(file, 4096) ||
	    (word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
		perror("futex: cannot map a file on /mnt/tmpfs");
		return 1;
	}
	*word = 0;
	printf("private %.1f\n", median_call(word, FUTEX_WAKE_PRIVATE, rounds));
	printf("shared %.1f\n", median_call(word, FUTEX_WAKE, rounds));
	return 0;
}
