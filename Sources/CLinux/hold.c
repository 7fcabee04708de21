// SPDX-License-Identifier: Apache-2.0
// A command that is started later, with the capabilities of an earlier moment: a child that is ready and waits. Both
// directions use one socket: a byte releases the child, and the answer is the errno of execve(2), or the end of the stream
// when it succeeded.
#define _GNU_SOURCE
#include "child_command.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

// Only system calls, because it can run between fork and exec of a process with threads.
static void wait_and_run(int release, const char *path, char *const arguments[])
{
	extern char **environ;
	sigset_t none;
	struct sigaction usual = { .sa_handler = SIG_DFL };
	char byte;
	// The end without a byte: the parent has ended or does not start the command.
	if (read(release, &byte, 1) != 1)
		_exit(0);
	sigaction(SIGPIPE, &usual, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, arguments, environ);
	int failure = errno;
	if (write(release, &failure, sizeof failure) < 0)
		_exit(126);
	_exit(127);
}

pid_t clinux_hold_command(const char *path, char *const arguments[], int *release)
{
	int ends[2];
	sigset_t all, before;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	// Ctrl-C while it waits is for its program, as if the program ran already.
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t process = fork();
	if (process == 0) {
		close(ends[0]);
		wait_and_run(ends[1], path, arguments);
	}
	int failure = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (process < 0) {
		close(ends[0]);
		errno = failure;
		return -1;
	}
	*release = ends[0];
	return process;
}

int clinux_release_command(int release)
{
	char byte = 0;
	int failure = 0;
	ssize_t count = send(release, &byte, 1, MSG_NOSIGNAL);
	if (count == 1)
		do
			count = read(release, &failure, sizeof failure);
		while (count < 0 && errno == EINTR);
	else
		failure = errno;
	close(release);
	errno = failure;
	return failure == 0 ? 0 : -1;
}
