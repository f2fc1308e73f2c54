/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/listing.h"
#include "api/query.h"
#include "system/log.h"
#include "inbox/reader.h"

struct get {
	struct query query;
	struct reader reader;
	const struct listing *listing;
	struct lookup lookup; /* for one message by its ID */
	struct exchange *exchange;
};

static void get_free(void *state)
{
	struct get *get = state;

	query_deinit(&get->query);
	free(get);
}

/* Reads one piece; *outcome_r is what to do with it. */
static enum err read_piece(struct exchange *exchange, struct store *store,
			   enum exchange_outcome *outcome_r)
{
	struct get *get = exchange->state;
	bool more = false;
	enum err err;

	get->reader.piece_bytes = exchange->piece_bytes(exchange);
	err = reader_read_piece(&get->reader, store, &more);
	if (err == ERR_OK && !more)
		buf_append_text(&exchange->response.body, get->listing->end);
	*outcome_r = more ? EXCHANGE_MORE : EXCHANGE_DONE;
	return err;
}

/* The steps that follow the first piece: one piece each. */
static enum exchange_outcome next_piece(struct exchange *exchange,
					struct store *store)
{
	const struct get *get = exchange->state;
	enum exchange_outcome outcome;
	enum err err = read_piece(exchange, store, &outcome);

	if (err == ERR_OK)
		return outcome;
	log_event(LOG_ERROR, "listing_cut", exchange->request.id,
		  "after %llu messages: %s",
		  (unsigned long long)get->reader.written, err_code(err));
	return EXCHANGE_BROKEN;
}

/*
 * One page, or NDJSON with a limit. Up to the size of a piece it is sent whole,
 * with its Content-Length. A longer one is streamed in pieces of about that
 * size: the memory it takes does not depend on how much there is to tell.
 */
static enum exchange_outcome first_of_page(struct exchange *exchange,
					   struct store *store)
{
	struct get *get = exchange->state;
	struct reader *reader = &get->reader;
	struct http_response *response = &exchange->response;
	enum err err;

	reader->piece_bytes = exchange->piece_bytes(exchange);
	buf_append_text(&response->body, get->listing->begin);
	err = reader_read_page(reader, store);
	if (err != ERR_OK)
		return answer_error(exchange, err);
	if (reader->has_next)
		query_append_next(&response->headers, &get->query,
				  reader->last_id);
	if (reader->full) {
		exchange->step = next_piece;
		return EXCHANGE_MORE;
	}
	buf_append_text(&response->body, get->listing->end);
	return EXCHANGE_DONE;
}

/* All messages that are there now, as NDJSON. */
static enum exchange_outcome first_of_stream(struct exchange *exchange,
					     struct store *store)
{
	struct get *get = exchange->state;
	enum exchange_outcome outcome = EXCHANGE_DONE;
	bool none;
	enum err err = reader_find_end(&get->reader, store, &none);

	exchange->step = next_piece;
	if (err == ERR_OK && !none)
		err = read_piece(exchange, store, &outcome);
	return err == ERR_OK ? outcome : answer_error(exchange, err);
}

static struct get *get_of(struct lookup *lookup)
{
	return (struct get *)((char *)lookup - offsetof(struct get, lookup));
}

static void found(struct lookup *lookup, const struct message *message)
{
	const struct get *get = get_of(lookup);

	get->listing->write(&get->exchange->response.body, message, true);
}

static void looked_up(struct lookup *lookup)
{
	struct exchange *exchange = get_of(lookup)->exchange;

	exchange->resume(exchange);
}

static enum exchange_outcome end_of_lookup(struct exchange *exchange,
					   struct store *store)
{
	const struct get *get = exchange->state;

	(void)store;
	if (get->lookup.err != ERR_OK)
		return answer_error(exchange, get->lookup.err);
	buf_append_text(&exchange->response.body, get->listing->end);
	return EXCHANGE_DONE;
}

/* What asks for one message by its ID alone shares a statement with others. */
static bool is_lookup(const struct filter *filter)
{
	return (filter->given & FILTER_CONDITIONS) == FILTER_BIT(FILTER_ID);
}

static enum exchange_outcome look_up(struct exchange *exchange, struct get *get)
{
	enum err err;

	get->exchange = exchange;
	get->lookup.id = get->query.filter.values[FILTER_ID].number;
	get->lookup.found = found;
	get->lookup.done = looked_up;
	buf_append_text(&exchange->response.body, get->listing->begin);
	exchange->step = end_of_lookup;
	err = finder_submit(exchange->service->finder, &get->lookup);
	return err == ERR_OK ? EXCHANGE_WAIT : answer_error(exchange, err);
}

/*
 * GET /api/message: 200 and the messages that the parameters name: a page as a
 * JSON array, with Link (or Continue-After) where more remain; with Accept:
 * application/x-ndjson every match, one a line. 400 for a parameter that is
 * none, 503 while the database is away.
 */
enum exchange_outcome handle_message_get(struct exchange *exchange,
					 struct store *store)
{
	bool ndjson = http_accepts(exchange->request.accept,
				   SPAN("application/x-ndjson"));
	struct get *get = calloc(1, sizeof(*get));
	struct problem problem;
	uint64_t limit;
	enum err err;

	(void)store;
	if (get == NULL)
		return answer_error(exchange, ERR_OUT_OF_MEMORY);
	query_init(&get->query);
	exchange->state = get;
	exchange->free_state = get_free;

	problem_init(&problem);
	err = query_parse(&get->query, exchange->request.query, &problem);
	if (err == ERR_OUT_OF_MEMORY)
		return answer_error(exchange, err);
	if (err != ERR_OK)
		return answer_problem(exchange, &problem);

	limit = ndjson ? READER_ALL : QUERY_LIMIT_DEFAULT;
	if (filter_has(&get->query.filter, FILTER_LIMIT))
		limit = get->query.filter.values[FILTER_LIMIT].number;
	get->listing = ndjson ? &listing_ndjson : &listing_json;
	reader_init(&get->reader, &get->query.filter, limit,
		    get->listing->write, &exchange->response.body);
	exchange->response.content_type = get->listing->content_type;
	if (is_lookup(&get->query.filter))
		return look_up(exchange, get);
	exchange->place = EXCHANGE_IN_WORKER;
	exchange->step = limit == READER_ALL ? first_of_stream : first_of_page;
	return EXCHANGE_NEXT;
}
