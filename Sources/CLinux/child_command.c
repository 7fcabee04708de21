// posix_spawn of another program; see spawn.c for why this is C.
#define _GNU_SOURCE
#include "child_command.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

pid_t clinux_spawn_command(const char *path, char *const arguments[], int output) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none, usual;
    pid_t process = -1;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    int failure = posix_spawnattr_init(&attributes);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    failure = posix_spawn_file_actions_init(&actions);
    if (failure == 0) {
        if (output >= 0) failure = posix_spawn_file_actions_adddup2(&actions, output, 1);
        if (failure == 0) failure = posix_spawnattr_setsigmask(&attributes, &none);
        if (failure == 0) failure = posix_spawnattr_setsigdefault(&attributes, &usual);
        if (failure == 0)
            failure = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (failure == 0) failure = posix_spawn(&process, path, &actions, &attributes, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    errno = failure;
    return failure == 0 ? process : -1;
}

int clinux_process_descriptor(pid_t process) {
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
    return (int)syscall(SYS_pidfd_open, process, 0);
}

int clinux_wait_status(pid_t process) {
    int status = 0;
    while (waitpid(process, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
