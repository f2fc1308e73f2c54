/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "system/log.h"
#include "system/sandbox.h"
#include "system/settings.h"
#include "gate/gate.h"
#include "inbox/appender.h"
#include "inbox/finder.h"
#include "inbox/probe.h"
#include "inbox/store_mariadb.h"

/* Where spawn-fcgi, systemd and others put the socket (FastCGI, 2.2). */
enum { LISTEN_FD = 0 };

/* How long the end waits for a database that hangs; a drain leaves 1.5 s. */
enum { PROBE_PATIENCE_MS = 1000 };

static const char how_to_start[] =
	"buzon: there is no FastCGI socket on file descriptor 0.\n"
	"It is started by a program that opens one, for example:\n"
	"  spawn-fcgi -n -s /run/buzon/buzon-1.sock -M 0660 -- buzon\n"
	"  spawn-fcgi -n -a 127.0.0.1 -p 9001 -- buzon\n"
	"and spoken to by a web server. See buzon --help and buzon(8).\n";

static void print_help(void)
{
	printf("Usage: spawn-fcgi -n -s SOCKET -- buzon\n"
	       "       buzon --help | --version\n"
	       "\n"
	       "A message inbox: a FastCGI program for any web server, over "
	       "MariaDB.\n"
	       "\n"
	       "All settings come from the environment:\n\n");
	settings_print(stdout);
	printf("\nSIGTERM: answers what is under way, then exits 0 within "
	       "10 s.\n"
	       "Exit status: 0 stopped; 64 wrong usage; 71 system error; "
	       "75 stopped with\nrequests that had no answer in time; "
	       "78 wrong setting.\n");
}

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) ==
		       0 &&
	       listening;
}

/* In all threads, for those that are started later inherit it. */
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	/* libfcgi and libmariadb write to sockets whose peer may be gone. */
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

/* Each connection is a descriptor; the soft limit is often 1024. */
static void raise_descriptor_limit(const struct settings *settings)
{
	struct rlimit limit = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			log_event(LOG_WARNING, "limits", NULL,
				  "the limit on open files could not be "
				  "raised: %s",
				  strerrordesc_np(errno));
	}
	if (limit.rlim_cur < (rlim_t)settings->max_connections)
		log_event(LOG_WARNING, "limits", NULL,
			  "BUZON_CONNECTIONS is %ld, but only %llu files can "
			  "be open at once",
			  settings->max_connections,
			  (unsigned long long)limit.rlim_cur);
}

static void wake_probe(void *probe)
{
	probe_wake(probe);
}

/* At once: threads that were started may use what an orderly end would free. */
static noreturn void fail_to_start(const char *reason)
{
	log_event(LOG_ERROR, "start_failed", NULL, "%s", reason);
	_exit(EX_OSERR);
}

static int serve(const struct settings *settings)
{
	char hostname[256] = "";
	struct service service = {
		.hostname = hostname,
		.body_limit_bytes = (size_t)settings->body_limit_bytes,
	};
	struct database *database = database_new(settings);
	enum gate_result result;

	if (database == NULL)
		fail_to_start("no memory for what the database needs");
	if (gethostname(hostname, sizeof(hostname) - 1) != 0)
		fail_to_start("the name of this host could not be read");
	if (!sandbox_enter(settings))
		_exit(EX_OSERR);
	service.appender = appender_new(store_mariadb_open, database,
					(size_t)settings->queue,
					(size_t)settings->append_rows);
	service.finder = finder_new(store_mariadb_open, database,
				    (size_t)settings->queue);
	service.probe = probe_new(store_mariadb_open, database);
	if (service.appender == NULL || service.finder == NULL ||
	    service.probe == NULL)
		fail_to_start("no memory or no thread to start with");
	database_watch(database, wake_probe, service.probe);

	result = gate_run(LISTEN_FD, settings, &service, store_mariadb_open,
			  database);
	if (result == GATE_FAILED)
		_exit(EX_OSERR);
	if (result == GATE_CUT_SHORT)
		_exit(EX_TEMPFAIL);
	appender_free(&service.appender);
	finder_free(&service.finder);
	log_event(LOG_INFO, "stopped", NULL, "nothing is left to do");
	if (!probe_free(&service.probe, PROBE_PATIENCE_MS))
		_exit(EXIT_SUCCESS);
	database_free(&database);
	return EXIT_SUCCESS;
}

static int read_arguments(int count, char *const *arguments)
{
	if (count == 2 && strcmp(arguments[1], "--help") == 0) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (count == 2 && strcmp(arguments[1], "--version") == 0) {
		printf("%s\n", PACKAGE_STRING);
		return EXIT_SUCCESS;
	}
	fprintf(stderr,
		"buzon: unknown argument \"%s\"; there are --help and "
		"--version, and settings come from the environment\n",
		arguments[1]);
	return EX_USAGE;
}

int main(int count, char **arguments)
{
	struct settings settings;
	int status = EX_CONFIG;

	if (count > 1)
		return read_arguments(count, arguments);
	if (!settings_read(&settings, NULL, stderr))
		goto out;
	if (!is_listening(LISTEN_FD)) {
		fputs(how_to_start, stderr);
		status = EX_USAGE;
		goto out;
	}
	log_set_level((enum log_level)settings.log_level);
	block_signals();
	raise_descriptor_limit(&settings);
	status = serve(&settings);
out:
	settings_deinit(&settings);
	return status;
}
