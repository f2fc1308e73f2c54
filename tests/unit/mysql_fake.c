/* SPDX-License-Identifier: MIT */
#include "mysql_fake.h"

#include <assert.h>
#include <errmsg.h>
#include <mysql.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "text/buf.h"

enum { COLUMNS_MAX = 5, CONNECTIONS_MAX = 4, PARAMETERS_A_ROW = 3 };

/* What a MYSQL, a MYSQL_STMT and a MYSQL_RES really are here. */
struct connection {
	int sockets[2]; /* the store's end and the server's */
	unsigned error;
	bool lost;
	struct statement *busy; /* its result is not read to the end */
};

struct statement {
	struct connection *connection; /* NULL after its end */
	struct statement *next;
	unsigned error;
	size_t parameter_count;
	size_t column_count;
	MYSQL_BIND *parameters;
	MYSQL_BIND columns[COLUMNS_MAX];
	size_t rows_given;
};

static struct {
	size_t calls[MYSQL_FAKE_CALLS];
	struct {
		size_t first, end; /* calls from 0 that fail */
		unsigned error;
	} rules[MYSQL_FAKE_CALLS];
	const struct mysql_fake_row *rows;
	size_t row_count;
	bool has_rows;
	uint64_t next_id;
	int64_t clock_ms, take_ms;
	struct {
		size_t number; /* the call from 0 */
		int events;    /* 0: none */
	} waits[MYSQL_FAKE_CALLS];
	bool tls, read_only;
	struct connection *connections[CONNECTIONS_MAX];
	struct statement *statements;
	size_t open;
	struct buf sql, parameters, options;
} fake;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_mysql_server_init(int argc, char **argv, char **groups);
void __wrap_mysql_server_end(void);
my_bool __wrap_mysql_thread_init(void);
void __wrap_mysql_thread_end(void);
MYSQL *__wrap_mysql_init(MYSQL *mysql);
void __wrap_mysql_close(MYSQL *mysql);
int __wrap_mysql_optionsv(MYSQL *mysql, enum mysql_option option, ...);
MYSQL *__wrap_mysql_real_connect(MYSQL *mysql, const char *host,
				 const char *user, const char *password,
				 const char *name, unsigned port,
				 const char *path, unsigned long flags);
my_socket __wrap_mysql_get_socket(MYSQL *mysql);
const char *__wrap_mysql_get_server_info(MYSQL *mysql);
unsigned __wrap_mysql_errno(MYSQL *mysql);
const char *__wrap_mysql_error(MYSQL *mysql);
int __wrap_mysql_query(MYSQL *mysql, const char *sql);
MYSQL_RES *__wrap_mysql_store_result(MYSQL *mysql);
MYSQL_ROW __wrap_mysql_fetch_row(MYSQL_RES *result);
void __wrap_mysql_free_result(MYSQL_RES *result);
my_bool __wrap_mysql_rollback(MYSQL *mysql);
MYSQL_STMT *__wrap_mysql_stmt_init(MYSQL *mysql);
int __wrap_mysql_stmt_prepare(MYSQL_STMT *stmt, const char *sql,
			      unsigned long length);
my_bool __wrap_mysql_stmt_bind_param(MYSQL_STMT *stmt, MYSQL_BIND *parameters);
my_bool __wrap_mysql_stmt_bind_result(MYSQL_STMT *stmt, MYSQL_BIND *columns);
int __wrap_mysql_stmt_execute(MYSQL_STMT *stmt);
int __wrap_mysql_stmt_execute_start(int *rc, MYSQL_STMT *stmt);
int __wrap_mysql_stmt_execute_cont(int *rc, MYSQL_STMT *stmt, int events);
int __wrap_mysql_stmt_fetch(MYSQL_STMT *stmt);
int __wrap_mysql_stmt_fetch_start(int *rc, MYSQL_STMT *stmt);
int __wrap_mysql_stmt_fetch_cont(int *rc, MYSQL_STMT *stmt, int events);
unsigned __wrap_mysql_get_timeout_value_ms(const MYSQL *mysql);
const char *__wrap_mysql_get_ssl_cipher(MYSQL *mysql);
my_bool __wrap_mysql_stmt_free_result(MYSQL_STMT *stmt);
my_bool __wrap_mysql_stmt_close(MYSQL_STMT *stmt);
unsigned __wrap_mysql_stmt_errno(MYSQL_STMT *stmt);
const char *__wrap_mysql_stmt_error(MYSQL_STMT *stmt);

