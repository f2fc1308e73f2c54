/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

/* One statement for each set of filters, order and columns. */
static size_t read_slot(const struct store_filter *filter)
{
	return (size_t)filter->has_from | (size_t)filter->has_content << 1 |
	       (size_t)filter->has_id << 2 | (size_t)filter->has_after << 3 |
	       (size_t)filter->has_before << 4 |
	       (size_t)(filter->order == STORE_DESCENDING) << 5 |
	       (size_t)filter->ids_only << 6;
}

/*
 * Named, because with ORDER BY and LIMIT the optimizer may prefer to walk the
 * whole table in the order of its IDs until it has met enough rows.
 */
static const char *index_for(const struct store_filter *filter)
{
	if (filter->has_id)
		return "PRIMARY";
	if (filter->has_from && filter->has_content)
		return "message_sender_content";
	if (filter->has_from)
		return "message_sender";
	if (filter->has_content)
		return "message_content";
	return "PRIMARY";
}

static void write_read(struct buf *sql, const void *what)
{
	const struct store_filter *filter = what;

	buf_appendf(sql, "SELECT %s FROM message FORCE INDEX (%s) WHERE TRUE",
		    filter->ids_only ? "id" : "id, sender, content, stored_at",
		    index_for(filter));
	if (filter->has_id)
		buf_append_text(sql, " AND id = ?");
	if (filter->has_from)
		buf_append_text(sql, " AND sender = ?");
	if (filter->has_content)
		buf_append_text(sql, " AND content_digest = "
				     "LEFT(UNHEX(SHA2(?, 256)), 16) "
				     "AND content = ?");
	if (filter->has_after)
		buf_append_text(sql, " AND id > ?");
	if (filter->has_before)
		buf_append_text(sql, " AND id < ?");
	buf_appendf(sql, " ORDER BY id %s LIMIT ?",
		    filter->order == STORE_DESCENDING ? "DESC" : "ASC");
}

/* In the order of write_read(). */
static void set_read(MYSQL_BIND *parameters, const void *what)
{
	static const uint64_t no_limit = INT64_MAX;
	const struct store_filter *filter = what;

	if (filter->has_id)
		store_mariadb_set_number(parameters++, &filter->id);
	if (filter->has_from)
		store_mariadb_set_text(parameters++, filter->from);
	if (filter->has_content) {
		store_mariadb_set_text(parameters++, filter->content);
		store_mariadb_set_text(parameters++, filter->content);
	}
	if (filter->has_after)
		store_mariadb_set_number(parameters++, &filter->after);
	if (filter->has_before)
		store_mariadb_set_number(parameters++, &filter->before);
	store_mariadb_set_number(parameters, filter->limit > 0 ? &filter->limit
							       : &no_limit);
}

enum err store_mariadb_read(struct store *store,
			    const struct store_filter *filter,
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
