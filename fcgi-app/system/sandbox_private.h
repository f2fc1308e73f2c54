/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_SANDBOX_PRIVATE_H
#define BUZON_SYSTEM_SANDBOX_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "text/err.h"

/* Shared by the files sandbox*.c and their test, and by nobody else. */

/* What connecting to the database takes. */
struct sandbox_needs {
	bool tcp;              /* not a Unix socket */
	bool names;            /* its host is a name, not an address */
	bool abstract_sockets; /* its Unix socket is no file */
	bool certificates;     /* of authorities, for TLS */
	uint16_t port;
	const char *authorities; /* a file; NULL: those of the system */
};

/*
 * Both return 0, or the errno of what failed, with nothing in force. They need
 * "no new privileges" or CAP_SYS_ADMIN.
 */

/* version_r: which one of Landlock's ABIs is in force. */
int sandbox_landlock(const struct sandbox_needs *needs,
		     int *version_r) MUST_CHECK;

/* Afterwards Landlock cannot be asked for any more. */
int sandbox_seccomp(const struct sandbox_needs *needs) MUST_CHECK;

#endif