void mysql_fake_reset(void)
{
	struct buf *texts[] = { &fake.sql, &fake.parameters, &fake.options };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_deinit(texts[i]);
	memset(&fake, 0, sizeof(fake));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_init(texts[i], 1024 * 1024);
}

void mysql_fake_fail(enum mysql_fake_call call, size_t nth, size_t times,
		     unsigned error)
{
	fake.rules[call].first = fake.calls[call] + nth - 1;
	fake.rules[call].end = fake.rules[call].first + times;
	fake.rules[call].error = error;
}

void mysql_fake_set_rows(const struct mysql_fake_row *rows, size_t count)
{
	fake.has_rows = true;
	fake.rows = rows;
	fake.row_count = count;
}

void mysql_fake_hang_up(void)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (fake.connections[i] != NULL)
			shutdown(fake.connections[i]->sockets[1], SHUT_RDWR);
}

void mysql_fake_wait(enum mysql_fake_call call, size_t nth, int events)
{
	fake.waits[call].number = fake.calls[call] + nth - 1;
	fake.waits[call].events = events;
}

void mysql_fake_set_read_only(bool read_only)
{
	fake.read_only = read_only;
}

void mysql_fake_use_tls(void)
{
	fake.tls = true;
}

void mysql_fake_take_ms(int64_t ms)
{
	fake.take_ms = ms;
}

void mysql_fake_pass_ms(int64_t ms)
{
	fake.clock_ms += ms;
}

size_t mysql_fake_calls(enum mysql_fake_call call)
{
	return fake.calls[call];
}

size_t mysql_fake_open(void)
{
	return fake.open;
}

static const char *terminated(struct buf *text)
{
	struct span span;

	buf_append_char(text, '\0');
	span = buf_span(text);
	return span.data;
}

const char *mysql_fake_sql(void)
{
	return terminated(&fake.sql);
}

const char *mysql_fake_parameters(void)
{
	return terminated(&fake.parameters);
}

const char *mysql_fake_options(void)
{
	return terminated(&fake.options);
}

/* Counts a call. The error that it fails with, 0 for none. */
static unsigned count_call(enum mysql_fake_call call)
{
	size_t number = fake.calls[call]++;

	return number >= fake.rules[call].first && number < fake.rules[call].end
		       ? fake.rules[call].error
		       : 0;
}

/* The same for a call over a connection, which keeps the error. */
static unsigned count_sent(struct connection *connection,
			   enum mysql_fake_call call)
{
	unsigned error = count_call(call);

	if (connection == NULL)
		return CR_SERVER_LOST;
	if (connection->busy != NULL)
		error = CR_COMMANDS_OUT_OF_SYNC;
	else if (connection->lost)
		error = CR_SERVER_GONE_ERROR;
	else if (error >= CR_MIN_ERROR)
		connection->lost = true;
	connection->error = error;
	return error;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, now);
	now->tv_sec = fake.clock_ms / 1000;
	now->tv_nsec = fake.clock_ms % 1000 * 1000000;
	return 0;
}

int __wrap_mysql_server_init(int argc, char **argv, char **groups)
{
	(void)argc, (void)argv, (void)groups;
	if (count_call(MYSQL_FAKE_LIBRARY_INIT) != 0)
		return 1;
	fake.open++;
	return 0;
}

void __wrap_mysql_server_end(void)
{
	fake.open--;
}

my_bool __wrap_mysql_thread_init(void)
{
	if (count_call(MYSQL_FAKE_THREAD_INIT) != 0)
		return 1;
	fake.open++;
	return 0;
}

void __wrap_mysql_thread_end(void)
{
	fake.open--;
}

MYSQL *__wrap_mysql_init(MYSQL *mysql)
{
	struct connection *connection;

	if (mysql != NULL || count_call(MYSQL_FAKE_INIT) != 0)
		return NULL;
	connection = calloc(1, sizeof(*connection));
	assert(connection != NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (fake.connections[i] != NULL)
			continue;
		fake.connections[i] = connection;
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, connection->sockets))
			assert(!"no socket pair");
		fake.open++;
		buf_clear(&fake.options);
		return (MYSQL *)connection;
	}
	assert(!"more connections than there should be");
	return NULL;
}

void __wrap_mysql_close(MYSQL *mysql)
{
	struct connection *connection = (struct connection *)mysql;
	struct statement *statement;

	for (statement = fake.statements; statement != NULL;
	     statement = statement->next)
		if (statement->connection == connection)
			statement->connection = NULL;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (fake.connections[i] == connection)
			fake.connections[i] = NULL;
	close(connection->sockets[0]);
	close(connection->sockets[1]);
	free(connection);
	fake.open--;
}

