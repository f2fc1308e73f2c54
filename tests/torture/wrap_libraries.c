/* SPDX-License-Identifier: MIT */
#include <fcgiapp.h>
#include <json-c/json.h>
#include <mysql.h>
#include <stdarg.h>

#include "torture.h"

/*
 * libfcgi and json-c.
 */

WRAPPED(int, FCGX_Init, (void))
{
	return torture_fails(CALL_FCGX_Init) ? -1 : __real_FCGX_Init();
}

WRAPPED(int, FCGX_InitRequest, (FCGX_Request * request, int socket, int flags))
{
	return torture_fails(CALL_FCGX_InitRequest)
		       ? -1
		       : __real_FCGX_InitRequest(request, socket, flags);
}

/* It closes the connection and frees what it has read, as libfcgi does. */
WRAPPED(int, FCGX_Accept_r, (FCGX_Request * request))
{
	int rc = __real_FCGX_Accept_r(request);

	if (!torture_fails(CALL_FCGX_Accept_r))
		return rc;
	FCGX_Free(request, 1);
	return -1;
}

WRAPPED(struct json_tokener *, json_tokener_new_ex, (int depth))
{
	return torture_fails(CALL_json_tokener_new_ex)
		       ? NULL
		       : __real_json_tokener_new_ex(depth);
}

WRAPPED(struct json_object *, json_tokener_parse_ex,
	(struct json_tokener * tokener, const char *text, int length))
{
	return torture_fails(CALL_json_tokener_parse_ex)
		       ? NULL
		       : __real_json_tokener_parse_ex(tokener, text, length);
}

/* A string of which a piece is missing: json-c had no memory for it. */
WRAPPED(int, json_object_get_string_len, (const struct json_object *object))
{
	return __real_json_object_get_string_len(object) -
	       torture_fails(CALL_json_object_get_string_len);
}

/*
 * libmariadb. An error that is made up stays with its connection or statement
 * until the thread's next call of these.
 */
static _Thread_local struct {
	const void *of; /* NULL: none */
	unsigned number;
} made_up;

static const struct torture_way *strike(enum torture_call call, const void *of)
{
	const struct torture_way *way = torture_strike(call);

	made_up.of = way != NULL ? of : NULL;
	made_up.number = way != NULL ? (unsigned)way->error : 0;
	return way;
}

/* A way to fail instead of doing it. */
static bool not_done(const struct torture_way *way)
{
	return way != NULL && way->effect == TORTURE_BEFORE;
}

WRAPPED(unsigned, mysql_errno, (MYSQL * connection))
{
	return made_up.of == connection ? made_up.number
					: __real_mysql_errno(connection);
}

WRAPPED(const char *, mysql_error, (MYSQL * connection))
{
	return made_up.of == connection ? "made up"
					: __real_mysql_error(connection);
}

WRAPPED(unsigned, mysql_stmt_errno, (MYSQL_STMT * statement))
{
	return made_up.of == statement ? made_up.number
				       : __real_mysql_stmt_errno(statement);
}

WRAPPED(const char *, mysql_stmt_error, (MYSQL_STMT * statement))
{
	return made_up.of == statement ? "made up"
				       : __real_mysql_stmt_error(statement);
}

WRAPPED(int, mysql_server_init, (int count, char **arguments, char **groups))
{
	return torture_fails(CALL_mysql_server_init)
		       ? 1
		       : __real_mysql_server_init(count, arguments, groups);
}

WRAPPED(my_bool, mysql_thread_init, (void))
{
	return torture_fails(CALL_mysql_thread_init)
		       ? 1
		       : __real_mysql_thread_init();
}

WRAPPED(MYSQL *, mysql_init, (MYSQL * connection))
{
	return torture_fails(CALL_mysql_init) ? NULL
					      : __real_mysql_init(connection);
}

int __real_mysql_optionsv(MYSQL *connection, enum mysql_option option, ...);
int __wrap_mysql_optionsv(MYSQL *connection, enum mysql_option option,
			  const void *value);
int __wrap_mysql_optionsv(MYSQL *connection, enum mysql_option option,
			  const void *value)
{
	return strike(CALL_mysql_optionsv, connection) != NULL
		       ? 1
		       : __real_mysql_optionsv(connection, option, value);
}

/* What a call, made as the way says, comes to: other than 0 where it fails. */
#define DO(way, call) (not_done(way) ? 1 : (call) != 0 || (way) != NULL)

WRAPPED(int, mysql_query, (MYSQL * connection, const char *sql))
{
	const struct torture_way *way = strike(CALL_mysql_query, connection);

	return DO(way, __real_mysql_query(connection, sql));
}

