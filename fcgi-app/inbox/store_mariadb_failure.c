/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include "system/clock.h"
#include "system/log.h"

/* Not in every mysqld_error.h, or not by one name. */
enum {
	AUTO_INCREMENT_OUT_OF_RANGE = 167,
	RECORD_CHANGED_SINCE_LAST_READ = 1020,
	INDEX_DOES_NOT_EXIST = 1176,
};

#define MIGRATE " (has sql/migrate been run on this database?)"
#define GRANTS " (sql/migrate grants what this user needs)"
#define READ_ONLY " (the server is read only)"
#define NO_IDS " (there are no IDs left to give)"

/*
 * The errors of the server that tell what became of the statement. All but the
 * uncertain ones have undone it, also where rows were returned before.
 */
static const struct known_error {
	unsigned error;
	enum store_mariadb_failure failure;
	const char *advice;
} known_errors[] = {
	{ ER_LOCK_DEADLOCK, FAILURE_CONFLICT, "" },
	{ RECORD_CHANGED_SINCE_LAST_READ, FAILURE_CONFLICT, "" },
	{ ER_LOCK_WAIT_TIMEOUT, FAILURE_LOCK_WAIT, "" },
	{ ER_STATEMENT_TIMEOUT, FAILURE_UNDONE, "" },
	{ ER_ERROR_DURING_COMMIT, FAILURE_UNCERTAIN, "" },
	{ ER_ERROR_ON_WRITE, FAILURE_UNCERTAIN, "" },
	{ ER_RECORD_FILE_FULL, FAILURE_REFUSED, " (is its disk full?)" },
	{ ER_OPTION_PREVENTS_STATEMENT, FAILURE_REFUSED, READ_ONLY },
	{ ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, FAILURE_REFUSED,
	  READ_ONLY },
	{ ER_READ_ONLY_MODE, FAILURE_REFUSED, READ_ONLY },
	{ ER_TABLEACCESS_DENIED_ERROR, FAILURE_REFUSED, GRANTS },
	{ ER_COLUMNACCESS_DENIED_ERROR, FAILURE_REFUSED, GRANTS },
	{ ER_NO_SUCH_TABLE, FAILURE_REFUSED, MIGRATE },
	{ ER_BAD_FIELD_ERROR, FAILURE_REFUSED, MIGRATE },
	{ INDEX_DOES_NOT_EXIST, FAILURE_REFUSED, MIGRATE },
	{ ER_BAD_NULL_ERROR, FAILURE_REFUSED, MIGRATE }, /* no append_lock */
	{ ER_AUTOINC_READ_FAILED, FAILURE_REFUSED, NO_IDS },
	{ AUTO_INCREMENT_OUT_OF_RANGE, FAILURE_REFUSED, NO_IDS },
};

/*
 * libmariadb's own errors are of the connection, whatever their words; and what
 * failed without an error may have happened.
 */
static bool is_client_error(unsigned error)
{
	return error == 0 || (error >= CR_MIN_ERROR && error <= CR_MAX_ERROR) ||
	       error >= CER_MIN_ERROR;
}

static struct known_error classify(unsigned error)
{
	size_t count = sizeof(known_errors) / sizeof(known_errors[0]);

	for (size_t i = 0; i < count; i++)
		if (known_errors[i].error == error)
			return known_errors[i];
	return (struct known_error){
		.error = error,
		.failure =
			is_client_error(error) ? FAILURE_LOST : FAILURE_UNKNOWN,
		.advice = "",
	};
}

/* A refusal is told once, until something succeeds on this store. */
static enum log_level level_of(struct mariadb_store *mariadb,
			       const struct known_error *known)
{
	bool repeated = known->failure == FAILURE_REFUSED &&
			known->error == mariadb->refusal;

	if (known->failure == FAILURE_REFUSED)
		mariadb->refusal = known->error;
	return repeated || known->failure == FAILURE_CONFLICT ? LOG_DEBUG
							      : LOG_WARNING;
}

enum store_mariadb_failure store_mariadb_failed(struct mariadb_store *mariadb,
						MYSQL_STMT *statement,
						int64_t began_ms)
{
	int64_t took_ms = clock_now_ms() - began_ms;
	/* mysql_stmt_fetch() leaves its errors with the connection alone. */
	bool of_statement =
		statement != NULL && mysql_stmt_errno(statement) != 0;
	struct known_error known =
		classify(of_statement ? mysql_stmt_errno(statement)
				      : mysql_errno(mariadb->connection));
	const char *text = of_statement ? mysql_stmt_error(statement)
					: mysql_error(mariadb->connection);
	int64_t timeout_ms =
		mariadb->database->settings->db_timeout_secs * (int64_t)1000;

	log_event(level_of(mariadb, &known), "database_error", NULL,
		  "error %u after %lld ms: %s%s", known.error,
		  (long long)took_ms, text, known.advice);
	switch (known.failure) {
	case FAILURE_CONFLICT:
	case FAILURE_LOCK_WAIT:
	case FAILURE_UNDONE:
	case FAILURE_REFUSED:
		return known.failure;
	case FAILURE_LOST:
	case FAILURE_UNCERTAIN:
	case FAILURE_UNKNOWN:
		break;
	}
	/* A statement that the server has forgotten is mended by it, too. */
	store_mariadb_disconnect(mariadb);
	if (known.failure == FAILURE_LOST && took_ms >= timeout_ms * 9 / 10)
		store_mariadb_set_away(mariadb);
	return known.failure;
}

enum err store_mariadb_read_error(enum store_mariadb_failure failure)
{
	return failure == FAILURE_REFUSED ? ERR_DATABASE_REFUSES
					  : ERR_DATABASE_UNAVAILABLE;
}

bool store_mariadb_may_read_again(enum store_mariadb_failure failure)
{
	return failure == FAILURE_LOST || failure == FAILURE_CONFLICT ||
	       failure == FAILURE_LOCK_WAIT;
}