static const struct {
	enum mysql_option option;
	const char *name;
	enum { FLAG, NUMBER, TEXT } type;
} options[] = {
	{ MYSQL_OPT_CONNECT_TIMEOUT, "connect_timeout", NUMBER },
	{ MYSQL_OPT_READ_TIMEOUT, "read_timeout", NUMBER },
	{ MYSQL_OPT_WRITE_TIMEOUT, "write_timeout", NUMBER },
	{ MYSQL_OPT_RECONNECT, "reconnect", FLAG },
	{ MYSQL_OPT_LOCAL_INFILE, "local_infile", NUMBER },
	{ MYSQL_OPT_PROTOCOL, "protocol", NUMBER },
	{ MYSQL_SET_CHARSET_NAME, "charset", TEXT },
	{ MYSQL_OPT_SSL_ENFORCE, "tls", FLAG },
	{ MYSQL_OPT_SSL_VERIFY_SERVER_CERT, "tls_verify", FLAG },
	{ MYSQL_OPT_SSL_CA, "tls_ca", TEXT },
	{ MYSQL_INIT_COMMAND, "init", TEXT },
};

int __wrap_mysql_optionsv(MYSQL *mysql, enum mysql_option option, ...)
{
	va_list arguments;
	const void *value;
	size_t i = 0;

	(void)mysql;
	if (option == MYSQL_OPT_NONBLOCK)
		return count_call(MYSQL_FAKE_NONBLOCK) != 0;
	if (count_call(MYSQL_FAKE_OPTION) != 0)
		return 1;
	va_start(arguments, option);
	value = va_arg(arguments, const void *);
	va_end(arguments);
	while (options[i].option != option) {
		i++;
		assert(i < sizeof(options) / sizeof(options[0]));
	}
	buf_appendf(&fake.options, "%s=", options[i].name);
	if (options[i].type == TEXT)
		buf_append_text(&fake.options, value);
	else
		buf_append_u64(&fake.options,
			       options[i].type == NUMBER
				       ? *(const unsigned *)value
				       : (unsigned)*(const my_bool *)value);
	buf_append_char(&fake.options, ';');
	return 0;
}

MYSQL *__wrap_mysql_real_connect(MYSQL *mysql, const char *host,
				 const char *user, const char *password,
				 const char *name, unsigned port,
				 const char *path, unsigned long flags)
{
	struct connection *connection = (struct connection *)mysql;

	buf_appendf(&fake.options,
		    "host=%s;user=%s;password=%s;name=%s;port=%u;socket=%s;"
		    "flags=%lu;",
		    host != NULL ? host : "-", user, password, name, port,
		    path != NULL ? path : "-", flags);
	return count_sent(connection, MYSQL_FAKE_CONNECT) == 0 ? mysql : NULL;
}

my_socket __wrap_mysql_get_socket(MYSQL *mysql)
{
	return ((struct connection *)mysql)->sockets[0];
}

const char *__wrap_mysql_get_server_info(MYSQL *mysql)
{
	(void)mysql;
	return "10.11.0-fake";
}

unsigned __wrap_mysql_errno(MYSQL *mysql)
{
	return ((struct connection *)mysql)->error;
}

const char *__wrap_mysql_error(MYSQL *mysql)
{
	return __wrap_mysql_errno(mysql) == 0 ? "" : "an error of the test";
}

int __wrap_mysql_query(MYSQL *mysql, const char *sql)
{
	(void)sql;
	fake.clock_ms += fake.take_ms;
	return count_sent((struct connection *)mysql, MYSQL_FAKE_QUERY) != 0;
}

MYSQL_RES *__wrap_mysql_store_result(MYSQL *mysql)
{
	struct connection *connection = (struct connection *)mysql;

	if (count_sent(connection, MYSQL_FAKE_STORE_RESULT) != 0)
		return NULL;
	fake.open++;
	return calloc(1, sizeof(MYSQL_RES));
}

MYSQL_ROW __wrap_mysql_fetch_row(MYSQL_RES *result)
{
	static char no[] = "0", yes[] = "1";
	static char *row[1];

	(void)result;
	row[0] = fake.read_only ? no : yes;
	return row;
}

void __wrap_mysql_free_result(MYSQL_RES *result)
{
	fake.open--;
	free(result);
}

