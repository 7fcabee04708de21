// SPDX-License-Identifier: Apache-2.0
/*
 * Work of an io_uring that the kernel does within another system call of the task: rings.  The
 * work is FUTEX_WAKE on a word in the zero page, so it fails with EFAULT.  The call is a futex()
 * on a word of the vDSO that the kernel does not know, so it returns ENOSYS, and its registers
 * are those of a call in progress.  Prints how often the work failed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, ENTRIES = 8, TURNS = 30 };
/* include/uapi/linux/io_uring.h and futex.h of 6.7. */
enum { RING_FUTEX_WAKE = 52, FUTEX_32_BITS = 2 };

struct ring {
	int file;
	struct io_uring_params params;
	char *queues;
	struct io_uring_sqe *entries;
};

static unsigned *field(struct ring *ring, unsigned offset)
{
	return (unsigned *)(ring->queues + offset);
}

static void *map_ring(struct ring *ring, size_t bytes, off_t offset)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    ring->file, offset);

	if (memory == MAP_FAILED)
		err(1, "mmap of a ring");
	return memory;
}

static void open_ring(struct ring *ring)
{
	ring->file = syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->file < 0)
		err(1, "io_uring_setup");
	/* Both queues are in one mapping since 5.4. */
	ring->queues = map_ring(ring,
				ring->params.cq_off.cqes +
					ring->params.cq_entries * sizeof(struct io_uring_cqe),
				IORING_OFF_SQ_RING);
	ring->entries = map_ring(ring, ENTRIES * sizeof(*ring->entries), IORING_OFF_SQES);
}

static struct io_uring_sqe *next_entry(struct ring *ring, int operation)
{
	unsigned *tail = field(ring, ring->params.sq_off.tail);
	unsigned place = *tail & (ENTRIES - 1);
	struct io_uring_sqe *entry = &ring->entries[place];

	memset(entry, 0, sizeof(*entry));
	entry->opcode = operation;
	field(ring, ring->params.sq_off.array)[place] = place;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return entry;
}

/* Takes a result; false when there is none. */
static int take(struct ring *ring, int *result)
{
	unsigned *head = field(ring, ring->params.cq_off.head);
	struct io_uring_cqe *results = (void *)(ring->queues + ring->params.cq_off.cqes);

	if (*head == __atomic_load_n(field(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return 0;
	*result = results[*head & (ring->params.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return 1;
}

static void *signal_event(void *event)
{
	uint64_t one = 1;

	for (;;) {
		usleep(20000);
		if (write(*(int *)event, &one, sizeof(one)) < 0)
			err(1, "write");
	}
	return NULL;
}

int main(void)
{
	char *word = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *other = (char *)getauxval(AT_SYSINFO_EHDR);
	struct ring ring = { 0 };
	struct io_uring_sqe *entry;
	int event = eventfd(0, 0), failed = 0, result;
	pthread_t thread;
	uint64_t sum;

	if (word == MAP_FAILED || !other || event < 0)
		err(1, "mmap, vDSO or eventfd");
	(void)*(volatile char *)word;
	open_ring(&ring);
	if (pthread_create(&thread, NULL, signal_event, &event))
		errx(1, "pthread_create");
	for (int turn = 0; turn < TURNS; turn++) {
		entry = next_entry(&ring, IORING_OP_POLL_ADD);
		entry->fd = event;
		entry->poll32_events = POLLIN;
		entry->flags = IOSQE_IO_LINK;
		entry = next_entry(&ring, RING_FUTEX_WAKE);
		entry->addr = (uintptr_t)word;
		entry->off = 1;
		entry->addr3 = ~0u;
		entry->fd = FUTEX_32_BITS;
		if (syscall(SYS_io_uring_enter, ring.file, 2, 0, 0, NULL, 0) != 2)
			err(1, "io_uring_enter");
		for (int results = 0; results < 2;) {
			syscall(SYS_futex, other, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL,
				0);
			while (take(&ring, &result)) {
				results++;
				failed += result == -EFAULT;
			}
		}
		if (read(event, &sum, sizeof(sum)) < 0)
			err(1, "read");
	}
	printf("%d\n", failed);
	return 0;
}
