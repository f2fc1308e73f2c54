/* SPDX-License-Identifier: MIT */
#include "gate/conversation.h"

#include "api/answer.h"
#include "api/router.h"
#include "system/clock.h"
#include "system/log.h"
#include "gate/connections.h"
#include "gate/head.h"
#include "gate/parameters.h"

/* An answer's body at once; longer ones are sent in pieces of this at most. */
enum { BODY_MAX_BYTES = 2 * 1024 * 1024 };

static void free_exchange(struct connection *connection)
{
	struct exchange *exchange = &connection->exchange;
	struct spares *spares = &connection->owner->spares;

	if (exchange->free_state != NULL)
		exchange->free_state(exchange->state);
	exchange->state = NULL;
	exchange->free_state = NULL;
	spares_take(spares, &exchange->response.headers);
	spares_take(spares, &exchange->response.body);
	codec_request_free(&connection->request);
}

static void leave_waiting(struct connection *connection)
{
	if (!connection->waiting)
		return;
	TAILQ_REMOVE(&connection->owner->waiting, connection, waiting_link);
	connection->waiting = false;
}

void conversation_drop(struct connection *connection)
{
	leave_waiting(connection);
	if (connection->request != NULL)
		free_exchange(connection);
}

/* The list is ordered, and most deadlines are later than all before. */
static void wait(struct connection *connection)
{
	struct connection_list *waiting = &connection->owner->waiting;
	int64_t deadline_ms = connection->exchange.deadline_ms;
	struct connection *earlier = TAILQ_LAST(waiting, connection_list);

	if (deadline_ms == 0)
		return;
	while (earlier != NULL && earlier->exchange.deadline_ms > deadline_ms)
		earlier = TAILQ_PREV(earlier, connection_list, waiting_link);
	if (earlier == NULL)
		TAILQ_INSERT_HEAD(waiting, connection, waiting_link);
	else
		TAILQ_INSERT_AFTER(waiting, earlier, connection, waiting_link);
	connection->waiting = true;
}

static void finish(struct connection *connection)
{
	const struct exchange *exchange = &connection->exchange;

	connection->finished = true;
	if (connection->owner->log_requests) {
		log_request(&(struct log_request){
			.request_id = exchange->request.id,
			.method = exchange->request.method_name,
			.target = exchange->request.target,
			.status = exchange->response.status,
			.body_bytes = connection->body_bytes,
			.duration_us = clock_now_us() - connection->started_us,
		});
	}
	free_exchange(connection);
}

/*
 * Behind its last answer a kept connection is closed, and in that moment the
 * web server may put the next request on it: nginx then answers a POST with
 * 502. It keeps no connection on which a record has followed the end of an
 * answer; others would take that for part of the next one.
 */
static enum err encode_end(struct connection *connection)
{
	connection->last = !connection->intake.keep_connection ||
			   connection->owner->draining;
	if (!connection->last || !connection->intake.keep_connection ||
	    !parameters_from_nginx(codec_parameters(connection->request)))
		return ERR_OK;
	return codec_encode_surplus(connection->request, &connection->outbox);
}

/* Encodes what there is of the answer into the outbox. */
static enum err encode(struct connection *connection, bool last)
{
	struct http_response *response = &connection->exchange.response;
	struct spares *spares = &connection->owner->spares;
	struct buf head;
	struct span body = buf_span(&response->body);
	enum err err = buf_error(&response->body);

	if (err != ERR_OK)
		return err;
	buf_init(&head, 2 * HTTP_EXTRA_HEADERS_BYTES);
	spares_lend(spares, &head);
	spares_lend(spares, &connection->outbox);
	if (!connection->head_sent)
		head_append(&head, response, connection->exchange.request.id);
	if (connection->exchange.request.method == HTTP_HEAD)
		body.length = 0;
	err = buf_error(&head);
	if (err == ERR_OK)
		err = codec_encode(connection->request, buf_span(&head), body,
				   last, &connection->outbox);
	if (err == ERR_OK && last)
		err = encode_end(connection);
	spares_take(spares, &head);
	connection->body_bytes += body.length;
	return err;
}

static void cut(struct connection *connection, const char *why)
{
	log_event(LOG_ERROR, "answer_cut", connection->exchange.request.id,
		  "closed the connection in the middle of an answer: %s", why);
	connection->state = CONNECTION_ENDING;
}

/* What to answer where the answer itself could not be written. */
static enum err error_in_place(const struct exchange *exchange, enum err err)
{
	if (exchange->stored)
		return ERR_WRITE_UNCERTAIN;
	return err == ERR_OUT_OF_MEMORY ? err : ERR_INTERNAL;
}

