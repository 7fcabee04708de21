// SPDX-License-Identifier: Apache-2.0
// posix_spawn: attributes and file actions are opaque types that are freed on every way out, which is
// shorter and safer to say in C.
#define _GNU_SOURCE
#include "child_command.h"
#include "provocation_calls.h"

#include <errno.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Starts a program with these signals blocked and those as usual; `from` becomes its descriptor `to`,
// without the close-on-exec mark, unless it is -1.
static pid_t spawn(const char *path, char *const arguments[], int from, int to,
		   const sigset_t *blocked, const sigset_t *usual)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int failure = posix_spawnattr_init(&attributes);
	if (failure != 0) {
		errno = failure;
		return -1;
	}
	failure = posix_spawn_file_actions_init(&actions);
	if (failure == 0) {
		// A dup2 onto itself takes the mark away, in the child only.
		if (from >= 0)
			failure = posix_spawn_file_actions_adddup2(&actions, from, to);
		if (failure == 0)
			failure = posix_spawnattr_setsigmask(&attributes, blocked);
		if (failure == 0)
			failure = posix_spawnattr_setsigdefault(&attributes, usual);
		if (failure == 0)
			failure = posix_spawnattr_setflags(
				&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		if (failure == 0)
			failure =
				posix_spawn(&pid, path, &actions, &attributes, arguments, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attributes);
	errno = failure;
	return failure == 0 ? pid : -1;
}

int clinux_spawn_self(char *const arguments[], int kept)
{
	sigset_t blocked, usual;
	sigemptyset(&usual);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	return spawn("/proc/self/exe", arguments, kept, kept, &blocked, &usual);
}

pid_t clinux_spawn_command(const char *path, char *const arguments[], int output)
{
	sigset_t blocked, usual;
	sigemptyset(&blocked);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	return spawn(path, arguments, output, 1, &blocked, &usual);
}

int clinux_process_descriptor(pid_t process)
{
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
	return (int)syscall(SYS_pidfd_open, process, 0);
}

int clinux_wait_status(pid_t process)
{
	int status = 0;
	while (waitpid(process, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
