// SPDX-License-Identifier: Apache-2.0
// A terminal with somebody in front of it: `terminal LOG COLUMNSxROWS [MILLISECONDS ACTION VALUE]... -- COMMAND`.
// What COMMAND writes goes to LOG. Each action comes so long after the one before: `key TEXT` types it, `size
// COLUMNSxROWS` makes the terminal another size, `signal NUMBER` sends one, `run COMMAND` is for a shell, and
// `wait TEXT` lasts until that text was written, a minute at most. LOG.actions has a line for each with the
// bytes of LOG until then, and at the end the exit status and whether the terminal is as it was.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static struct winsize size(const char *text)
{
	struct winsize size = { 0 };

	sscanf(text, "%hux%hu", &size.ws_col, &size.ws_row);
	return size;
}

/* Whether what was written from `begin` on has the text in it. */
static int has_written(const char *log, long begin, const char *text)
{
	static char bytes[1 << 20];
	int file = open(log, O_RDONLY);
	long got = pread(file, bytes, sizeof(bytes), begin);

	close(file);
	return got > 0 && memmem(bytes, got, text, strlen(text));
}

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(int count, char **arguments)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), terminal, log, next = 3, status;
	struct termios before, after;
	struct winsize window;
	char name[256], bytes[65536];
	long due, written = 0, since = 0;
	FILE *actions;
	pid_t child;

	if (count < 5 || master < 0 || grantpt(master) || unlockpt(master))
		return 64;
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	window = size(arguments[2]);
	ioctl(terminal, TIOCSWINSZ, &window);
	tcgetattr(terminal, &before);
	log = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	snprintf(name, sizeof(name), "%s.actions", arguments[1]);
	actions = fopen(name, "w");
	for (status = 3; status < count && strcmp(arguments[status], "--"); status++)
		;
	child = fork();
	if (!child) {
		setsid();
		ioctl(terminal, TIOCSCTTY, 0);
		for (int descriptor = 0; descriptor < 3; descriptor++)
			dup2(terminal, descriptor);
		execvp(arguments[status + 1], arguments + status + 1);
		_exit(127);
	}
	due = now();
	for (;;) {
		int acts = strcmp(arguments[next], "--");
		long wait = acts ? due + atol(arguments[next]) - now() : 200;
		struct pollfd ready = { .fd = master, .events = POLLIN };

		if (poll(&ready, 1, wait > 0 ? wait : 0) > 0) {
			long got = read(master, bytes, sizeof(bytes));
			if (got > 0 && write(log, bytes, got) == got)
				written += got;
		} else if (acts) {
			const char *kind = arguments[next + 1], *value = arguments[next + 2];

			if (!strcmp(kind, "wait") && now() - due < 60000 &&
			    !has_written(arguments[1], since, value)) {
				usleep(20000);
				continue;
			}
			fprintf(actions, "%ld %s %s\n", written, kind, value);
			if (!strcmp(kind, "key") && write(master, value, strlen(value)) < 0)
				return 1;
			if (!strcmp(kind, "size")) {
				window = size(value);
				ioctl(master, TIOCSWINSZ, &window);
			}
			if (!strcmp(kind, "signal"))
				kill(child, atoi(value));
			if (!strcmp(kind, "run") && system(value))
				return 1;
			next += 3;
			due = now();
			since = written;
		} else if (waitpid(child, &status, WNOHANG) == child) {
			break;
		}
	}
	tcgetattr(terminal, &after);
	fprintf(actions, "%ld end %d %s\n", written,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		before.c_lflag == after.c_lflag &&
				!memcmp(before.c_cc, after.c_cc, sizeof(before.c_cc))
			? "restored"
			: "changed");
	fclose(actions);
	return 0;
}