static void answer(struct connection *connection, bool last)
{
	struct exchange *exchange = &connection->exchange;
	enum err err;

	if (connection->peer_gone) {
		connection->state = CONNECTION_ENDING;
		return;
	}
	if (!last)
		exchange->response.streamed = true;
	if (exchange->request.method == HTTP_HEAD)
		last = true;
	err = encode(connection, last);
	if (err != ERR_OK && !connection->head_sent) {
		log_event(LOG_ERROR, "answer_failed", exchange->request.id,
			  "an answer could not be written: %s", err_code(err));
		/* Nothing of it has been sent. */
		buf_clear(&connection->outbox);
		(void)answer_error(exchange, error_in_place(exchange, err));
		last = true;
		err = encode(connection, last);
	}
	if (err != ERR_OK) {
		cut(connection, err_code(err));
		return;
	}
	connection->head_sent = true;
	connection->active_ms = connection->owner->now_ms;
	connection->state = CONNECTION_SENDING;
	if (last)
		finish(connection);
	else /* many may be under way, and some for long */
		spares_take(&connection->owner->spares,
			    &exchange->response.body);
}

/* What a step came to. True where the next one is to follow at once. */
static bool take_outcome(struct connection *connection,
			 enum exchange_outcome outcome)
{
	switch (outcome) {
	case EXCHANGE_NEXT:
		return true;
	case EXCHANGE_WAIT:
		wait(connection);
		return false;
	case EXCHANGE_MORE:
		answer(connection, false);
		return false;
	case EXCHANGE_DONE:
		answer(connection, true);
		return false;
	case EXCHANGE_BROKEN:
		cut(connection, "the rest could not be read");
		return false;
	}
	return false;
}

static enum err submit(struct connection *connection)
{
	struct workers *workers = connection->owner->workers;

	if (!connection->head_sent)
		return workers_submit(workers, &connection->exchange);
	workers_continue(workers, &connection->exchange);
	return ERR_OK;
}

static void run(struct connection *connection)
{
	struct exchange *exchange = &connection->exchange;
	enum exchange_outcome outcome;

	connection->state = CONNECTION_BUSY;
	do {
		if (exchange->place == EXCHANGE_AT_GATE) {
			outcome = exchange->step(exchange, NULL);
		} else if (submit(connection) == ERR_OK) {
			return;
		} else {
			outcome = answer_error(exchange, ERR_OVERLOADED);
		}
	} while (take_outcome(connection, outcome));
}

void conversation_start(struct connection *connection)
{
	struct exchange *exchange = &connection->exchange;
	struct spares *spares = &connection->owner->spares;
	struct intake *intake = &connection->intake;

	connection->request =
		codec_decode(connection->owner->codec, intake->request_id,
			     buf_span(&intake->parameters));
	if (connection->request == NULL) {
		log_event(LOG_ERROR, "out_of_memory", NULL,
			  "closed a connection from the web server: no memory "
			  "for its request");
		connection->state = CONNECTION_ENDING;
		return;
	}
	connection->head_sent = false;
	connection->finished = false;
	connection->body_bytes = 0;
	connection->started_us =
		connection->owner->log_requests ? clock_now_us() : 0;

	*exchange = (struct exchange){
		.service = connection->owner->service,
		.resume = connections_resume,
		.piece_bytes = connections_piece_bytes,
	};
	parameters_to_request(codec_parameters(connection->request),
			      &exchange->request, &connection->path);
	exchange->request.body = buf_span(&intake->body);
	exchange->request.body_too_large = intake->body_too_large;
	exchange->request.headers_too_large = intake->parameters_too_large;
	http_response_init(&exchange->response, BODY_MAX_BYTES);
	spares_lend(spares, &exchange->response.headers);
	spares_lend(spares, &exchange->response.body);
	router_dispatch(exchange);
	run(connection);
}

void conversation_sent(struct connection *connection)
{
	struct spares *spares = &connection->owner->spares;

	if (!connection->finished) {
		run(connection);
		return;
	}
	if (connection->last) {
		connection->state = CONNECTION_ENDING;
		return;
	}
	intake_reset(&connection->intake);
	spares_take(spares, &connection->intake.parameters);
	spares_take(spares, &connection->intake.body);
	connection->state = CONNECTION_RECEIVING;
}

void conversation_expire(struct connection *connection)
{
	struct exchange *exchange = &connection->exchange;

	leave_waiting(connection);
	if (exchange->on_deadline(exchange))
		run(connection);
}

void conversation_continue(struct connection *connection,
			   enum exchange_outcome outcome)
{
	leave_waiting(connection);
	if (take_outcome(connection, outcome))
		run(connection);
}
