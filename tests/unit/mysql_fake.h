/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_MYSQL_FAKE_H
#define BUZON_TESTS_MYSQL_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The functions of libmariadb that the store uses, without a server: a test
 * says what fails and what an execution returns, and asks what was called. For
 * programs linked with -Wl,--wrap for each of them and for clock_gettime. One
 * thread.
 */
enum mysql_fake_call {
	MYSQL_FAKE_LIBRARY_INIT,
	MYSQL_FAKE_THREAD_INIT,
	MYSQL_FAKE_INIT, /* error: no memory, whatever its number */
	MYSQL_FAKE_CONNECT,
	MYSQL_FAKE_STATEMENT_INIT,
	MYSQL_FAKE_PREPARE,
	MYSQL_FAKE_BIND,
	MYSQL_FAKE_EXECUTE,
	MYSQL_FAKE_FETCH,
	MYSQL_FAKE_FREE_RESULT,
	MYSQL_FAKE_QUERY,
	MYSQL_FAKE_STORE_RESULT,
	MYSQL_FAKE_ROLLBACK,
	MYSQL_FAKE_OPTION,   /* any option but the next; error: refused */
	MYSQL_FAKE_NONBLOCK, /* the option; error: refused */
	MYSQL_FAKE_CALLS
};

struct mysql_fake_row {
	uint64_t id;
	const char *sender; /* NULL: a NULL of SQL */
	const char *content;
	bool replayed;
};

/* How long libmariadb would wait for an answer. */
enum { MYSQL_FAKE_TIMEOUT_MS = 5000 };

/* When all rows were stored, as the store writes it. */
#define MYSQL_FAKE_DATE "2026-01-02T03:04:05.000678Z"

/* Forgets all rules, rows, counts and texts. */
void mysql_fake_reset(void);

/*
 * `times` calls of a kind fail with this error, from the nth from now on (1:
 * the next). One such rule for each kind; times 0 for none. An error of the
 * connection (2000 and more) ends it: what follows on it fails with 2006.
 */
void mysql_fake_fail(enum mysql_fake_call call, size_t nth, size_t times,
		     unsigned error);

/*
 * What each execution returns from now on. An append without rows set returns
 * a new row for each that is given.
 */
void mysql_fake_set_rows(const struct mysql_fake_row *rows, size_t count);

/* The server says goodbye on every connection that is open. */
void mysql_fake_hang_up(void);

/*
 * An execution or a fetch that does not wait is over at once; the nth from now
 * on (1: the next) waits for these events (MYSQL_WAIT_…) first.
 */
void mysql_fake_wait(enum mysql_fake_call call, size_t nth, int events);

/* The server says from now on that it is read only, or not any more. */
void mysql_fake_set_read_only(bool read_only);

/* Connections have TLS from now on. */
void mysql_fake_use_tls(void);

/* How long each execution and query takes from now on. */
void mysql_fake_take_ms(int64_t ms);

/* Time passes. */
void mysql_fake_pass_ms(int64_t ms);

/* How many calls of a kind there were, failed ones too. */
size_t mysql_fake_calls(enum mysql_fake_call call);

/* Connections, statements and results that are not closed. */
size_t mysql_fake_open(void);

/* Borrowed until the next such call of the store; "" where there was none. */
const char *mysql_fake_sql(void);        /* last prepared */
const char *mysql_fake_parameters(void); /* last executed: "ana|7|NULL" */
const char *mysql_fake_options(void);    /* last connection: "name=value;" */

#endif
