// SPDX-License-Identifier: Apache-2.0
// Two processes that share an object of glibc in a file, until one of them is hurt: a waiter that glibc ends, or one that
// sleeps although it was woken. No futex call is made by hand. Each turn makes the object anew, lets the waiter wait, and
// wakes it; the two speak through pipes, so that only the object is in the file.
//
//   symptoms mutex|condition|semaphore FILE
//
// Each line of standard input is an offset in the file: the object is there from then on, and the line is written to
// descriptor 3.
//
// prints "waiter PID waker PID" for each pair of processes, and at last "ended by signal N after T turns, L lost", "asleep
// after T turns, L lost" or, when the input has ended, "unhurt in T turns, L lost". A waiter is lost, and gets a successor,
// when its object was cut out of the file: no futex call hurts it, for the object is zero then, and names no waiter.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000, LOOK_MS = 20 };

struct shared {
	// Not zero, unless the page was cut out.
	int made;
	int flag;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	sem_t semaphore;
};

// What the two do with one kind of object. The waker prepares it, holds it if it is a mutex, and wakes.
struct kind {
	const char *name;
	void (*hold)(struct shared *shared);
	void (*wait)(struct shared *shared);
	void (*wake)(struct shared *shared);
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void prepare(struct shared *shared)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t condition;

	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex);
	pthread_condattr_init(&condition);
	pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->condition, &condition);
	sem_init(&shared->semaphore, 1, 0);
	shared->flag = 0;
	shared->made = 1;
}

static void hold_nothing(struct shared *shared)
{
	(void)shared;
}

static void mutex_hold(struct shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
}

static void mutex_wait(struct shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
	pthread_mutex_unlock(&shared->mutex);
}

static void mutex_wake(struct shared *shared)
{
	pthread_mutex_unlock(&shared->mutex);
}

static void condition_wait(struct shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
	while (!shared->flag)
		pthread_cond_wait(&shared->condition, &shared->mutex);
	pthread_mutex_unlock(&shared->mutex);
}

static void condition_wake(struct shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
	shared->flag = 1;
	pthread_mutex_unlock(&shared->mutex);
	pthread_cond_signal(&shared->condition);
}

static void semaphore_wait(struct shared *shared)
{
	sem_wait(&shared->semaphore);
}

static void semaphore_wake(struct shared *shared)
{
	sem_post(&shared->semaphore);
}

static const struct kind kinds[] = {
	{ "mutex", mutex_hold, mutex_wait, mutex_wake },
	{ "condition", hold_nothing, condition_wait, condition_wake },
	{ "semaphore", hold_nothing, semaphore_wait, semaphore_wake },
};

static char *mapped;
static const struct kind *kind;
static pid_t waiter;
static int orders[2], answers[2];

static void start_waiter(void)
{
	off_t place;

	if (pipe(orders) != 0 || pipe(answers) != 0)
		fail("pipe");
	waiter = fork();
	if (waiter < 0)
		fail("fork");
	if (waiter == 0) {
		close(orders[1]);
		close(3);
		while (read(orders[0], &place, sizeof(place)) == sizeof(place)) {
			kind->wait((struct shared *)(mapped + place));
			if (write(answers[1], "", 1) != 1)
				break;
		}
		_exit(0);
	}
	close(orders[0]);
	close(answers[1]);
	printf("waiter %d waker %d\n", (int)waiter, (int)getpid());
	fflush(stdout);
}

enum outcome { ANSWERED, LOST, HURT };

// One turn with the object at `place`; says in `words` what happened to a waiter that is hurt.
static enum outcome turn(off_t place, char *words)
{
	struct shared *shared = (struct shared *)(mapped + place);
	int status;
	char byte;

	prepare(shared);
	kind->hold(shared);
	if (write(orders[1], &place, sizeof(place)) != sizeof(place))
		fail("write");
	// The waiter sleeps before it is woken.
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	kind->wake(shared);
	for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		struct pollfd answer = { .fd = answers[0], .events = POLLIN };

		if (poll(&answer, 1, LOOK_MS) == 1) {
			if (read(answers[0], &byte, 1) == 1)
				return ANSWERED;
			waitpid(waiter, &status, 0);
			sprintf(words, "ended by signal %d", WTERMSIG(status));
			return WTERMSIG(status) == SIGBUS ? LOST : HURT;
		}
		if (!shared->made)
			break;
	}
	int was_cut = !shared->made;

	kill(waiter, SIGKILL);
	waitpid(waiter, &status, 0);
	strcpy(words, "asleep");
	return was_cut ? LOST : HURT;
}

// The newest line of standard input in `place`; false when the input has ended. Waits only for the first.
static bool read_place(off_t *place)
{
	char lines[4096];
	struct pollfd input = { .fd = 0, .events = POLLIN };

	if (poll(&input, 1, *place < 0 ? -1 : 0) == 0)
		return true;
	ssize_t length = read(0, lines, sizeof(lines) - 1);

	if (length < 2)
		return false;
	lines[length - 1] = 0;
	char *before = strrchr(lines, '\n');

	*place = atoll(before ? before + 1 : lines);
	dprintf(3, "%lld\n", (long long)*place);
	return true;
}

int main(int count, char **arguments)
{
	char words[64];
	long made = 0, lost = 0;
	off_t place = -1;

	for (size_t each = 0; count == 3 && each < sizeof(kinds) / sizeof(*kinds); each++)
		if (strcmp(arguments[1], kinds[each].name) == 0)
			kind = &kinds[each];
	if (!kind)
		return 64;
	int file = open(arguments[2], O_RDWR);

	if (file < 0)
		fail(arguments[2]);
	mapped = mmap(NULL, lseek(file, 0, SEEK_END), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mapped == MAP_FAILED)
		fail("mmap");
	start_waiter();
	while (read_place(&place)) {
		enum outcome outcome = turn(place, words);

		if (outcome == HURT) {
			printf("%s after %ld turns, %ld lost\n", words, made, lost);
			return 0;
		}
		made++;
		if (outcome == LOST) {
			lost++;
			close(orders[1]);
			close(answers[0]);
			start_waiter();
		}
	}
	printf("unhurt in %ld turns, %ld lost\n", made, lost);
	kill(waiter, SIGKILL);
	return 0;
}