my_bool __wrap_mysql_rollback(MYSQL *mysql)
{
	return count_sent((struct connection *)mysql, MYSQL_FAKE_ROLLBACK) != 0;
}

MYSQL_STMT *__wrap_mysql_stmt_init(MYSQL *mysql)
{
	struct connection *connection = (struct connection *)mysql;
	struct statement *statement;

	if (count_call(MYSQL_FAKE_STATEMENT_INIT) != 0) {
		connection->error = CR_OUT_OF_MEMORY;
		return NULL;
	}
	statement = calloc(1, sizeof(*statement));
	assert(statement != NULL);
	statement->connection = connection;
	statement->next = fake.statements;
	fake.statements = statement;
	fake.open++;
	return (MYSQL_STMT *)statement;
}

int __wrap_mysql_stmt_prepare(MYSQL_STMT *stmt, const char *sql,
			      unsigned long length)
{
	static const char ids_only[] = "SELECT id FROM";
	struct statement *self = (struct statement *)stmt;

	buf_clear(&fake.sql);
	buf_append(&fake.sql, sql, length);
	for (size_t i = 0; i < length; i++)
		self->parameter_count += sql[i] == '?';
	self->column_count = 4;
	if (sql[0] == 'I')
		self->column_count = 5;
	else if (strncmp(sql, ids_only, strlen(ids_only)) == 0)
		self->column_count = 1;
	self->error = count_sent(self->connection, MYSQL_FAKE_PREPARE);
	return self->error != 0;
}

my_bool __wrap_mysql_stmt_bind_param(MYSQL_STMT *stmt, MYSQL_BIND *parameters)
{
	struct statement *self = (struct statement *)stmt;
	size_t bytes = self->parameter_count * sizeof(*parameters);

	self->error = count_call(MYSQL_FAKE_BIND);
	if (self->error != 0)
		return 1;
	free(self->parameters);
	self->parameters = malloc(bytes);
	assert(self->parameters != NULL);
	memcpy(self->parameters, parameters, bytes);
	return 0;
}

my_bool __wrap_mysql_stmt_bind_result(MYSQL_STMT *stmt, MYSQL_BIND *columns)
{
	struct statement *self = (struct statement *)stmt;

	memcpy(self->columns, columns, self->column_count * sizeof(*columns));
	return 0;
}

static void note_parameters(const struct statement *self)
{
	buf_clear(&fake.parameters);
	for (size_t i = 0; i < self->parameter_count; i++) {
		const MYSQL_BIND *parameter = &self->parameters[i];

		if (i > 0)
			buf_append_char(&fake.parameters, '|');
		if (parameter->is_null != NULL && *parameter->is_null)
			buf_append_text(&fake.parameters, "NULL");
		else if (parameter->buffer_type == MYSQL_TYPE_LONGLONG)
			buf_append_u64(&fake.parameters,
				       *(const uint64_t *)parameter->buffer);
		else
			buf_append(&fake.parameters, parameter->buffer,
				   parameter->buffer_length);
	}
}

int __wrap_mysql_stmt_execute(MYSQL_STMT *stmt)
{
	struct statement *self = (struct statement *)stmt;

	note_parameters(self);
	fake.clock_ms += fake.take_ms;
	self->error = count_sent(self->connection, MYSQL_FAKE_EXECUTE);
	if (self->error != 0)
		return 1;
	self->rows_given = 0;
	self->connection->busy = self;
	return 0;
}

static bool put_text(const MYSQL_BIND *column, const char *text)
{
	size_t length = text != NULL ? strlen(text) : 0;

	if (text == NULL) /* what was there stays */
		return true;
	*column->length = length;
	memcpy(column->buffer, text,
	       length < column->buffer_length ? length : column->buffer_length);
	return length <= column->buffer_length;
}

static bool put_row(const struct statement *self,
		    const struct mysql_fake_row *row)
{
	static const MYSQL_TIME stored_at = { 2026, 1, 2, 3, 4, 5, 678, 0, 0 };
	const MYSQL_BIND *columns = self->columns;
	bool fits = true;

	memcpy(columns[0].buffer, &row->id, sizeof(row->id));
	if (self->column_count > 1) {
		fits = put_text(&columns[1], row->sender);
		fits = put_text(&columns[2], row->content) && fits;
		memcpy(columns[3].buffer, &stored_at, sizeof(stored_at));
	}
	if (self->column_count > 4)
		*(signed char *)columns[4].buffer = row->replayed;
	return fits;
}

