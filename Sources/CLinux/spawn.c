// SPDX-License-Identifier: Apache-2.0
// posix_spawn in C: its attributes and file actions are opaque types that must be freed on every path.
#define _GNU_SOURCE
#include "child_command.h"
#include "provocation_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Starts a program with `blocked` blocked and `usual` reset; `from` becomes its descriptor `to`, without the close-on-exec
// flag, unless it is -1.
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
		// dup2 to the same number removes the flag, in the child only.
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

int clinux_thread_descriptor(pid_t thread)
{
	/* PIDFD_THREAD is O_EXCL (include/uapi/linux/pidfd.h). */
	return (int)syscall(SYS_pidfd_open, thread, O_EXCL);
}

int clinux_thread_exists(pid_t process, pid_t thread)
{
	/* The null signal. EPERM means that it is there. */
	return syscall(SYS_tgkill, process, thread, 0) == 0 || errno != ESRCH;
}

int clinux_wait_status(pid_t process)
{
	int status = 0;
	while (waitpid(process, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
