// posix_spawn of this very program: attributes and file actions are opaque types that are freed
// on every way out, which is shorter and safer to say in C.
#define _GNU_SOURCE
#include "provocation_calls.h"

#include <errno.h>
#include <spawn.h>

extern char **environ;

int clinux_spawn_self(char *const arguments[], int kept) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t blocked;
    pid_t pid = -1;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    int failure = posix_spawnattr_init(&attributes);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    failure = posix_spawn_file_actions_init(&actions);
    if (failure == 0) {
        // A dup2 onto itself takes the descriptor's close-on-exec mark away, in the child only.
        failure = posix_spawn_file_actions_adddup2(&actions, kept, kept);
        if (failure == 0) failure = posix_spawnattr_setsigmask(&attributes, &blocked);
        if (failure == 0) failure = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (failure == 0)
            failure = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    errno = failure;
    return failure == 0 ? pid : -1;
}
