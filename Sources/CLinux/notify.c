// SPDX-License-Identifier: Apache-2.0
// One datagram to the socket of a supervisor, as sd_notify(3) describes it: a path, or an abstract name with @ as its
// first byte.
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int clinux_notify(const char *name, const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address.sun_path) {
		errno = EINVAL;
		return -1;
	}
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = 0;
	int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -1;
	// Does not block when the supervisor does not read.
	ssize_t count = sendto(descriptor, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
			       (struct sockaddr *)&address,
			       offsetof(struct sockaddr_un, sun_path) + length);
	int failure = errno;
	close(descriptor);
	errno = failure;
	return count < 0 ? -1 : 0;
}
