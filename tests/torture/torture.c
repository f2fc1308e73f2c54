/* SPDX-License-Identifier: MIT */
#include "torture.h"

#include <assert.h>
#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The first is the failure, the others are such that come before it. */
enum { ARMS = 3, WAYS_MAX = 256, NAME_BYTES = 64 };

#define BEFORE(call, error)                                                    \
	{                                                                      \
		CALL_##call, TORTURE_BEFORE, error, #error                     \
	}
#define AFTER(call, error)                                                     \
	{                                                                      \
		CALL_##call, TORTURE_AFTER, error, #error "-after"             \
	}
#define SHORT(call)                                                            \
	{                                                                      \
		CALL_##call, TORTURE_SHORT, 0, "short"                         \
	}
#define PLANTED(call, name)                                                    \
	{                                                                      \
		CALL_##call, TORTURE_PLANTED, 0, name                          \
	}

/*
 * What each call can really come to. Not EAGAIN where the kernel does not give
 * it (eventfd), nor errors that only a wrong program gets (EBADF, EFAULT).
 */
static const struct torture_way ways[] = {
	AFTER(FCGX_Accept_r, EPROTO),
	BEFORE(FCGX_Init, ENOMEM),
	BEFORE(FCGX_InitRequest, ENOMEM),
	BEFORE(accept4, ECONNABORTED),
	BEFORE(accept4, EINTR),
	BEFORE(accept4, EMFILE),
	BEFORE(accept4, ENFILE),
	BEFORE(accept4, ENOMEM),
	BEFORE(calloc, ENOMEM),
	AFTER(close, EINTR),
	AFTER(close, EIO),
	BEFORE(epoll_create1, EMFILE),
	BEFORE(epoll_create1, ENOMEM),
	BEFORE(epoll_ctl, ENOMEM),
	BEFORE(epoll_ctl, ENOSPC),
	BEFORE(epoll_wait, EINTR),
	BEFORE(eventfd, EMFILE),
	BEFORE(eventfd, ENOMEM),
	BEFORE(fcntl, EINVAL),
	BEFORE(ftruncate, EINTR),
	BEFORE(ftruncate, ENOMEM),
	BEFORE(gethostname, ENAMETOOLONG),
	BEFORE(getrandom, EAGAIN),
	BEFORE(getrandom, EINTR),
	BEFORE(getrandom, ENOSYS),
	SHORT(getrandom),
	BEFORE(getrlimit, EPERM),
	BEFORE(getsockopt, ENOTSOCK),
	SHORT(json_object_get_string_len),
	BEFORE(json_tokener_new_ex, ENOMEM),
	BEFORE(json_tokener_parse_ex, ENOMEM),
	BEFORE(lseek, ESPIPE),
	BEFORE(malloc, ENOMEM),
	BEFORE(memfd_create, EMFILE),
	BEFORE(memfd_create, ENOMEM),
	BEFORE(mmap, ENOMEM),
	BEFORE(mysql_init, CR_OUT_OF_MEMORY),
	BEFORE(mysql_optionsv, CR_OUT_OF_MEMORY),
	BEFORE(mysql_query, CR_SERVER_GONE_ERROR),
	BEFORE(mysql_query, CR_SERVER_LOST),
	BEFORE(mysql_query, ER_NO_SUCH_TABLE),
	AFTER(mysql_query, CR_SERVER_LOST),
	BEFORE(mysql_real_connect, CR_CONN_HOST_ERROR),
	BEFORE(mysql_real_connect, ER_ACCESS_DENIED_ERROR),
	BEFORE(mysql_real_connect, ER_CON_COUNT_ERROR),
	AFTER(mysql_real_connect, CR_SERVER_LOST),
	BEFORE(mysql_rollback, CR_SERVER_LOST),
	AFTER(mysql_rollback, CR_SERVER_LOST),
	BEFORE(mysql_server_init, ENOMEM),
	BEFORE(mysql_stmt_bind_param, CR_OUT_OF_MEMORY),
	BEFORE(mysql_stmt_bind_result, CR_OUT_OF_MEMORY),
	AFTER(mysql_stmt_close, CR_SERVER_LOST),
	BEFORE(mysql_stmt_execute, 0),
	BEFORE(mysql_stmt_execute, CR_OUT_OF_MEMORY),
	BEFORE(mysql_stmt_execute, CR_SERVER_GONE_ERROR),
	BEFORE(mysql_stmt_execute, CR_SERVER_LOST),
	BEFORE(mysql_stmt_execute, ER_LOCK_DEADLOCK),
	BEFORE(mysql_stmt_execute, ER_LOCK_WAIT_TIMEOUT),
	BEFORE(mysql_stmt_execute, ER_OPTION_PREVENTS_STATEMENT),
	BEFORE(mysql_stmt_execute, ER_RECORD_FILE_FULL),
	BEFORE(mysql_stmt_execute, ER_UNKNOWN_COM_ERROR),
	BEFORE(mysql_stmt_execute, ER_UNKNOWN_STMT_HANDLER),
	AFTER(mysql_stmt_execute, CR_SERVER_LOST),
	AFTER(mysql_stmt_execute_cont, CR_SERVER_LOST),
	BEFORE(mysql_stmt_execute_start, CR_SERVER_LOST),
	BEFORE(mysql_stmt_execute_start, ER_UNKNOWN_STMT_HANDLER),
	BEFORE(mysql_stmt_fetch, CR_OUT_OF_MEMORY),
	BEFORE(mysql_stmt_fetch, CR_SERVER_LOST),
	AFTER(mysql_stmt_fetch, CR_SERVER_LOST),
	AFTER(mysql_stmt_fetch, ER_ERROR_DURING_COMMIT),
	AFTER(mysql_stmt_fetch_cont, CR_SERVER_LOST),
	BEFORE(mysql_stmt_fetch_start, CR_SERVER_LOST),
	BEFORE(mysql_stmt_fetch_start, ER_QUERY_INTERRUPTED),
	AFTER(mysql_stmt_free_result, CR_SERVER_LOST),
	BEFORE(mysql_stmt_init, CR_OUT_OF_MEMORY),
	BEFORE(mysql_stmt_prepare, CR_SERVER_LOST),
	BEFORE(mysql_stmt_prepare, ER_MAX_PREPARED_STMT_COUNT_REACHED),
	BEFORE(mysql_stmt_prepare, ER_NO_SUCH_TABLE),
	AFTER(mysql_stmt_prepare, CR_SERVER_LOST),
	BEFORE(mysql_store_result, CR_OUT_OF_MEMORY),
	BEFORE(mysql_store_result, CR_SERVER_LOST),
	BEFORE(mysql_thread_init, ENOMEM),
	BEFORE(open, EACCES),
	BEFORE(open, EINTR),
	BEFORE(open, EMFILE),
	BEFORE(poll, EINTR),
	BEFORE(poll, ENOMEM),
	BEFORE(pthread_cond_timedwait, 0), /* spurious */
	BEFORE(pthread_cond_wait, 0),
	BEFORE(pthread_create, EAGAIN),
	BEFORE(read, EAGAIN),
	BEFORE(read, EINTR),
	BEFORE(read, EIO),
	SHORT(read),
	BEFORE(realloc, ENOMEM),
	BEFORE(recv, EAGAIN),
	BEFORE(recv, ECONNRESET),
	BEFORE(recv, EINTR),
	BEFORE(recv, ENOMEM),
	SHORT(recv),
	BEFORE(sched_setscheduler, EPERM),
	BEFORE(send, EAGAIN),
	BEFORE(send, ECONNRESET),
	BEFORE(send, EINTR),
	BEFORE(send, ENOBUFS),
	BEFORE(send, EPIPE),
	SHORT(send),
	BEFORE(setrlimit, EPERM),
	BEFORE(setsockopt, ENOPROTOOPT),
	BEFORE(signalfd, EMFILE),
	BEFORE(signalfd, ENOMEM),
	BEFORE(strdup, ENOMEM),
	BEFORE(vsnprintf, ENOMEM),
	BEFORE(write, EINTR),
	BEFORE(write_log, EAGAIN),
	BEFORE(write_log, EINTR),
	BEFORE(write_log, ENOSPC),
	BEFORE(write_log, EPIPE),
	SHORT(write_log),

	PLANTED(calloc, "unchecked"),
	PLANTED(free, "forgotten"),
	PLANTED(mysql_real_connect, "uncommitted"),
	PLANTED(mysql_stmt_execute, "twice"),
	PLANTED(write, "lost"),
};

