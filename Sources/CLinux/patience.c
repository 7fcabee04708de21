// SPDX-License-Identifier: Apache-2.0
// A message on behalf of a process that is blocked inside the kernel and so cannot emit it itself. A child waits beside it.
#define _GNU_SOURCE
#include "patience.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t clinux_tell_later(int seconds, const char *line, int *leash)
{
	int ends[2];
	if (pipe(ends))
		return -1;
	pid_t child = fork();
	if (child == 0) {
		// Only the end of the pipe as descriptor 0, and standard error, stay open.
		dup2(ends[0], 0);
		close(1);
		syscall(SYS_close_range, 3, ~0u, 0);
		struct pollfd wait = { .fd = 0 };
		int count = poll(&wait, 1, seconds * 1000);
		if (count == 0 && write(2, line, strlen(line)) < 0)
			_exit(1);
		_exit(0);
	}
	int failure = errno;
	close(ends[0]);
	if (child < 0)
		close(ends[1]);
	else
		*leash = ends[1];
	errno = failure;
	return child;
}
