/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_LISTING_H
#define BUZON_API_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "inbox/store.h"

/*
 * Messages from the store into the body of an answer: a page, or piece by piece
 * as many as there are. A JSON array, or one message a line (NDJSON).
 *
 * A store that is NULL is ERR_OUT_OF_MEMORY; other errors are those of
 * store_read(). For one thread at a time.
 */

/* All messages, of which there may be any number. */
#define LISTING_ALL UINT64_MAX

/*
 * One listing on its way. filter is what is still to be read: its cursor moves
 * on with each message that went into the body. (The database is asked anew
 * for each piece; nothing is held open between two of them.)
 */
struct listing {
	struct filter filter;
	bool ndjson;
	uint64_t left; /* messages that may still follow, or LISTING_ALL */
	uint64_t written;
	uint64_t last_id; /* the page's, also where it is not yet read to it */
	struct buf *body;
	size_t piece_bytes; /* the body's size; set before each read */
	bool full;          /* the body has it, and there is more */
	bool beyond; /* a message after the last one that may follow was seen */
	size_t row_bytes; /* of one in the body, of late; 0: not known yet */
};

/*
 * filter: its texts outlive the listing, its limit is not looked at. left: how
 * many messages at most, or LISTING_ALL. body: where they go.
 */
void listing_init(struct listing *listing, const struct filter *filter,
		  uint64_t left, bool ndjson, struct buf *body);

/* What stands before and behind the messages. */
void listing_begin(struct listing *listing);
void listing_end(struct listing *listing);

/* One message that is already there. */
void listing_append(struct listing *listing, const struct message *message);

/*
 * Reads a page after its beginning. last_id and beyond then tell of the whole
 * page; where full is set the rest of it is to be read in pieces.
 */
enum err listing_read_page(struct listing *listing,
			   struct store *store) MUST_CHECK;

/*
 * Has the listing end with the newest match that there is now. *none_r: there
 * is none.
 */
enum err listing_find_end(struct listing *listing, struct store *store,
			  bool *none_r) MUST_CHECK;

/* Reads one more piece into the empty body. *more_r: others follow. */
enum err listing_read_piece(struct listing *listing, struct store *store,
			    bool *more_r) MUST_CHECK;

#endif
