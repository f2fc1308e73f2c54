/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/query.h"
#include "base/log.h"
#include "inbox/message.h"

enum {
	/*
	 * An answer up to this size is sent whole, with its Content-Length. A
	 * longer one is streamed in pieces of about this size, so that the
	 * memory it takes does not depend on how much there is to tell.
	 */
	PIECE_BYTES = 256 * 1024,
	/* Messages read at once: few at first, more while they are short. */
	ROWS_FIRST = 128,
	ROWS_MAX = 8192,
};

/*
 * A listing on its way. filter is what is still to be read: its cursor moves
 * on with each message that went into the body. (The database is asked anew
 * for each piece; nothing is held open between two of them.)
 */
struct listing {
	struct query query;
	struct store_filter filter;
	bool ndjson;
	uint64_t left; /* messages that may still follow; UINT64_MAX: all */
	uint64_t written;
	uint64_t last_id;
	uint64_t rows; /* how many to read at once */
	struct buf *body;
	bool full;   /* the body has its size, and there is more */
	bool beyond; /* a message after the last one that may follow was seen */
	struct lookup lookup; /* for one message by its ID */
	struct exchange *exchange;
};

static void listing_free(void *state)
{
	struct listing *listing = state;

	query_deinit(&listing->query);
	free(listing);
}

static void append_message(struct listing *listing,
			   const struct message *message)
{
	if (!listing->ndjson && listing->written > 0)
		buf_append_char(listing->body, ',');
	message_append_json(listing->body, message);
	if (listing->ndjson)
		buf_append_char(listing->body, '\n');
}

static void move_cursor(struct listing *listing, uint64_t id)
{
	struct store_filter *filter = &listing->filter;

	listing->last_id = id;
	if (filter->order == STORE_DESCENDING) {
		filter->has_before = true;
		filter->before = id;
	} else {
		filter->has_after = true;
		filter->after = id;
	}
}

