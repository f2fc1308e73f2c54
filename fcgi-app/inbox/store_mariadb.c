/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <stdlib.h>
#include <string.h>

#include "system/clock.h"

struct database *database_new(const struct settings *settings)
{
	struct database *database = calloc(1, sizeof(*database));

	if (database == NULL)
		return NULL;
	if (mysql_library_init(0, NULL, NULL) != 0) {
		free(database);
		return NULL;
	}
	database->settings = settings;
	return database;
}

void database_free(struct database **database)
{
	if (*database == NULL)
		return;
	mysql_library_end();
	free(*database);
	*database = NULL;
}

void database_watch(struct database *database, void (*on_away)(void *context),
		    void *context)
{
	database->on_away_context = context;
	atomic_store(&database->on_away, on_away);
}

/*
 * Asks a table of ours, so that a database that was never migrated does not
 * pass for a good one. (In newer servers read_only has names for values.)
 */
static const char sql_ask[] = "SELECT @@GLOBAL.read_only IN ('0', 'OFF') "
			      "FROM append_lock WHERE id = 1";

/* Whether the server is read only, by the one row that it answered. */
static enum err take_answer(MYSQL_RES *result)
{
	MYSQL_ROW row = mysql_fetch_row(result);

	return row != NULL && row[0] != NULL && strcmp(row[0], "1") == 0
		       ? ERR_OK
		       : ERR_DATABASE_REFUSES;
}

static enum err ask(struct mariadb_store *mariadb)
{
	int64_t began_ms = clock_now_ms();
	MYSQL_RES *result = NULL;
	enum err err;

	if (mysql_query(mariadb->connection, sql_ask) == 0)
		result = mysql_store_result(mariadb->connection);
	if (result == NULL)
		return store_mariadb_read_error(
			store_mariadb_failed(mariadb, NULL, began_ms));
	err = take_answer(result);
	mysql_free_result(result);
	mariadb->refusal = 0;
	return err;
}

/* A database that refuses is there: whoever wants what it does gets it. */
static enum err ping(struct store *store)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	bool was_open = mariadb->connection != NULL;
	enum err err = store_mariadb_connect(mariadb, false);

	if (err != ERR_OK)
		return err;
	err = ask(mariadb);
	/* An old connection may have been cut while the database is well. */
	if (err == ERR_DATABASE_UNAVAILABLE && was_open &&
	    mariadb->connection == NULL &&
	    store_mariadb_connect(mariadb, false) == ERR_OK)
		err = ask(mariadb);
	if (err == ERR_DATABASE_UNAVAILABLE)
		store_mariadb_set_away(mariadb);
	else
		store_mariadb_set_here(mariadb);
	return err;
}

static void close_store(struct store *store)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;

	store_mariadb_disconnect(mariadb);
	buf_deinit(&mariadb->sql);
	free(mariadb->parameters);
	free(mariadb);
	mysql_thread_end();
}

static const struct store_operations operations = {
	.append_size = store_mariadb_append_size,
	.append_rows = store_mariadb_append,
	.read = store_mariadb_read,
	.find = store_mariadb_find,
	.find_start = store_mariadb_find_start,
	.find_continue = store_mariadb_find_continue,
	.ping = ping,
	.close = close_store,
};

struct store *store_mariadb_open(void *database)
{
	struct mariadb_store *mariadb = calloc(1, sizeof(*mariadb));

	if (mariadb == NULL)
		return NULL;
	if (mysql_thread_init() != 0) {
		free(mariadb);
		return NULL;
	}
	mariadb->store.operations = &operations;
	mariadb->database = database;
	buf_init(&mariadb->sql, 64 * 1024);
	return &mariadb->store;
}
