/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <stdlib.h>
#include <string.h>

#include "system/clock.h"
#include "system/log.h"

enum {
	PARAMETERS_A_ROW = 3,
	/* Every count up to here has its statement, then each 32nd. */
	COUNTS_ALL = 64,
	COUNTS_STEP = 32,
	CONFLICTS_MAX = 10,
	LOCK_WAITS_MAX = 2,
};

/*
 * One statement, and so one transaction, for all rows. Its first value is read
 * from append_lock FOR UPDATE: the lock is there before the first ID is given
 * and stays until the commit, so that no smaller ID can become visible after a
 * larger one. (As a value of the first row, it also leaves the parameters what
 * they are; in a derived table they would be cut to the length that the first
 * execution happened to have.) SYSDATE is the time behind the lock, NOW that
 * before it.
 */
static const char sql_first_row[] =
	"INSERT INTO message (sender, content, stored_at, idempotency_key) "
	"VALUES (?, ?, (SELECT SYSDATE(6) FROM append_lock WHERE id = 1 "
	"FOR UPDATE), ?)";
static const char sql_next_row[] = ", (?, ?, SYSDATE(6), ?)";
static const char sql_end[] =
	" ON DUPLICATE KEY UPDATE replayed = TRUE "
	"RETURNING id, IF(replayed, sender, NULL), "
	"IF(replayed, content, NULL), stored_at, replayed";

size_t store_mariadb_append_size(size_t waiting)
{
	return waiting <= COUNTS_ALL ? waiting
				     : waiting / COUNTS_STEP * COUNTS_STEP;
}

static size_t append_slot(size_t count)
{
	if (count <= COUNTS_ALL)
		return count - 1;
	return COUNTS_ALL + (count - COUNTS_ALL) / COUNTS_STEP - 1;
}

/* ERR_OK: the statement for so many rows is in *slot. */
static enum err prepare(struct mariadb_store *mariadb, size_t count,
			MYSQL_STMT **slot)
{
	enum store_mariadb_failure failure;

	if (*slot != NULL)
		return ERR_OK;
	buf_clear(&mariadb->sql);
	buf_append_text(&mariadb->sql, sql_first_row);
	for (size_t i = 1; i < count; i++)
		buf_append_text(&mariadb->sql, sql_next_row);
	buf_append_text(&mariadb->sql, sql_end);
	if (buf_error(&mariadb->sql) != ERR_OK)
		return ERR_OUT_OF_MEMORY;
	if (store_mariadb_prepare(mariadb, slot, &failure))
		return ERR_OK;
	return failure == FAILURE_REFUSED ? ERR_DATABASE_REFUSES
					  : ERR_DATABASE_UNAVAILABLE;
}

static bool set_parameters(struct mariadb_store *mariadb,
			   struct store_append *const *rows, size_t count)
{
	if (mariadb->parameter_rows < count) {
		void *more =
			realloc(mariadb->parameters,
				count * PARAMETERS_A_ROW * sizeof(MYSQL_BIND));

		if (more == NULL)
			return false;
		mariadb->parameters = more;
		mariadb->parameter_rows = count;
	}
	for (size_t i = 0; i < count; i++) {
		MYSQL_BIND *of_row = &mariadb->parameters[i * PARAMETERS_A_ROW];

		store_mariadb_set_text(&of_row[0], rows[i]->from);
		store_mariadb_set_text(&of_row[1], rows[i]->content);
		store_mariadb_set_text(&of_row[2], rows[i]->idempotency_key);
	}
	return true;
}

static void take_row(const struct store_mariadb_row *row,
		     struct store_append *append)
{
	struct span sender = { row->sender, row->sender_length };
	struct span content = { row->content, row->content_length };

	append->id = row->id;
	store_mariadb_write_date(append->date, &row->stored_at);
	append->replayed = row->replayed != 0;
	append->result =
		!append->replayed || (span_equal(sender, append->from) &&
				      span_equal(content, append->content))
			? ERR_OK
			: ERR_KEY_REUSED;
}

/*
 * The rows come back in the order they were given. They are sent before the
 * commit, their end is sent after it: only when that has been read is the
 * append sure.
 */
