/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

/* What each condition is in SQL, and how often its value stands there. */
static const struct {
	const char *sql;
	int parameters;
} conditions[FILTER_ORDER] = {
	[FILTER_FROM] = { " AND sender = ?", 1 },
	[FILTER_CONTENT] = { " AND content_digest = "
			     "LEFT(UNHEX(SHA2(?, 256)), 16) AND content = ?",
			     2 },
	[FILTER_ID] = { " AND id = ?", 1 },
	[FILTER_AFTER] = { " AND id > ?", 1 },
	[FILTER_BEFORE] = { " AND id < ?", 1 },
};

/*
 * The first index whose columns are all given is forced: with ORDER BY and
 * LIMIT the optimizer may prefer to walk the whole table in the order of its
 * IDs until it has met enough rows.
 */
static const struct {
	const char *name;
	unsigned columns;
} indexes[] = {
	{ "PRIMARY", FILTER_BIT(FILTER_ID) },
	{ "message_sender_content",
	  FILTER_BIT(FILTER_FROM) | FILTER_BIT(FILTER_CONTENT) },
	{ "message_sender", FILTER_BIT(FILTER_FROM) },
	{ "message_content", FILTER_BIT(FILTER_CONTENT) },
	{ "PRIMARY", 0 },
};

static const char *index_for(const struct filter *filter)
{
	size_t i = 0;

	while ((filter->given & indexes[i].columns) != indexes[i].columns)
		i++;
	return indexes[i].name;
}

/* One statement for each set of conditions, order and columns. */
static size_t read_slot(const struct filter *filter)
{
	return (filter->given & (FILTER_BIT(FILTER_LIMIT) - 1)) |
	       (filter->ids_only ? FILTER_BIT(FILTER_LIMIT) : 0);
}

static void write_read(struct buf *sql, const void *what)
{
	const struct filter *filter = what;

	buf_appendf(sql, "SELECT %s FROM message FORCE INDEX (%s) WHERE TRUE",
		    filter->ids_only ? "id" : "id, sender, content, stored_at",
		    index_for(filter));
	for (enum filter_key key = 0; key < FILTER_ORDER; key++) {
		if (filter_has(filter, key))
			buf_append_text(sql, conditions[key].sql);
	}
	buf_appendf(sql, " ORDER BY id %s LIMIT ?",
		    filter_has(filter, FILTER_ORDER) ? "DESC" : "ASC");
}

static void set_value(MYSQL_BIND *parameter, enum filter_key key,
		      const union filter_value *value)
{
	if (filter_parameters[key].kind == FILTER_TEXT)
		store_mariadb_set_text(parameter, value->text);
	else
		store_mariadb_set_number(parameter, &value->number);
}

/* In the order of write_read(). */
static void set_read(MYSQL_BIND *parameters, const void *what)
{
	static const uint64_t no_limit = INT64_MAX;
	const struct filter *filter = what;

	for (enum filter_key key = 0; key < FILTER_ORDER; key++) {
		int count = filter_has(filter, key) ? conditions[key].parameters
						    : 0;

		while (count-- > 0)
			set_value(parameters++, key, &filter->values[key]);
	}
	store_mariadb_set_number(parameters,
				 filter_has(filter, FILTER_LIMIT)
					 ? &filter->values[FILTER_LIMIT].number
					 : &no_limit);
}

enum err store_mariadb_read(struct store *store, const struct filter *filter,
			    store_visit_fn *visit, void *context)
{
	struct mariadb_store *mariadb = (struct mariadb_store *)store;
	struct store_mariadb_query query = {
		.slot = &mariadb->read_statements[read_slot(filter)],
		.write_sql = write_read,
		.set_parameters = set_read,
		.what = filter,
		.ids_only = filter->ids_only,
	};

	return store_mariadb_select(mariadb, &query, visit, context);
}
