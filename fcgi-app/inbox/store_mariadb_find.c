/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <assert.h>

#include "system/clock.h"

struct wanted {
	const uint64_t *ids;
	size_t count;
	size_t places; /* of the statement: the next power of two */
};

static void write_find(struct buf *sql, const void *what)
{
	const struct wanted *wanted = what;

	buf_append_text(sql, "SELECT id, sender, content, stored_at "
			     "FROM message WHERE id IN (?");
	for (size_t i = 1; i < wanted->places; i++)
		buf_append_text(sql, ", ?");
	buf_append_char(sql, ')');
}

/* Places that are left ask for the last ID again, which changes nothing. */
static void set_find(MYSQL_BIND *parameters, const void *what)
{
	const struct wanted *wanted = what;

	for (size_t i = 0; i < wanted->places; i++)
		store_mariadb_set_number(
			&parameters[i],
			&wanted->ids[i < wanted->count ? i
						       : wanted->count - 1]);
}

/* *wanted, which the query points to, has its ids and count. */
static struct store_mariadb_query query_of(struct mariadb_store *mariadb,
					   struct wanted *wanted)
{
	size_t slot = 0;

	assert(wanted->count >= 1 && wanted->count <= STORE_FIND_MAX);
	wanted->places = 1;
	for (; wanted->places < wanted->count; wanted->places *= 2)
		slot++;
	return (struct store_mariadb_query){
		.slot = &mariadb->find_statements[slot],
		.write_sql = write_find,
		.set_parameters = set_find,
		.what = wanted,
	};
}

enum err store_mariadb_find(struct store *store, const uint64_t *ids,
			    size_t count, store_visit_fn *visit, void *context)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	struct wanted wanted = { .ids = ids, .count = count };
	struct store_mariadb_query query = query_of(mariadb, &wanted);

	return store_mariadb_select(mariadb, &query, visit, context);
}

static enum store_progress set_wait(struct mariadb_store *mariadb, int events)
{
	MYSQL *connection = mariadb->connection;

	mariadb->store.wait = (struct store_wait){
		.fd = mysql_get_socket(connection),
		.for_room = (events & MYSQL_WAIT_WRITE) != 0,
		.until_ms =
			clock_now_ms() + mysql_get_timeout_value_ms(connection),
	};
	return STORE_WAITING;
}

/*
 * Before the first visit all of it can be done again, by store_find(), unless
 * the server has refused it.
 */
static enum store_progress fail_find(struct mariadb_store *mariadb,
				     enum err *err_r)
{
	const struct store_mariadb_find *find = &mariadb->find;
	enum store_mariadb_failure failure =
		store_mariadb_failed(mariadb, find->statement, find->began_ms);

	if (!find->visited && store_mariadb_may_read_again(failure))
		return STORE_WOULD_BLOCK;
	*err_r = store_mariadb_read_error(failure);
	return STORE_DONE;
}

/*
 * Executes, then fetches row by row, until libmariadb waits for events, or all
 * is over. events: what its last call waits for; 0: that call is over, and
 * find->rc is what it came to.
 */
static enum store_progress advance_find(struct mariadb_store *mariadb,
					int events, enum err *err_r)
{
	struct store_mariadb_find *find = &mariadb->find;

	while (events == 0 && find->rc == 0) {
		if (find->executed) {
			find->visited = true;
			(void)store_mariadb_visit_row(
				mariadb, false, find->visit, find->context);
		} else if (!store_mariadb_bind_row(find->statement,
						   &mariadb->row)) {
			break;
		}
		find->executed = true;
		events = mysql_stmt_fetch_start(&find->rc, find->statement);
	}
	if (events != 0)
		return set_wait(mariadb, events);
	store_mariadb_check_fit(mariadb, find->rc);
	if (!find->executed || find->rc != MYSQL_NO_DATA ||
	    mysql_stmt_free_result(find->statement) != 0)
		return fail_find(mariadb, err_r);
	mariadb->refusal = 0;
	*err_r = ERR_OK;
	return STORE_DONE;
}

enum store_progress store_mariadb_find_start(struct store *store,
					     const uint64_t *ids, size_t count,
					     store_visit_fn *visit,
					     void *context, enum err *err_r)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	struct wanted wanted = { .ids = ids, .count = count };
	struct store_mariadb_query query = query_of(mariadb, &wanted);
	struct store_mariadb_find *find = &mariadb->find;
	int events;

	*find = (struct store_mariadb_find){
		.statement = *query.slot,
		.began_ms = clock_now_ms(),
		.visit = visit,
		.context = context,
	};
	if (find->statement == NULL || !store_mariadb_ready(mariadb) ||
	    !store_mariadb_bind_query(find->statement, &query))
		return STORE_WOULD_BLOCK;
	/* The IDs are in what it sends, whenever that is sent. */
	events = mysql_stmt_execute_start(&find->rc, find->statement);
	return advance_find(mariadb, events, err_r);
}

enum store_progress store_mariadb_find_continue(struct store *store,
						bool expired, enum err *err_r)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	struct store_mariadb_find *find = &mariadb->find;
	int events = store->wait.for_room ? MYSQL_WAIT_WRITE : MYSQL_WAIT_READ;

	if (expired)
		events = MYSQL_WAIT_TIMEOUT;
	events = find->executed ? mysql_stmt_fetch_cont(&find->rc,
							find->statement, events)
				: mysql_stmt_execute_cont(
					  &find->rc, find->statement, events);
	return advance_find(mariadb, events, err_r);
}