/*
 * As the real one, it leaves an error of the server or the connection with the
 * connection alone: mysql_stmt_errno() knows nothing of it.
 */
int __wrap_mysql_stmt_fetch(MYSQL_STMT *stmt)
{
	struct statement *self = (struct statement *)stmt;
	struct mysql_fake_row fresh = { .id = fake.next_id + 1 };
	const struct mysql_fake_row *row = &fresh;
	unsigned error = count_call(MYSQL_FAKE_FETCH);
	size_t count = fake.has_rows ? fake.row_count
				     : self->parameter_count / PARAMETERS_A_ROW;

	assert(self->connection->busy == self); /* executed, not at its end */
	if (error != 0 || self->rows_given == count) {
		self->connection->busy = NULL;
		self->connection->lost = error >= CR_MIN_ERROR;
		self->connection->error = error;
		return error != 0 ? 1 : MYSQL_NO_DATA;
	}
	if (fake.has_rows)
		row = &fake.rows[self->rows_given];
	fake.next_id++;
	self->rows_given++;
	self->error = 0;
	self->connection->error = 0;
	return put_row(self, row) ? 0 : MYSQL_DATA_TRUNCATED;
}

my_bool __wrap_mysql_stmt_free_result(MYSQL_STMT *stmt)
{
	struct statement *self = (struct statement *)stmt;

	if (self->connection->busy == self)
		self->connection->busy = NULL;
	self->error = count_sent(self->connection, MYSQL_FAKE_FREE_RESULT);
	return self->error != 0;
}

my_bool __wrap_mysql_stmt_close(MYSQL_STMT *stmt)
{
	struct statement *self = (struct statement *)stmt;
	struct statement **link = &fake.statements;

	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	if (self->connection != NULL && self->connection->busy == self)
		self->connection->busy = NULL;
	free(self->parameters);
	free(self);
	fake.open--;
	return 0;
}

unsigned __wrap_mysql_stmt_errno(MYSQL_STMT *stmt)
{
	return ((struct statement *)stmt)->error;
}

const char *__wrap_mysql_stmt_error(MYSQL_STMT *stmt)
{
	return __wrap_mysql_stmt_errno(stmt) == 0 ? "" : "an error of the test";
}

/* What a call of that kind waits for; a call that is over waits for nothing. */
static int waits_for(enum mysql_fake_call call)
{
	return fake.calls[call] == fake.waits[call].number
		       ? fake.waits[call].events
		       : 0;
}

/* What it waited for has come, or it is told to wait no longer. */
static bool came(enum mysql_fake_call call, MYSQL_STMT *stmt, int events)
{
	struct statement *self = (struct statement *)stmt;

	assert(fake.waits[call].events != 0); /* it does wait */
	fake.waits[call].events = 0;
	if ((events & MYSQL_WAIT_TIMEOUT) == 0)
		return true;
	fake.calls[call]++;
	self->connection->busy = NULL;
	self->connection->lost = true;
	self->connection->error = CR_SERVER_LOST;
	return false;
}

int __wrap_mysql_stmt_execute_start(int *rc, MYSQL_STMT *stmt)
{
	int events = waits_for(MYSQL_FAKE_EXECUTE);

	if (events == 0)
		*rc = __wrap_mysql_stmt_execute(stmt);
	return events;
}

int __wrap_mysql_stmt_execute_cont(int *rc, MYSQL_STMT *stmt, int events)
{
	*rc = 1;
	if (came(MYSQL_FAKE_EXECUTE, stmt, events))
		*rc = __wrap_mysql_stmt_execute(stmt);
	return 0;
}

int __wrap_mysql_stmt_fetch_start(int *rc, MYSQL_STMT *stmt)
{
	int events = waits_for(MYSQL_FAKE_FETCH);

	if (events == 0)
		*rc = __wrap_mysql_stmt_fetch(stmt);
	return events;
}

int __wrap_mysql_stmt_fetch_cont(int *rc, MYSQL_STMT *stmt, int events)
{
	*rc = 1;
	if (came(MYSQL_FAKE_FETCH, stmt, events))
		*rc = __wrap_mysql_stmt_fetch(stmt);
	return 0;
}

unsigned __wrap_mysql_get_timeout_value_ms(const MYSQL *mysql)
{
	(void)mysql;
	return MYSQL_FAKE_TIMEOUT_MS;
}

const char *__wrap_mysql_get_ssl_cipher(MYSQL *mysql)
{
	(void)mysql;
	return fake.tls ? "a cipher of the test" : NULL;
}