static bool take_rows(struct mariadb_store *mariadb, MYSQL_STMT *statement,
		      struct store_append **rows, size_t count,
		      size_t *fetched_r)
{
	int rc = 0;

	if (!store_mariadb_bind_row(statement, &mariadb->row))
		return false;
	for (;;) {
		rc = mysql_stmt_fetch(statement);
		if (rc != 0)
			break;
		if (*fetched_r < count)
			take_row(&mariadb->row, rows[*fetched_r]);
		(*fetched_r)++;
	}
	return rc == MYSQL_NO_DATA;
}

static bool execute(struct mariadb_store *mariadb, MYSQL_STMT *statement,
		    struct store_append **rows, size_t count, size_t *fetched_r)
{
	bool good;

	*fetched_r = 0;
	good = mysql_stmt_bind_param(statement, mariadb->parameters) == 0 &&
	       mysql_stmt_execute(statement) == 0 &&
	       take_rows(mariadb, statement, rows, count, fetched_r);
	if (good)
		mysql_stmt_free_result(statement);
	return good;
}

/* True where the same statement may be tried again on this connection. */
static bool may_repeat(struct mariadb_store *mariadb,
		       enum store_mariadb_failure failure, int *conflicts,
		       int *lock_waits)
{
	if (failure == FAILURE_CONFLICT)
		return ++*conflicts <= CONFLICTS_MAX;
	if (failure != FAILURE_LOCK_WAIT)
		return false;
	if (mysql_rollback(mariadb->connection) == 0)
		return ++*lock_waits <= LOCK_WAITS_MAX;
	store_mariadb_disconnect(mariadb);
	return false;
}

/*
 * A row that was returned may have been followed by the commit. Whatever is not
 * known to undo that is uncertain.
 */
static enum err outcome(enum store_mariadb_failure failure, size_t fetched)
{
	switch (failure) {
	case FAILURE_LOST:
	case FAILURE_UNCERTAIN:
		return ERR_WRITE_UNCERTAIN;
	case FAILURE_UNKNOWN:
		return fetched > 0 ? ERR_WRITE_UNCERTAIN
				   : ERR_DATABASE_UNAVAILABLE;
	case FAILURE_REFUSED:
		return ERR_DATABASE_REFUSES;
	case FAILURE_CONFLICT:
	case FAILURE_LOCK_WAIT:
	case FAILURE_UNDONE:
		break;
	}
	return ERR_DATABASE_UNAVAILABLE;
}

static enum err check_count(struct mariadb_store *mariadb, size_t count,
			    size_t fetched)
{
	if (fetched == count) {
		mariadb->refusal = 0;
		return ERR_OK;
	}
	log_event(LOG_ERROR, "internal", NULL,
		  "%zu rows appended, %zu returned", count, fetched);
	store_mariadb_disconnect(mariadb);
	return ERR_WRITE_UNCERTAIN;
}

static enum err repeat_until_done(struct mariadb_store *mariadb,
				  MYSQL_STMT *statement,
				  struct store_append **rows, size_t count)
{
	int conflicts = 0, lock_waits = 0;

	for (;;) {
		int64_t began_ms = clock_now_ms();
		enum store_mariadb_failure failure;
		size_t fetched;

		if (execute(mariadb, statement, rows, count, &fetched))
			return check_count(mariadb, count, fetched);
		failure = store_mariadb_failed(mariadb, statement, began_ms);
		if (!may_repeat(mariadb, failure, &conflicts, &lock_waits))
			return outcome(failure, fetched);
	}
}

enum err store_mariadb_append(struct store *store, struct store_append **rows,
			      size_t count)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	MYSQL_STMT **slot = &mariadb->append_statements[append_slot(count)];
	enum err err = store_mariadb_connect(mariadb, true);

	if (err != ERR_OK)
		return err;
	if (!set_parameters(mariadb, rows, count))
		return ERR_OUT_OF_MEMORY;
	err = prepare(mariadb, count, slot);
	if (err != ERR_OK)
		return err;
	return repeat_until_done(mariadb, *slot, rows, count);
}
