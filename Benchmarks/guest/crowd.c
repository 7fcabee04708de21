// SPDX-License-Identifier: Apache-2.0
/*
 * Puts many tasks inside a shared lookup at once: `crowd COUNT READY` starts COUNT threads.
 * Each looks up a futex on a page that nobody provides (userfaultfd), so it stays inside
 * get_futex_key() until this process ends.  Creates the file READY when all of them are
 * there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *page;

static void *look_up(void *unused)
{
	syscall(SYS_futex, page, FUTEX_WAKE, 1, NULL, NULL, 0);
	return unused;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[1]) : 0;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	int file = memfd_create("crowd", 0);
	pthread_attr_t small;
	pthread_t thread;

	if (!count) {
		fprintf(stderr, "usage: crowd COUNT READY\n");
		return 64;
	}
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) || file < 0 || ftruncate(file, 4096))
		fail("crowd: no userfaultfd");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	area.range.start = (unsigned long)page;
	area.range.len = 4096;
	if (page == MAP_FAILED || ioctl(faults, UFFDIO_REGISTER, &area))
		fail("crowd: cannot watch the page");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 32 << 10);
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread, &small, look_up, NULL))
			fail("crowd: no thread");
	/* There is a message for each thread that waits, and none is answered. */
	for (int i = 0; i < count; i++) {
		struct uffd_msg message;

		if (read(faults, &message, sizeof(message)) != sizeof(message))
			fail("crowd: fewer came than went");
	}
	close(open(argv[2], O_WRONLY | O_CREAT, 0600));
	pause();
	return 0;
}
