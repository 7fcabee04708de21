/*
 * How long a tracer takes to begin and to go: `start FILE COMMAND…` runs the
 * command, waits until it has made FILE, lets it settle, interrupts it, waits
 * for it, and prints "start MS" and "stop MS".
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

int main(int argc, char **argv)
{
	double begin, ready, interrupted;
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
	sleep(1);
	interrupted = now();
	kill(child, SIGINT);
	waitpid(child, &status, 0);
	printf("start %.0f\nstop %.0f\n", ready - begin, now() - interrupted);
	return 0;
}