WRAPPED(MYSQL *, mysql_real_connect,
	(MYSQL * connection, const char *host, const char *user,
	 const char *password, const char *name, unsigned port,
	 const char *path, unsigned long flags))
{
	const struct torture_way *way =
		strike(CALL_mysql_real_connect, connection);
	MYSQL *connected;

	if (not_done(way))
		return NULL;
	connected = __real_mysql_real_connect(connection, host, user, password,
					      name, port, path, flags);
	if (way == NULL)
		return connected;
	if (way->effect != TORTURE_PLANTED)
		return NULL;
	/* Planted: what is acknowledged is never committed. */
	(void)__real_mysql_query(connection, "SET SESSION autocommit = 0");
	return connected;
}

WRAPPED(MYSQL_RES *, mysql_store_result, (MYSQL * connection))
{
	return strike(CALL_mysql_store_result, connection) != NULL
		       ? NULL
		       : __real_mysql_store_result(connection);
}

WRAPPED(my_bool, mysql_rollback, (MYSQL * connection))
{
	const struct torture_way *way = strike(CALL_mysql_rollback, connection);

	return DO(way, __real_mysql_rollback(connection));
}

WRAPPED(MYSQL_STMT *, mysql_stmt_init, (MYSQL * connection))
{
	return strike(CALL_mysql_stmt_init, connection) != NULL
		       ? NULL
		       : __real_mysql_stmt_init(connection);
}

WRAPPED(int, mysql_stmt_prepare,
	(MYSQL_STMT * statement, const char *sql, unsigned long length))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_prepare, statement);

	return DO(way, __real_mysql_stmt_prepare(statement, sql, length));
}

WRAPPED(my_bool, mysql_stmt_bind_param,
	(MYSQL_STMT * statement, MYSQL_BIND *parameters))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_bind_param, statement);

	return DO(way, __real_mysql_stmt_bind_param(statement, parameters));
}

WRAPPED(my_bool, mysql_stmt_bind_result,
	(MYSQL_STMT * statement, MYSQL_BIND *columns))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_bind_result, statement);

	return DO(way, __real_mysql_stmt_bind_result(statement, columns));
}

WRAPPED(int, mysql_stmt_execute, (MYSQL_STMT * statement))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_execute, statement);

	if (way == NULL || way->effect != TORTURE_PLANTED)
		return DO(way, __real_mysql_stmt_execute(statement));
	/* Planted: as a driver that tries again what it had sent. */
	(void)__real_mysql_stmt_execute(statement);
	return __real_mysql_stmt_execute(statement);
}

/* Its errors are with the connection, where mysql_stmt_fetch() leaves them. */
WRAPPED(int, mysql_stmt_fetch, (MYSQL_STMT * statement))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_fetch, statement->mysql);
	int rc = not_done(way) ? 1 : __real_mysql_stmt_fetch(statement);

	return way != NULL ? 1 : rc;
}

WRAPPED(my_bool, mysql_stmt_free_result, (MYSQL_STMT * statement))
{
	const struct torture_way *way =
		strike(CALL_mysql_stmt_free_result, statement);

	return DO(way, __real_mysql_stmt_free_result(statement));
}

WRAPPED(my_bool, mysql_stmt_close, (MYSQL_STMT * statement))
{
	const struct torture_way *way = torture_strike(CALL_mysql_stmt_close);

	return DO(way, __real_mysql_stmt_close(statement));
}

/* The same without waiting: where it fails it waits for nothing more. */
WRAPPED(int, mysql_stmt_execute_start, (int *rc, MYSQL_STMT *statement))
{
	if (strike(CALL_mysql_stmt_execute_start, statement) == NULL)
		return __real_mysql_stmt_execute_start(rc, statement);
	*rc = 1;
	return 0;
}

WRAPPED(int, mysql_stmt_fetch_start, (int *rc, MYSQL_STMT *statement))
{
	if (strike(CALL_mysql_stmt_fetch_start, statement->mysql) == NULL)
		return __real_mysql_stmt_fetch_start(rc, statement);
	*rc = 1;
	return 0;
}

/* What is under way must end, and does so when it is told that time is up. */
WRAPPED(int, mysql_stmt_execute_cont,
	(int *rc, MYSQL_STMT *statement, int events))
{
	if (strike(CALL_mysql_stmt_execute_cont, statement) != NULL)
		events = MYSQL_WAIT_TIMEOUT;
	made_up.of = NULL;
	return __real_mysql_stmt_execute_cont(rc, statement, events);
}

WRAPPED(int, mysql_stmt_fetch_cont,
	(int *rc, MYSQL_STMT *statement, int events))
{
	if (strike(CALL_mysql_stmt_fetch_cont, statement) != NULL)
		events = MYSQL_WAIT_TIMEOUT;
	made_up.of = NULL;
	return __real_mysql_stmt_fetch_cont(rc, statement, events);
}
