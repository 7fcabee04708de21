// SPDX-License-Identifier: Apache-2.0
// A victim of pages that have no name: `nameless anonymous|sysv|memory COUNT`. It wakes nobody on a futex in
// shared memory while its child, which may interrupt it, takes the page away with MADV_REMOVE. Ends with 0
// after COUNT calls that failed with EFAULT, with 1 when there were fewer in twenty seconds.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *shared(const char *kind)
{
	if (!strcmp(kind, "anonymous"))
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!strcmp(kind, "sysv"))
		return shmat(shmget(42, 4096, IPC_CREAT | 0600), NULL, 0);
	int memory = memfd_create("a name", 0);
	if (ftruncate(memory, 4096))
		return MAP_FAILED;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
}

int main(int count, char **arguments)
{
	volatile int *word = count == 3 ? shared(arguments[1]) : MAP_FAILED;
	int wanted = count == 3 ? atoi(arguments[2]) : 0, failures = 0;
	time_t begin = time(NULL);
	cpu_set_t cpus;
	pid_t child;

	if (word == MAP_FAILED)
		return 64;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	child = fork();
	if (!child) {
		struct sched_param priority = { .sched_priority = 1 };
		struct timespec pause = { .tv_nsec = 100000 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "nameless-taker");
		sched_setscheduler(0, SCHED_FIFO, &priority);
		for (;;) {
			nanosleep(&pause, NULL);
			madvise((void *)word, 4096, MADV_REMOVE);
		}
	}
	while (failures < wanted && time(NULL) - begin < 20) {
		*word = 1;
		if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 && errno == EFAULT)
			failures++;
	}
	kill(child, SIGKILL);
	return failures < wanted;
}
