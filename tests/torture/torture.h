/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_TORTURE_H
#define BUZON_TESTS_TORTURE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes calls of the program fail, each once and when it is told to. For the
 * real program, linked with -Wl,--wrap for each of these calls, so that those
 * of its own objects come here first. Those that libraries make do not: without
 * memory libfcgi ends the process by an assertion, which cannot be mended here.
 * All is said and asked over a file that TORTURE_CONTROL names and that both
 * sides map; without it nothing fails. Any thread.
 */
#define TORTURE_CALLS(CALL)                                                    \
	CALL(FCGX_Accept_r)                                                    \
	CALL(FCGX_Init)                                                        \
	CALL(FCGX_InitRequest)                                                 \
	CALL(accept4)                                                          \
	CALL(calloc)                                                           \
	CALL(close)                                                            \
	CALL(epoll_create1)                                                    \
	CALL(epoll_ctl)                                                        \
	CALL(epoll_wait)                                                       \
	CALL(eventfd)                                                          \
	CALL(fcntl)                                                            \
	CALL(free)                                                             \
	CALL(ftruncate)                                                        \
	CALL(gethostname)                                                      \
	CALL(getrandom)                                                        \
	CALL(getrlimit)                                                        \
	CALL(getsockopt)                                                       \
	CALL(json_object_get_string_len)                                       \
	CALL(json_tokener_new_ex)                                              \
	CALL(json_tokener_parse_ex)                                            \
	CALL(lseek)                                                            \
	CALL(malloc)                                                           \
	CALL(memfd_create)                                                     \
	CALL(mmap)                                                             \
	CALL(mysql_init)                                                       \
	CALL(mysql_optionsv)                                                   \
	CALL(mysql_query)                                                      \
	CALL(mysql_real_connect)                                               \
	CALL(mysql_rollback)                                                   \
	CALL(mysql_server_init)                                                \
	CALL(mysql_stmt_bind_param)                                            \
	CALL(mysql_stmt_bind_result)                                           \
	CALL(mysql_stmt_close)                                                 \
	CALL(mysql_stmt_execute)                                               \
	CALL(mysql_stmt_execute_cont)                                          \
	CALL(mysql_stmt_execute_start)                                         \
	CALL(mysql_stmt_fetch)                                                 \
	CALL(mysql_stmt_fetch_cont)                                            \
	CALL(mysql_stmt_fetch_start)                                           \
	CALL(mysql_stmt_free_result)                                           \
	CALL(mysql_stmt_init)                                                  \
	CALL(mysql_stmt_prepare)                                               \
	CALL(mysql_store_result)                                               \
	CALL(mysql_thread_init)                                                \
	CALL(open)                                                             \
	CALL(poll)                                                             \
	CALL(pthread_cond_timedwait)                                           \
	CALL(pthread_cond_wait)                                                \
	CALL(pthread_create)                                                   \
	CALL(read)                                                             \
	CALL(realloc)                                                          \
	CALL(recv)                                                             \
	CALL(sched_setscheduler)                                               \
	CALL(send)                                                             \
	CALL(setrlimit)                                                        \
	CALL(setsockopt)                                                       \
	CALL(signalfd)                                                         \
	CALL(strdup)                                                           \
	CALL(vsnprintf)                                                        \
	CALL(write)                                                            \
	CALL(write_log) /* write() to standard error */

enum torture_call {
#define CALL(name) CALL_##name,
	TORTURE_CALLS(CALL)
#undef CALL
		TORTURE_CALLS_COUNT
};

/* How a call fails. */
enum torture_effect {
	TORTURE_BEFORE, /* nothing was done */
	TORTURE_AFTER,  /* all was done, and yet it reports an error */
	TORTURE_SHORT,  /* a part was done: one byte */
	/*
	 * No failure but a fault that was planted in the program, which the
	 * test must find.
	 */
	TORTURE_PLANTED,
};

struct torture_way {
	enum torture_call call;
	enum torture_effect effect;
	int error; /* an errno, or the number of an error of MariaDB */
	const char *name;
};

/* Begins what is called in place of a call; the call itself is __real_…(). */
#define WRAPPED(type, name, parameters)                                        \
	type __real_##name parameters;                                         \
	type __wrap_##name parameters;                                         \
	type __wrap_##name parameters

/*
 * Counts the call. The way in which it has to fail; NULL where it has not to.
 * errno is then what the way says.
 */
const struct torture_way *torture_strike(enum torture_call call);

/* The same for calls that fail in one way only: before anything is done. */
bool torture_fails(enum torture_call call);

/* Whether buffers are to be allocated anew for each request. */
bool torture_is_cold(void);

#endif