static bool visit(const struct message *message, void *context)
{
	struct listing *listing = context;

	if (listing->left == 0) {
		listing->beyond = true;
		return false;
	}
	if (listing->body->length >= PIECE_BYTES) {
		listing->full = true;
		return false;
	}
	append_message(listing, message);
	move_cursor(listing, message->id);
	listing->written++;
	if (listing->left != UINT64_MAX)
		listing->left--;
	return true;
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

static void begin_array(struct listing *listing)
{
	if (!listing->ndjson)
		buf_append_char(listing->body, '[');
}

static void end_array(struct listing *listing)
{
	if (!listing->ndjson)
		buf_append_char(listing->body, ']');
}

static void append_link(struct exchange *exchange,
			const struct listing *listing)
{
	if (listing->beyond)
		query_append_link(&exchange->response.headers, &listing->query,
				  listing->last_id);
}

static bool keep_id(const struct message *message, void *context)
{
	uint64_t *id = context;

	*id = message->id;
	return false;
}

/*
 * Reads up to the newest match that there is now, and no further. An answer is
 * complete below an ID that an earlier read has seen, and only there (see
 * store.h); and a stream without an end would go on for as long as others write
 * faster than it is read. *none_r: there is no match.
 */
static enum err find_end(struct listing *listing, struct store *store,
			 bool *none_r)
{
	struct store_filter newest = listing->filter;
	uint64_t newest_id = 0;
	enum err err;

	newest.order = STORE_DESCENDING;
	newest.limit = 1;
	newest.ids_only = true;
	err = store == NULL ? ERR_OUT_OF_MEMORY
			    : store_read(store, &newest, keep_id, &newest_id);
	listing->filter.has_before = true;
	listing->filter.before = newest_id + 1;
	*none_r = newest_id == 0;
	return err;
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
	ahead.filter.limit = listing->left + 1;
	err = store_read(store, &ahead.filter, count_on, &ahead);
	listing->last_id = ahead.last_id;
	listing->beyond = ahead.beyond;
	return err;
}

/* Reads one piece; *outcome_r is what to do with it. */
static enum err read_piece(struct exchange *exchange, struct store *store,
			   enum exchange_outcome *outcome_r)
{
	struct listing *listing = exchange->state;
	uint64_t rows = listing->rows;
	uint64_t written = listing->written;
	enum err err;

	if (rows > listing->left)
		rows = listing->left;
	listing->body = &exchange->response.body;
	listing->filter.limit = rows;
	listing->full = false;
	err = store == NULL
		      ? ERR_OUT_OF_MEMORY
		      : store_read(store, &listing->filter, visit, listing);
	if (err != ERR_OK)
		return err;
	written = listing->written - written;
	if (listing->full)
		listing->rows = written;
	else if (listing->body->length < PIECE_BYTES / 2 && rows < ROWS_MAX)
		listing->rows = 2 * listing->rows;
	*outcome_r = EXCHANGE_MORE;
	if (listing->left == 0 || (!listing->full && written < rows)) {
		end_array(listing);
		*outcome_r = EXCHANGE_DONE;
	}
	return ERR_OK;
}

/* The steps that follow the first piece: one piece each. */
static enum exchange_outcome next_piece(struct exchange *exchange,
					struct store *store)
{
	const struct listing *listing = exchange->state;
	enum exchange_outcome outcome;
	enum err err = read_piece(exchange, store, &outcome);

	if (err == ERR_OK)
		return outcome;
	log_event(LOG_ERROR, "listing_cut", exchange->request.id,
		  "after %llu messages: %s",
		  (unsigned long long)listing->written, err_code(err));
	return EXCHANGE_BROKEN;
}

static enum err read_page(struct listing *listing, struct store *store)
{
	bool none;
	enum err err = find_end(listing, store, &none);

	if (err != ERR_OK || none)
		return err;
	listing->filter.limit = listing->left + 1;
	err = store_read(store, &listing->filter, visit, listing);
	if (err == ERR_OK && listing->full)
		err = look_ahead(listing, store);
	return err;
}

/* One page, or NDJSON with a limit. */
static enum exchange_outcome first_of_page(struct exchange *exchange,
					   struct store *store)
{
	struct listing *listing = exchange->state;
	enum err err;

	listing->body = &exchange->response.body;
	begin_array(listing);
	err = read_page(listing, store);
	if (err != ERR_OK)
		return answer_error(exchange, err);
	append_link(exchange, listing);
	if (listing->full) {
		exchange->step = next_piece;
		return EXCHANGE_MORE;
	}
	end_array(listing);
	return EXCHANGE_DONE;
}

static struct listing *listing_of(struct lookup *lookup)
{
	return (struct listing *)((char *)lookup -
				  offsetof(struct listing, lookup));
}

static void found(struct lookup *lookup, const struct message *message)
{
	append_message(listing_of(lookup), message);
}

static void looked_up(struct lookup *lookup)
{
	struct exchange *exchange = listing_of(lookup)->exchange;

	exchange->resume(exchange);
}

static enum exchange_outcome end_of_lookup(struct exchange *exchange,
					   struct store *store)
{
	struct listing *listing = exchange->state;

	(void)store;
	if (listing->lookup.err != ERR_OK)
		return answer_error(exchange, listing->lookup.err);
	end_array(listing);
	return EXCHANGE_DONE;
}

/* What asks for one message by its ID alone shares a statement with others. */
static bool is_lookup(const struct store_filter *filter)
{
	return filter->has_id && !filter->has_from && !filter->has_content &&
	       !filter->has_after && !filter->has_before;
}

static enum exchange_outcome look_up(struct exchange *exchange,
				     struct listing *listing)
{
	enum err err;

	listing->exchange = exchange;
	listing->body = &exchange->response.body;
	listing->lookup.id = listing->filter.id;
	listing->lookup.found = found;
	listing->lookup.done = looked_up;
	begin_array(listing);
	exchange->step = end_of_lookup;
	err = finder_submit(exchange->service->finder, &listing->lookup);
	return err == ERR_OK ? EXCHANGE_WAIT : answer_error(exchange, err);
}

/* All messages that are there now, as NDJSON. */
static enum exchange_outcome first_of_stream(struct exchange *exchange,
					     struct store *store)
{
	enum exchange_outcome outcome = EXCHANGE_DONE;
	bool none;
	enum err err = find_end(exchange->state, store, &none);

	exchange->step = next_piece;
	if (err == ERR_OK && !none)
		err = read_piece(exchange, store, &outcome);
	return err == ERR_OK ? outcome : answer_error(exchange, err);
}

static bool wants_ndjson(const struct http_request *request)
{
	return http_accepts(request->accept, SPAN("application/x-ndjson"));
}

/*
 * GET /api/message: 200 and the messages that the parameters name: a page as a
 * JSON array, with Link where more remain; with Accept: application/x-ndjson
 * every match, one a line. 400 for a parameter that is none, 503 while the
 * database is away.
 */
enum exchange_outcome handle_message_get(struct exchange *exchange,
					 struct store *store)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	struct problem problem;
	enum err err;

	(void)store;
	if (listing == NULL)
		return answer_error(exchange, ERR_OUT_OF_MEMORY);
	query_init(&listing->query);
	exchange->state = listing;
	exchange->free_state = listing_free;

	problem_init(&problem);
	err = query_parse(&listing->query, exchange->request.query, &problem);
	if (err == ERR_OUT_OF_MEMORY)
		return answer_error(exchange, err);
	if (err != ERR_OK)
		return answer_problem(exchange, &problem);

	listing->filter = listing->query.filter;
	listing->ndjson = wants_ndjson(&exchange->request);
	listing->left = listing->filter.limit > 0 ? listing->filter.limit
			: listing->ndjson         ? UINT64_MAX
						  : QUERY_LIMIT_DEFAULT;
	listing->rows = ROWS_FIRST;
	exchange->response.content_type =
		listing->ndjson ? "application/x-ndjson" : "application/json";
	if (is_lookup(&listing->filter))
		return look_up(exchange, listing);
	exchange->place = EXCHANGE_IN_WORKER;
	exchange->step =
		listing->left == UINT64_MAX ? first_of_stream : first_of_page;
	return EXCHANGE_NEXT;
}
