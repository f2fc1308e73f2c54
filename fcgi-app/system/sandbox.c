/* SPDX-License-Identifier: MIT */
#include "system/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "system/log.h"
#include "system/sandbox_private.h"

/* Landlock's first ABI that knows of TCP. */
enum { LANDLOCK_WITH_TCP = 4 };

static bool is_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 ||
	       inet_pton(AF_INET6, host, &address) == 1;
}

static struct sandbox_needs needs_of(const struct settings *settings)
{
	const char *socket = settings->db_socket;
	bool tcp = socket == NULL;

	return (struct sandbox_needs){
		.tcp = tcp,
		.names = tcp && !is_address(settings->db_host),
		.abstract_sockets = !tcp && socket[0] == '@',
		.certificates = settings->db_tls != TLS_OFF,
		.port = (uint16_t)settings->db_port,
		.authorities = settings->db_tls_ca,
	};
}

/*
 * An older kernel or a container's filter says ENOSYS or EPERM; Landlock that
 * was switched off at boot EOPNOTSUPP, and E2BIG in too many layers of it.
 */
static bool cannot_be_had(int error)
{
	return error == ENOSYS || error == EPERM || error == EOPNOTSUPP ||
	       error == E2BIG;
}

static void log_outcome(int landlock_error, int version, int seccomp_error)
{
	char landlock[128];
	char seccomp[128] = "system calls are filtered (seccomp)";

	if (landlock_error != 0)
		(void)snprintf(landlock, sizeof(landlock),
			       "no Landlock here: %s",
			       strerrordesc_np(landlock_error));
	else
		(void)snprintf(landlock, sizeof(landlock),
			       "files%s are restricted (Landlock, ABI %d)",
			       version < LANDLOCK_WITH_TCP ? "" : " and TCP",
			       version);
	if (seccomp_error != 0)
		(void)snprintf(seccomp, sizeof(seccomp),
			       "no seccomp filter here: %s",
			       strerrordesc_np(seccomp_error));
	log_event(landlock_error != 0 || seccomp_error != 0 ? LOG_WARNING
							    : LOG_INFO,
		  "sandbox", NULL, "no new privileges; %s; %s", landlock,
		  seccomp);
}

static bool failed(const char *what, int error)
{
	log_event(LOG_ERROR, "start_failed", NULL,
		  "the sandbox could not be set up, %s: %s "
		  "(BUZON_SANDBOX=off does without it)",
		  what, strerrordesc_np(error));
	return false;
}

static bool enter(const struct sandbox_needs *needs)
{
	int version = 0;
	int landlock_error;
	int seccomp_error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed("no new privileges", errno);
	/* In this order: the filter does not let Landlock's calls through. */
	landlock_error = sandbox_landlock(needs, &version);
	if (landlock_error != 0 && !cannot_be_had(landlock_error))
		return failed("Landlock", landlock_error);
	seccomp_error = sandbox_seccomp(needs);
	/* EINVAL: no filters at all in this kernel, or an emulated one. */
	if (seccomp_error != 0 && seccomp_error != EINVAL &&
	    !cannot_be_had(seccomp_error))
		return failed("seccomp", seccomp_error);
	log_outcome(landlock_error, version, seccomp_error);
	return true;
}

/* NULL where there is to be a sandbox. */
static const char *reason_for_none(const struct settings *settings)
{
#ifdef WITH_SANITIZERS
	/* At the end LeakSanitizer starts a process that traces this one. */
	(void)settings;
	return "this is a build with sanitizers";
#else
	return settings->sandbox ? NULL : "BUZON_SANDBOX is off";
#endif
}

bool sandbox_enter(const struct settings *settings)
{
	struct sandbox_needs needs = needs_of(settings);
	const char *reason = reason_for_none(settings);

	if (reason == NULL)
		return enter(&needs);
	log_event(LOG_INFO, "sandbox", NULL, "none: %s", reason);
	return true;
}
