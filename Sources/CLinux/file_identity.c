// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "file_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

static int identify(int directory, const char *path, int flags, struct clinux_file *file)
{
	struct statx status;

	if (statx(directory, path, flags | AT_STATX_DONT_SYNC, STATX_INO, &status))
		return -1;
	file->major = status.stx_dev_major;
	file->minor = status.stx_dev_minor;
	file->inode = status.stx_ino;
	return 0;
}

static int identify_and_close(int descriptor, struct clinux_file *file)
{
	int result, error;

	if (descriptor < 0)
		return -1;
	result = identify(descriptor, "", AT_EMPTY_PATH, file);
	error = errno;
	close(descriptor);
	errno = error;
	return result;
}

int clinux_identify_cached(int root, const char *path, struct clinux_file *file)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED,
	};
	int descriptor = -1;

	/* A rename anywhere on the host at this moment can make one walk fail; three
	 * failures in a row are unlikely. */
	for (int attempt = 0; attempt < 3 && descriptor < 0; attempt++) {
		descriptor = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (descriptor < 0 && errno != EAGAIN)
			return -1;
	}
	return identify_and_close(descriptor, file);
}

int clinux_open_root(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}
