/* SPDX-License-Identifier: Apache-2.0 */
// Which file it is that a path or a mapping leads to, asked in a way that nobody can hold up: a path that
// another task chose may lead to a file server of that task, which never answers.
#ifndef CLINUX_FILE_IDENTITY_H
#define CLINUX_FILE_IDENTITY_H

#include <stdint.h>

struct clinux_file {
	uint32_t major, minor; // of the device, as stat(2) has it
	uint64_t inode;
	uint32_t links; // names that it has
};

/// What a link in /proc leads to, such as /proc/PID/map_files/START-END. 0, or -1 with errno.
int clinux_identify_link(const char *path, struct clinux_file *file);

/// What a path without symbolic links leads to below the directory `root`, as far as the kernel knows it
/// without asking a file system (RESOLVE_CACHED, Linux 5.12). 0, or -1 with errno: EAGAIN where it would
/// have to ask.
int clinux_identify_cached(int root, const char *path, struct clinux_file *file);

/// A directory to start from; -1 with errno.
int clinux_open_root(const char *path);

/// A nameless file in memory: its device is that of all such. 0, or -1 with errno.
int clinux_identify_memory(int huge, struct clinux_file *file);

#endif
