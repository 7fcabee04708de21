/* SPDX-License-Identifier: Apache-2.0 */
// Which file a path leads to, without a call that can block: a path that another task has chosen may lead to a
// file server of that task, which never answers.
#ifndef CLINUX_FILE_IDENTITY_H
#define CLINUX_FILE_IDENTITY_H

#include <stdint.h>

struct clinux_file {
	uint32_t major, minor; // of the device, as stat(2) has it
	uint64_t inode;
};

/// Identifies the file at a path without symbolic links below the directory `root`, from the kernel's cache only
/// (RESOLVE_CACHED, Linux 5.12). 0, or -1 with errno: EAGAIN where the file system would have to be asked.
int clinux_identify_cached(int root, const char *path, struct clinux_file *file);

/// Opens a directory as `root`; -1 with errno.
int clinux_open_root(const char *path);

#endif
