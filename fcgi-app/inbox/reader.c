/* SPDX-License-Identifier: MIT */
#include "inbox/reader.h"

enum {
	/*
	 * A guess at a message's length, until some have been read. Rows that
	 * do not fit into the piece are fetched in vain.
	 */
	ROW_BYTES_FIRST = 2 * 1024,
	ROWS_MAX = 8192, /* of one read of the store */
};

void reader_init(struct reader *reader, const struct filter *filter,
		 uint64_t left, reader_write_fn *write, struct buf *out)
{
	*reader = (struct reader){
		.filter = *filter,
		.left = left,
		.write = write,
		.out = out,
	};
}

/*
 * As store_read(); rows: how many at most. filter is a copy, since visits move
 * the cursor of the reader's own.
 */
static enum err read_store(struct store *store, struct filter filter,
			   uint64_t rows, store_visit_fn *visit, void *context)
{
	if (store == NULL)
		return ERR_OUT_OF_MEMORY;
	filter_set_number(&filter, FILTER_LIMIT, rows);
	return store_read(store, &filter, visit, context);
}

static void end_with(struct reader *reader, uint64_t id)
{
	filter_set_number(&reader->filter, FILTER_BEFORE, id + 1);
}

static bool take_message(const struct message *message, void *context)
{
	struct reader *reader = context;

	if (reader->left == 0) {
		reader->has_next = true;
		return false;
	}
	if (reader->out->length >= reader->piece_bytes) {
		reader->full = true;
		return false;
	}
	reader->write(reader->out, message, reader->written == 0);
	reader->written++;
	reader->last_id = message->id;
	filter_set_number(&reader->filter, filter_cursor(&reader->filter),
			  message->id);
	if (reader->left != READER_ALL)
		reader->left--;
	return true;
}

/* How many messages out has room for, at least 1, by the length of the last. */
static uint64_t rows_to_fill(const struct reader *reader)
{
	size_t length = reader->out->length;
	size_t row_bytes =
		reader->row_bytes > 0 ? reader->row_bytes : ROW_BYTES_FIRST;
	uint64_t rows = 1;

	if (length < reader->piece_bytes)
		rows += (reader->piece_bytes - length) / row_bytes;
	return rows < ROWS_MAX ? rows : ROWS_MAX;
}

static enum err read_rows(struct reader *reader, struct store *store,
			  uint64_t rows, uint64_t *read_r)
{
	uint64_t written = reader->written;
	size_t length = reader->out->length;
	enum err err;

	reader->full = false;
	err = read_store(store, reader->filter, rows, take_message, reader);
	*read_r = reader->written - written;
	if (*read_r > 0)
		reader->row_bytes =
			(reader->out->length - length) / *read_r + 1;
	return err;
}

/* Reads until out is full, `rows` messages are read, or no more match. */
static enum err read_up_to(struct reader *reader, struct store *store,
			   uint64_t rows)
{
	uint64_t at_once;
	uint64_t read;
	enum err err;

	for (;;) {
		at_once = rows_to_fill(reader);
		if (at_once > rows)
			at_once = rows;
		err = read_rows(reader, store, at_once, &read);
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
 * The end makes the reading complete, and finite: without one it would last for
 * as long as others write faster than it is read.
 */
enum err reader_find_end(struct reader *reader, struct store *store,
			 bool *none_r)
{
	struct filter newest = reader->filter;
	uint64_t newest_id = 0;
	enum err err;

	filter_set_number(&newest, FILTER_ORDER, FILTER_DESCENDING);
	newest.ids_only = true;
	err = read_store(store, newest, 1, keep_id, &newest_id);
	end_with(reader, newest_id);
	*none_r = newest_id == 0;
	return err;
}

static void write_nothing(struct buf *out, const struct message *message,
			  bool first)
{
	(void)out;
	(void)message;
	(void)first;
}

/*
 * The head of an answer goes ahead of a page that is sent in pieces, and tells
 * where the page ends. This reads the rest of it for that, by IDs alone.
 */
static enum err look_ahead(struct reader *reader, struct store *store)
{
	struct reader ahead = *reader;
	enum err err;

	ahead.write = write_nothing;
	ahead.piece_bytes = SIZE_MAX;
	ahead.filter.ids_only = true;
	err = read_store(store, ahead.filter, ahead.left + 1, take_message,
			 &ahead);
	reader->last_id = ahead.last_id;
	reader->has_next = ahead.has_next;
	return err;
}

/*
 * Reads a page upwards with no end set. It is complete (*done_r) if earlier
 * reads had seen its last message, or there is none. If not, it is taken back,
 * and the caller reads once more, up to what this read has seen.
 */
static enum err read_at_once(struct reader *reader, struct store *store,
			     bool *done_r)
{
	uint64_t seen_id = store == NULL ? 0 : store_seen_id(store);
	size_t length = reader->out->length;
	struct reader tried = *reader;
	enum err err = read_up_to(&tried, store, reader->left + 1);

	*done_r = !tried.full && tried.last_id <= seen_id;
	if (*done_r)
		*reader = tried;
	if (err != ERR_OK || *done_r)
		return err;
	reader->out->length = length;
	reader->row_bytes = tried.row_bytes;
	if (tried.full)
		return reader_find_end(reader, store, done_r);
	reader->has_next = tried.has_next;
	end_with(reader, tried.last_id);
	return ERR_OK;
}

enum err reader_read_page(struct reader *reader, struct store *store)
{
	bool descending = filter_has(&reader->filter, FILTER_ORDER);
	bool done;
	enum err err = descending ? reader_find_end(reader, store, &done)
				  : read_at_once(reader, store, &done);

	if (err != ERR_OK || done)
		return err;
	err = read_up_to(reader, store, reader->left + 1);
	if (err == ERR_OK && reader->full)
		err = look_ahead(reader, store);
	return err;
}

enum err reader_read_piece(struct reader *reader, struct store *store,
			   bool *more_r)
{
	uint64_t rows = rows_to_fill(reader);
	uint64_t read;
	enum err err;

	if (rows > reader->left)
		rows = reader->left;
	err = read_rows(reader, store, rows, &read);
	*more_r = reader->left > 0 && (reader->full || read == rows);
	return err;
}
