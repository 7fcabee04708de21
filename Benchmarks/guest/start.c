// SPDX-License-Identifier: Apache-2.0
/*
 * How long a tracer takes to start and to stop: `start FILE COMMAND…` runs the command,
 * waits until it has created FILE, lets it settle, interrupts it, waits for its end, then
 * for the last hook on any of the kernel's functions, and prints "start MS", "stop MS" for
 * the command and "gone MS" for the hooks as well.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* What ftrace and what kprobes have in place. */
static int is_hooked(void)
{
	static const char *const lists[] = {
		"/sys/kernel/tracing/enabled_functions",
		"/sys/kernel/debug/kprobes/list",
	};
	int hooked = 0;

	for (int i = 0; i < 2; i++) {
		int list = open(lists[i], O_RDONLY);
		char byte;

		hooked |= list >= 0 && read(list, &byte, 1) == 1;
		close(list);
	}
	return hooked;
}

int main(int argc, char **argv)
{
	double begin, ready, interrupted, stopped;
	pid_t child;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: start FILE COMMAND...\n");
		return 64;
	}
	unlink(argv[1]);
	begin = now();
	child = fork();
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	while (access(argv[1], F_OK)) {
		if (waitpid(child, &status, WNOHANG) == child) {
			fprintf(stderr, "start: %s ended before it was ready\n", argv[2]);
			return 1;
		}
		usleep(1000);
	}
	ready = now();
	if (!is_hooked()) {
		fprintf(stderr, "start: %s is ready and no hook of it is to be seen\n", argv[2]);
		return 1;
	}
	sleep(1);
	interrupted = now();
	kill(child, SIGINT);
	waitpid(child, &status, 0);
	stopped = now();
	while (is_hooked())
		usleep(5000);
	printf("start %.0f\nstop %.0f\ngone %.0f\n", ready - begin, stopped - interrupted,
	       now() - interrupted);
	return 0;
}
