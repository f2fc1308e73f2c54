/* SPDX-License-Identifier: MIT */
#include "system/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LINUX_LANDLOCK_H

#include <linux/landlock.h>

/* What this kernel may know, and the header it is built with may not. */
enum {
	FS_ABI_1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	FS_REFER = 1 << 13,    /* ABI 2 */
	FS_TRUNCATE = 1 << 14, /* ABI 3 */
	NET_BIND_TCP = 1 << 0, /* ABI 4 */
	NET_CONNECT_TCP = 1 << 1,
	RULE_NET_PORT = 2,
	FS_IOCTL_DEV = 1 << 15,         /* ABI 5 */
	SCOPE_ABSTRACT_SOCKET = 1 << 0, /* ABI 6 */
	SCOPE_SIGNAL = 1 << 1,

	DNS_PORT = 53,
};

/* An older kernel takes a longer one whose end is zero. */
struct ruleset_attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct port_attributes {
	uint64_t allowed_access;
	uint64_t port;
};

/* What of these lists does not exist is passed over. */
static const char *const always[] = {
	/* Plugins of libmariadb and glibc's NSS, and what they are linked to */
	"/lib",
	"/lib64",
	"/usr/lib",
	"/usr/lib64",
	"/usr/local/lib",
	"/etc/ld.so.cache",
	/* strftime() looks whether it has changed. */
	"/etc/localtime",
	/* How malloc() gives memory back depends on it. */
	"/proc/sys/vm/overcommit_memory",
	NULL,
};

static const char *const for_certificates[] = {
	"/etc/ssl",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	NULL,
};

static struct ruleset_attributes attributes_for(int version,
						bool abstract_sockets)
{
	struct ruleset_attributes attributes = { .handled_access_fs =
							 FS_ABI_1 };

	if (version >= 2)
		attributes.handled_access_fs |= FS_REFER;
	if (version >= 3)
		attributes.handled_access_fs |= FS_TRUNCATE;
	if (version >= 4)
		attributes.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 5)
		attributes.handled_access_fs |= FS_IOCTL_DEV;
	if (version >= 6)
		attributes.scoped =
			SCOPE_SIGNAL |
			(abstract_sockets ? 0 : SCOPE_ABSTRACT_SOCKET);
	return attributes;
}

static int add_rule(int ruleset, int kind, const void *attributes)
{
	return syscall(SYS_landlock_add_rule, ruleset, kind, attributes, 0) == 0
		       ? 0
		       : errno;
}

/* Lets the file, or all that is in the folder, be read. 0 or an errno. */
static int allow_reading(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr attributes = { 0 };
	struct stat status;
	int fd = open(path, O_PATH | O_CLOEXEC);
	int error = 0;

	/* What is not there for us now is not read later either. */
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM
			       ? errno
			       : 0;
	attributes.parent_fd = fd;
	attributes.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
		attributes.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	error = add_rule(ruleset, LANDLOCK_RULE_PATH_BENEATH, &attributes);
	close(fd);
	return error;
}

static int allow_reading_all(int ruleset, const char *const *paths)
{
	int error = 0;

	for (; *paths != NULL && error == 0; paths++)
		error = allow_reading(ruleset, *paths);
	return error;
}

/* The folder too, for the file may be replaced; unless that were everything. */
static int allow_reading_beside(int ruleset, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int length = slash == NULL ? 0 : (int)(slash - path);

	if (slash == path || length >= PATH_MAX)
		return allow_reading(ruleset, path);
	(void)snprintf(folder, sizeof(folder), "%.*s", length, path);
	return allow_reading(ruleset, slash == NULL ? "." : folder);
}

/* Where the path leads to counts, but that may change within its folder. */
static int allow_reading_file(int ruleset, const char *path)
{
	int error = allow_reading_beside(ruleset, path);
	char *real = realpath(path, NULL);

	if (error == 0 && real != NULL)
		error = allow_reading_beside(ruleset, real);
	free(real);
	return error;
}

static int add_files(int ruleset, const struct sandbox_needs *needs)
{
	int error = allow_reading_all(ruleset, always);

	/*
	 * hosts, nsswitch.conf, resolv.conf … are replaced while we run, and
	 * a rule for each would be for the old file alone.
	 */
	if (error == 0 && needs->names)
		error = allow_reading(ruleset, "/etc");
	if (error == 0 && needs->names)
		error = allow_reading_file(ruleset, "/etc/resolv.conf");
	if (error == 0 && needs->certificates)
		error = needs->authorities != NULL
				? allow_reading_file(ruleset,
						     needs->authorities)
				: allow_reading_all(ruleset, for_certificates);
	return error;
}

static int allow_connecting(int ruleset, uint16_t port)
{
	struct port_attributes attributes = { .allowed_access = NET_CONNECT_TCP,
					      .port = port };

	return add_rule(ruleset, RULE_NET_PORT, &attributes);
}

static int add_ports(int ruleset, const struct sandbox_needs *needs)
{
	int error = 0;

	if (needs->tcp)
		error = allow_connecting(ruleset, needs->port);
	if (error == 0 && needs->names)
		error = allow_connecting(ruleset, DNS_PORT);
	return error;
}

int sandbox_landlock(const struct sandbox_needs *needs, int *version_r)
{
	struct ruleset_attributes attributes;
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
				   LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset;
	int error;

	if (version < 0)
		return errno;
	attributes = attributes_for(version, needs->abstract_sockets);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
			       sizeof(attributes), 0);
	if (ruleset < 0)
		return errno;
	error = add_files(ruleset, needs);
	if (error == 0 && attributes.handled_access_net != 0)
		error = add_ports(ruleset, needs);
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		error = errno;
	close(ruleset);
	*version_r = version;
	return error;
}

#else

int sandbox_landlock(const struct sandbox_needs *needs, int *version_r)
{
	(void)needs;
	*version_r = 0;
	return ENOSYS;
}

#endif
