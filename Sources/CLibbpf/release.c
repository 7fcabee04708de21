// SPDX-License-Identifier: Apache-2.0
/*
 * Letting go of descriptors whose last close may take long.  Taking a program
 * off ftrace waits for a grace period of RCU tasks, and that waits for every
 * task to give up the processor of its own accord: one that spins in the kernel
 * never does, and the very loop that is being traced can hold up the end of its
 * trace.  So a child keeps the descriptors and closes them last; the parent can
 * wait for it, or leave.
 */
#include "CLibbpf.h"

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

static int next_kept(int from, int go, const int *first, size_t count)
{
	int next = go >= from ? go : INT_MAX;

	for (size_t i = 0; i < count; i++)
		if (first[i] >= from && first[i] < next)
			next = first[i];
	return next;
}

/* A port that the parent listens on, say, must not stay taken for as long as the
 * child waits. */
static void close_others(int go, const int *first, size_t count)
{
	for (int from = 3, next;; from = next + 1) {
		next = next_kept(from, go, first, count);
		if (next > from)
			syscall(SYS_close_range, from, next == INT_MAX ? ~0u : next - 1u, 0);
		if (next == INT_MAX)
			return;
	}
}

/* Nothing but system calls: the parent may have had threads. `gone` stays open
 * as descriptor 0 until the very end, which is what the parent sees. */
static void close_as_child(int go, int gone, const int *first, size_t count)
{
	char byte;

	setsid();
	dup2(gone, 0);
	close(1);
	close(2);
	close_others(go, first, count);
	while (read(go, &byte, 1) > 0)
		;
	for (size_t i = 0; i < count; i++)
		close(first[i]);
	_exit(0);
}

int fs_keep_in_child(const int *first, size_t count, int *release, int *gone)
{
	int go[2], end[2], child;

	if (pipe(go))
		return -errno;
	if (pipe(end)) {
		close(go[0]);
		close(go[1]);
		return -errno;
	}
	child = fork();
	if (!child) {
		close(go[1]);
		close(end[0]);
		close_as_child(go[0], end[1], first, count);
	}
	close(go[0]);
	close(end[1]);
	if (child < 0) {
		close(go[1]);
		close(end[0]);
		return -EAGAIN;
	}
	*release = go[1];
	*gone = end[0];
	return child;
}
