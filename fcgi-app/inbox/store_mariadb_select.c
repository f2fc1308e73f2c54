/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <string.h>

#include "system/clock.h"
#include "system/log.h"
#include "text/utf8.h"

/*
 * MariaDB takes surrogates for utf8mb4, and no other bytes that are not UTF-8.
 * Puts U+FFFD, which is as long, in the place of each. True where there was
 * one.
 */
static bool replace_surrogates(char *text, size_t length)
{
	static const char replacement[] = UTF8_REPLACEMENT_TEXT;
	const char *end = text + length;
	bool replaced = false;

	for (;;) {
		text = memchr(text, 0xed, (size_t)(end - text));
		if (text == NULL || end - text < 3)
			return replaced;
		if ((unsigned char)text[1] >= 0xa0) {
			memcpy(text, replacement, sizeof(replacement) - 1);
			replaced = true;
		}
		text += 3;
	}
}

/* What an administrator has put into the table may not be UTF-8. */
static void mend_texts(struct mariadb_store *mariadb)
{
	struct store_mariadb_row *row = &mariadb->row;
	bool bad_sender = replace_surrogates(row->sender, row->sender_length);
	bool bad_content =
		replace_surrogates(row->content, row->content_length);

	if ((!bad_sender && !bad_content) || mariadb->has_told_of_surrogates)
		return;
	mariadb->has_told_of_surrogates = true;
	log_event(LOG_WARNING, "invalid_text", NULL,
		  "message %llu has surrogates, which are not UTF-8, in its "
		  "%s; they are answered as U+FFFD, here and in others",
		  (unsigned long long)row->id,
		  bad_sender ? "sender" : "content");
}

bool store_mariadb_visit_row(struct mariadb_store *mariadb, bool ids_only,
			     store_visit_fn *visit, void *context)
{
	const struct store_mariadb_row *row = &mariadb->row;
	struct message message = { .id = row->id };

	if (row->id > mariadb->store.seen_id)
		mariadb->store.seen_id = row->id;
	if (!ids_only) {
		mend_texts(mariadb);
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

enum result { DONE, FAILED, FAILED_MIDWAY, FAILED_WITHOUT_MEMORY };

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

bool store_mariadb_bind_query(MYSQL_STMT *statement,
			      const struct store_mariadb_query *query)
{
	MYSQL_BIND parameters[SELECT_PARAMETERS_MAX];

	query->set_parameters(parameters, query->what);
	return mysql_stmt_bind_param(statement, parameters) == 0;
}

static enum result execute(struct mariadb_store *mariadb,
			   const struct store_mariadb_query *query,
			   store_visit_fn *visit, void *context)
{
	MYSQL_STMT *statement = *query->slot;

	if (!store_mariadb_bind_query(statement, query) ||
	    mysql_stmt_execute(statement) != 0 ||
	    !store_mariadb_bind_row(statement, &mariadb->row))
		return FAILED;
	return fetch(mariadb, statement, query->ids_only, visit, context);
}

/* Prepares its statement where that was not done yet, and executes it. */
static enum result run(struct mariadb_store *mariadb,
		       const struct store_mariadb_query *query,
		       store_visit_fn *visit, void *context,
		       enum store_mariadb_failure *failure_r)
{
	int64_t began_ms = clock_now_ms();
	enum result result;

	if (*query->slot == NULL) {
		buf_clear(&mariadb->sql);
		query->write_sql(&mariadb->sql, query->what);
		if (buf_error(&mariadb->sql) != ERR_OK)
			return FAILED_WITHOUT_MEMORY;
		if (!store_mariadb_prepare(mariadb, query->slot, failure_r))
			return FAILED;
	}
	result = execute(mariadb, query, visit, context);
	if (result != DONE)
		*failure_r =
			store_mariadb_failed(mariadb, *query->slot, began_ms);
	return result;
}

enum err store_mariadb_select(struct mariadb_store *mariadb,
			      const struct store_mariadb_query *query,
			      store_visit_fn *visit, void *context)
{
	enum store_mariadb_failure failure = FAILURE_UNKNOWN;

	/* A connection that was cut meanwhile gets one more try. */
	for (int tries = 0; tries < 2; tries++) {
		enum result result;

		if (store_mariadb_connect(mariadb, true) != ERR_OK)
			return ERR_DATABASE_UNAVAILABLE;
		result = run(mariadb, query, visit, context, &failure);
		if (result == DONE) {
			mariadb->refusal = 0;
			return ERR_OK;
		}
		if (result == FAILED_WITHOUT_MEMORY)
			return ERR_OUT_OF_MEMORY;
		if (result == FAILED_MIDWAY ||
		    !store_mariadb_may_read_again(failure))
			break;
	}
	return store_mariadb_read_error(failure);
}
