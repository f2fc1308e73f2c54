/* SPDX-License-Identifier: MIT */
#include "api/listing.h"

/*
 * How long a message is before it is known of any: what is read beyond the end
 * of a piece is read in vain. And how many to read at once at most.
 */
enum { ROW_BYTES_FIRST = 2 * 1024, ROWS_MAX = 8192 };

void listing_init(struct listing *listing, const struct filter *filter,
		  uint64_t left, bool ndjson, struct buf *body)
{
	*listing = (struct listing){
		.filter = *filter,
		.ndjson = ndjson,
		.left = left,
		.body = body,
	};
}

void listing_begin(struct listing *listing)
{
	if (!listing->ndjson)
		buf_append_char(listing->body, '[');
}

void listing_end(struct listing *listing)
{
	if (!listing->ndjson)
		buf_append_char(listing->body, ']');
}

void listing_append(struct listing *listing, const struct message *message)
{
	if (!listing->ndjson && listing->written > 0)
		buf_append_char(listing->body, ',');
	message_append_json(listing->body, message);
	if (listing->ndjson)
		buf_append_char(listing->body, '\n');
	listing->written++;
}

static void end_before(struct listing *listing, uint64_t id)
{
	filter_set_number(&listing->filter, FILTER_BEFORE, id);
}

static void move_cursor(struct listing *listing, uint64_t id)
{
	listing->last_id = id;
	filter_set_number(&listing->filter, filter_cursor(&listing->filter),
			  id);
}

static bool visit(const struct message *message, void *context)
{
	struct listing *listing = context;

	if (listing->left == 0) {
		listing->beyond = true;
		return false;
	}
	if (listing->body->length >= listing->piece_bytes) {
		listing->full = true;
		return false;
	}
	listing_append(listing, message);
	move_cursor(listing, message->id);
	if (listing->left != LISTING_ALL)
		listing->left--;
	return true;
}

/* How many to read, for what there is still room for in the piece. */
static uint64_t rows_to_fill(const struct listing *listing)
{
	size_t length = listing->body->length;
	size_t row_bytes =
		listing->row_bytes > 0 ? listing->row_bytes : ROW_BYTES_FIRST;
	uint64_t rows = 1;

	if (length < listing->piece_bytes)
		rows += (listing->piece_bytes - length) / row_bytes;
	return rows < ROWS_MAX ? rows : ROWS_MAX;
}

static enum err read_rows(struct listing *listing, struct store *store,
			  uint64_t rows, uint64_t *read_r)
{
	uint64_t before = listing->written;
	size_t before_bytes = listing->body->length;
	enum err err = ERR_OUT_OF_MEMORY;

	filter_set_number(&listing->filter, FILTER_LIMIT, rows);
	listing->full = false;
	if (store != NULL)
		err = store_read(store, &listing->filter, visit, listing);
	*read_r = listing->written - before;
	if (*read_r > 0)
		listing->row_bytes =
			(listing->body->length - before_bytes) / *read_r + 1;
	return err;
}

/* Reads on until the body is full or there are so many more. */
static enum err read_up_to(struct listing *listing, struct store *store,
			   uint64_t rows)
{
	uint64_t at_once;
	uint64_t read;
	enum err err;

	for (;;) {
		at_once = rows_to_fill(listing);
		if (at_once > rows)
			at_once = rows;
		err = read_rows(listing, store, at_once, &read);
		rows -= read;
		if (err != ERR_OK || read < at_once || rows == 0)
			return err;
	}
}

static bool keep_id(const struct message *message, void *context)
{
	uint64_t *id = context;

	*id = message->id;
	return false;
}

/*
 * An answer is complete below an ID that an earlier read has seen, and only
 * there (see store.h); and a stream without an end would go on for as long as
 * others write faster than it is read.
 */
enum err listing_find_end(struct listing *listing, struct store *store,
			  bool *none_r)
{
	struct filter newest = listing->filter;
	uint64_t newest_id = 0;
	enum err err;

	filter_set_number(&newest, FILTER_ORDER, FILTER_DESCENDING);
	filter_set_number(&newest, FILTER_LIMIT, 1);
	newest.ids_only = true;
	err = store == NULL ? ERR_OUT_OF_MEMORY
			    : store_read(store, &newest, keep_id, &newest_id);
	end_before(listing, newest_id + 1);
	*none_r = newest_id == 0;
	return err;
}

static bool count_on(const struct message *message, void *context)
{
	struct listing *listing = context;

	if (listing->left == 0) {
		listing->beyond = true;
		return false;
	}
	listing->last_id = message->id;
	listing->left--;
	return true;
}

/*
 * The page is too long to be sent whole, but its Link has to go ahead of it:
 * looks, by IDs alone, where it will end and whether more remain.
 */
static enum err look_ahead(struct listing *listing, struct store *store)
{
	struct listing ahead = *listing;
	enum err err;

	ahead.filter.ids_only = true;
	filter_set_number(&ahead.filter, FILTER_LIMIT, listing->left + 1);
	err = store_read(store, &ahead.filter, count_on, &ahead);
	listing->last_id = ahead.last_id;
	listing->beyond = ahead.beyond;
	return err;
}

/*
 * Reads a page upwards without looking for its end before, which is enough for
 * whoever reads what has long been there: *done_r. If not, the page is to be
 * read once more, up to where this read has seen it.
 */
static enum err read_at_once(struct listing *listing, struct store *store,
			     bool *done_r)
{
	uint64_t seen_id = store == NULL ? 0 : store_seen_id(store);
	size_t start_bytes = listing->body->length;
	struct listing tried = *listing;
	enum err err = read_up_to(&tried, store, listing->left + 1);

	*done_r = !tried.full && tried.last_id <= seen_id;
	if (*done_r)
		*listing = tried;
	if (err != ERR_OK || *done_r)
		return err;
	listing->body->length = start_bytes;
	listing->row_bytes = tried.row_bytes;
	if (tried.full)
		return listing_find_end(listing, store, done_r);
	listing->beyond = tried.beyond;
	end_before(listing, tried.last_id + 1);
	return ERR_OK;
}

enum err listing_read_page(struct listing *listing, struct store *store)
{
	bool done;
	enum err err = filter_has(&listing->filter, FILTER_ORDER)
			       ? listing_find_end(listing, store, &done)
			       : read_at_once(listing, store, &done);

	if (err != ERR_OK || done)
		return err;
	err = read_up_to(listing, store, listing->left + 1);
	if (err == ERR_OK && listing->full)
		err = look_ahead(listing, store);
	return err;
}

enum err listing_read_piece(struct listing *listing, struct store *store,
			    bool *more_r)
{
	uint64_t rows = rows_to_fill(listing);
	uint64_t read;
	enum err err;

	if (rows > listing->left)
		rows = listing->left;
	err = read_rows(listing, store, rows, &read);
	if (err != ERR_OK)
		return err;
	*more_r = listing->left > 0 && (listing->full || read == rows);
	if (!*more_r)
		listing_end(listing);
	return ERR_OK;
}
