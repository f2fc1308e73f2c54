/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include "system/clock.h"
#include "system/log.h"

bool store_mariadb_visit_row(struct mariadb_store *mariadb, bool ids_only,
			     store_visit_fn *visit, void *context)
{
	const struct store_mariadb_row *row = &mariadb->row;
	struct message message = { .id = row->id };

	if (row->id > mariadb->store.seen_id)
		mariadb->store.seen_id = row->id;
	if (!ids_only) {
		message.from = (struct span){ row->sender, row->sender_length };
		message.content =
			(struct span){ row->content, row->content_length };
		store_mariadb_write_date(message.date, &row->stored_at);
	}
	return visit(&message, context);
}

void store_mariadb_check_fit(const struct mariadb_store *mariadb, int rc)
{
	if (rc == MYSQL_DATA_TRUNCATED)
		log_event(LOG_ERROR, "internal", NULL,
			  "message %llu is larger than the API allows; was the "
			  "table altered?",
			  (unsigned long long)mariadb->row.id);
}

enum result { DONE, FAILED, FAILED_MIDWAY };

static enum result fetch(struct mariadb_store *mariadb, MYSQL_STMT *statement,
			 bool ids_only, store_visit_fn *visit, void *context)
{
	bool visited = false;
	int rc;

	for (;;) {
		rc = mysql_stmt_fetch(statement);
		if (rc != 0)
			break;
		visited = true;
		if (!store_mariadb_visit_row(mariadb, ids_only, visit, context))
			break;
	}
	store_mariadb_check_fit(mariadb, rc);
	if (rc != 0 && rc != MYSQL_NO_DATA)
		return visited ? FAILED_MIDWAY : FAILED;
	return mysql_stmt_free_result(statement) == 0 ? DONE : FAILED_MIDWAY;
}

static MYSQL_STMT *prepare(struct mariadb_store *mariadb,
			   const struct store_mariadb_query *query)
{
	if (*query->slot != NULL)
		return *query->slot;
	buf_clear(&mariadb->sql);
	query->write_sql(&mariadb->sql, query->what);
	return buf_error(&mariadb->sql) == ERR_OK
		       ? store_mariadb_prepare(mariadb, query->slot)
		       : NULL;
}

bool store_mariadb_bind_query(MYSQL_STMT *statement,
			      const struct store_mariadb_query *query)
{
	MYSQL_BIND parameters[SELECT_PARAMETERS_MAX];

	query->set_parameters(parameters, query->what);
	return mysql_stmt_bind_param(statement, parameters) == 0;
}

static enum result execute(struct mariadb_store *mariadb, MYSQL_STMT *statement,
			   const struct store_mariadb_query *query,
			   store_visit_fn *visit, void *context)
{
	if (!store_mariadb_bind_query(statement, query) ||
	    mysql_stmt_execute(statement) != 0 ||
	    !store_mariadb_bind_row(statement, &mariadb->row))
		return FAILED;
	return fetch(mariadb, statement, query->ids_only, visit, context);
}

enum err store_mariadb_select(struct mariadb_store *mariadb,
			      const struct store_mariadb_query *query,
			      store_visit_fn *visit, void *context)
{
	/* A connection that was cut meanwhile gets one more try. */
	for (int tries = 0; tries < 2; tries++) {
		int64_t began_ms = clock_now_ms();
		enum store_mariadb_failure failure;
		enum result result;
		MYSQL_STMT *statement;

		if (store_mariadb_connect(mariadb, true) != ERR_OK)
			return ERR_DATABASE_UNAVAILABLE;
		statement = prepare(mariadb, query);
		if (statement == NULL)
			return ERR_DATABASE_UNAVAILABLE;
		result = execute(mariadb, statement, query, visit, context);
		if (result == DONE)
			return ERR_OK;
		failure = store_mariadb_failed(mariadb, statement, began_ms);
		if (failure == FAILURE_REFUSED || result == FAILED_MIDWAY)
			break;
	}
	return ERR_DATABASE_UNAVAILABLE;
}
