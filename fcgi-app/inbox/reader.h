/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_READER_H
#define BUZON_INBOX_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "inbox/store.h"

/*
 * Reads messages completely into a buffer: a page, or piece by piece as many as
 * there are. One read of the store may miss a message and see a later one (see
 * store_read()); what a reader has read has no gap up to its last message.
 *
 * A store that is NULL is ERR_OUT_OF_MEMORY; other errors are those of
 * store_read(). For one thread at a time.
 */

/* All messages, of which there may be any number. */
#define READER_ALL UINT64_MAX

/* Appends a message; first: it is the first of all that the reader writes. */
typedef void reader_write_fn(struct buf *out, const struct message *message,
			     bool first);

/*
 * One reading on its way. filter is what is still to be read: its cursor moves
 * on with each message that is written. (The database is asked anew for each
 * piece; nothing is held open between two of them.)
 */
struct reader {
	struct filter filter;
	uint64_t left; /* messages that may still follow, or READER_ALL */
	uint64_t written;
	uint64_t last_id; /* of the page, also before its rest is read */
	reader_write_fn *write;
	struct buf *out;
	size_t piece_bytes; /* how long out may get; set before each read */
	bool full;          /* out reached piece_bytes, and messages are left */
	bool has_next;      /* messages match beyond the page */
	size_t row_bytes;   /* of a message, in the last read; 0: none yet */
};

/*
 * filter: its texts outlive the reader, its limit is not looked at. left: how
 * many messages at most, or READER_ALL. out: where they go; borrowed.
 */
void reader_init(struct reader *reader, const struct filter *filter,
		 uint64_t left, reader_write_fn *write, struct buf *out);

/*
 * Reads a page, of `left` messages at most. last_id and has_next then tell of
 * the whole page; where full is set, the rest of it is to be read in pieces.
 */
enum err reader_read_page(struct reader *reader,
			  struct store *store) MUST_CHECK;

/*
 * Has the reading end with the newest match that there is now. *none_r: there
 * is none. Pieces are complete only after this, or after a page.
 */
enum err reader_find_end(struct reader *reader, struct store *store,
			 bool *none_r) MUST_CHECK;

/* Reads one more piece into out, which is empty. *more_r: others follow. */
enum err reader_read_piece(struct reader *reader, struct store *store,
			   bool *more_r) MUST_CHECK;

#endif