static const size_t ways_count = sizeof(ways) / sizeof(ways[0]);

static const char *const call_names[] = {
#define CALL(name) #name,
	TORTURE_CALLS(CALL)
#undef CALL
};

/* The file; tests/reliability/torture.py knows it too. */
struct control {
	atomic_uint cold;
	struct {
		atomic_uint way;   /* of ways[] */
		atomic_int left;   /* calls until it fails; 0: not at all */
		atomic_uint fired; /* it has failed */
	} arms[ARMS];
	atomic_uint counts[WAYS_MAX]; /* of each call */
	unsigned calls[WAYS_MAX];     /* the call of each way */
	char names[WAYS_MAX][NAME_BYTES];
};

static struct control nothing_fails;
static struct control *control = &nothing_fails;

static void describe(void)
{
	static_assert(sizeof(ways) / sizeof(ways[0]) <= WAYS_MAX,
		      "the file has no room for more");
	for (size_t i = 0; i < ways_count; i++) {
		control->calls[i] = ways[i].call;
		(void)snprintf(control->names[i], NAME_BYTES, "%s%s %s",
			       ways[i].effect == TORTURE_PLANTED ? "planted "
								 : "",
			       call_names[ways[i].call], ways[i].name);
	}
}

__attribute__((constructor)) static void open_control(void)
{
	static const char name[] = "TORTURE_CONTROL=";
	const size_t length = sizeof(name) - 1;
	void *file;
	int fd;

	for (char **variable = environ; *variable != NULL; variable++) {
		if (strncmp(*variable, name, length) != 0)
			continue;
		fd = open(*variable + length, O_RDWR | O_CLOEXEC);
		file = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
		assert(file != MAP_FAILED);
		close(fd);
		control = file;
		describe();
	}
}

static bool is_due(int arm, enum torture_call call)
{
	return atomic_load(&control->arms[arm].left) > 0 &&
	       ways[atomic_load(&control->arms[arm].way)].call == call &&
	       atomic_fetch_sub(&control->arms[arm].left, 1) == 1;
}

const struct torture_way *torture_strike(enum torture_call call)
{
	const struct torture_way *way = NULL;

	atomic_fetch_add(&control->counts[call], 1);
	for (int arm = 0; arm < ARMS; arm++) {
		if (!is_due(arm, call))
			continue;
		way = &ways[atomic_load(&control->arms[arm].way)];
		atomic_store(&control->arms[arm].fired, 1);
		errno = way->error;
	}
	return way;
}

bool torture_fails(enum torture_call call)
{
	return torture_strike(call) != NULL;
}

bool torture_is_cold(void)
{
	return atomic_load(&control->cold) != 0;
}
