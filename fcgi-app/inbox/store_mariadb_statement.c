/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include "system/clock.h"

bool store_mariadb_prepare(struct mariadb_store *mariadb, MYSQL_STMT **slot,
			   enum store_mariadb_failure *failure_r)
{
	struct span sql = buf_span(&mariadb->sql);
	int64_t began_ms = clock_now_ms();

	*slot = mysql_stmt_init(mariadb->connection);
	if (*slot != NULL &&
	    mysql_stmt_prepare(*slot, sql.data, sql.length) == 0)
		return true;
	/* Closes the statement with the connection or here. */
	*failure_r = store_mariadb_failed(mariadb, *slot, began_ms);
	if (*slot != NULL)
		mysql_stmt_close(*slot);
	*slot = NULL;
	return false;
}

void store_mariadb_set_text(MYSQL_BIND *parameter, struct span text)
{
	static my_bool is_null = 1;

	*parameter = (MYSQL_BIND){
		.buffer_type = MYSQL_TYPE_STRING,
		.buffer = (void *)(uintptr_t)text.data,
		.buffer_length = text.length,
		.is_null = text.data == NULL ? &is_null : NULL,
	};
}

void store_mariadb_set_number(MYSQL_BIND *parameter, const uint64_t *number)
{
	*parameter = (MYSQL_BIND){
		.buffer_type = MYSQL_TYPE_LONGLONG,
		.buffer = (void *)(uintptr_t)number,
		.is_unsigned = 1,
	};
}

bool store_mariadb_bind_row(MYSQL_STMT *statement,
			    struct store_mariadb_row *row)
{
	MYSQL_BIND columns[] = {
		{ .buffer_type = MYSQL_TYPE_LONGLONG,
		  .buffer = &row->id,
		  .is_unsigned = 1 },
		{ .buffer_type = MYSQL_TYPE_STRING,
		  .buffer = row->sender,
		  .buffer_length = sizeof(row->sender),
		  .length = &row->sender_length },
		{ .buffer_type = MYSQL_TYPE_STRING,
		  .buffer = row->content,
		  .buffer_length = sizeof(row->content),
		  .length = &row->content_length },
		{ .buffer_type = MYSQL_TYPE_DATETIME,
		  .buffer = &row->stored_at,
		  .buffer_length = sizeof(row->stored_at) },
		{ .buffer_type = MYSQL_TYPE_TINY, .buffer = &row->replayed },
	};

	return mysql_stmt_bind_result(statement, columns) == 0;
}

/* By hand: this is done for every message, and snprintf() takes its time. */
static char *put_digits(char *at, unsigned long number, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		at[i] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + digits;
}

void store_mariadb_write_date(char out[MESSAGE_DATE_BYTES],
			      const MYSQL_TIME *time)
{
	const struct {
		unsigned long number;
		int digits;
		char behind;
	} parts[] = {
		{ time->year, 4, '-' },        { time->month, 2, '-' },
		{ time->day, 2, 'T' },         { time->hour, 2, ':' },
		{ time->minute, 2, ':' },      { time->second, 2, '.' },
		{ time->second_part, 6, 'Z' },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		out = put_digits(out, parts[i].number, parts[i].digits);
		*out++ = parts[i].behind;
	}
	*out = '\0';
}
