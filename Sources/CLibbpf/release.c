// SPDX-License-Identifier: Apache-2.0
/*
 * Closes descriptors whose last close may take long.  To remove a program from ftrace, the
 * kernel waits for a grace period of RCU tasks, and that waits until every task has given
 * up the processor voluntarily.  A task that spins in the kernel never does, so the loop
 * that is being traced can delay the end of its own trace.  Therefore a child keeps the
 * descriptors and closes them last; the parent can wait for it, or end.
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

/* For example, a port that the parent listens on must not stay in use for as long as the
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

/* Makes only system calls, because the parent may have had threads. `gone` stays open as
 * descriptor 0 until the very end; the parent notices when it is closed. */
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
