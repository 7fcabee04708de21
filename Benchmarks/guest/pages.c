// SPDX-License-Identifier: Apache-2.0
/*
 * What the page cache costs for each base page of a large file: `pages DIR` prints "write
 * NS", "fault NS", "evict NS", "drop NS" and "truncate NS".  Each is the least of the
 * rounds, because other load only adds time.  Written pages reach the disk before the next
 * clock starts, so no figure contains the disk.  Where nothing can be evicted (tmpfs), the
 * lines for evict and drop are missing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define BYTES  (32 << 20)
#define PAGES  (BYTES / 4096)
#define ROUNDS 8

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double fill(int file)
{
	static char part[1 << 20];
	double begin, took;

	memset(part, 1, sizeof(part));
	begin = now();
	for (long done = 0; done < BYTES; done += sizeof(part))
		if (pwrite(file, part, sizeof(part), done) != sizeof(part)) {
			perror("pages: cannot write the file");
			exit(1);
		}
	took = now() - begin;
	fsync(file);
	return took;
}

/* Reads one byte of each page through a new mapping. */
static double fault(int file)
{
	volatile char *map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file, 0);
	double begin = now(), took;

	if (map == MAP_FAILED) {
		perror("pages: cannot map the file");
		exit(1);
	}
	for (long page = 0; page < PAGES; page++)
		(void)map[page * 4096];
	took = now() - begin;
	munmap((void *)map, BYTES);
	return took;
}

/* drop_caches, with little else in the cache but the file. */
static double drop(void)
{
	int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
	double begin = now();

	if (file < 0 || write(file, "1", 1) != 1) {
		perror("pages: cannot drop caches");
		exit(1);
	}
	begin = now() - begin;
	close(file);
	return begin;
}

int main(int argc, char **argv)
{
	double written = 1e18, faulted = 1e18, evicted = 1e18, dropped = 1e18, truncated = 1e18;
	struct statfs fs;
	char path[256];
	int file, evicts;

	snprintf(path, sizeof(path), "%s/large", argc > 1 ? argv[1] : ".");
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || fstatfs(file, &fs)) {
		perror(path);
		return 1;
	}
	evicts = fs.f_type != TMPFS_MAGIC;
	for (int round = 0; round < ROUNDS; round++) {
		double begin;

		written = least(written, fill(file));
		faulted = least(faulted, fault(file));
		if (evicts) {
			begin = now();
			posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
			evicted = least(evicted, now() - begin);
			fill(file);
			dropped = least(dropped, drop());
			fill(file);
		}
		begin = now();
		if (ftruncate(file, 0)) {
			perror("pages: cannot truncate");
			return 1;
		}
		truncated = least(truncated, now() - begin);
	}
	unlink(path);
	printf("write %.2f\nfault %.2f\n", written / PAGES, faulted / PAGES);
	if (evicts)
		printf("evict %.2f\ndrop %.2f\n", evicted / PAGES, dropped / PAGES);
	printf("truncate %.2f\n", truncated / PAGES);
	return 0;
}
