/* SPDX-License-Identifier: MIT */
#include "gate/serving.h"

#include <assert.h>
#include <stddef.h>

#include "api/answer.h"
#include "api/router.h"
#include "gate/parameters.h"
#include "system/clock.h"
#include "system/log.h"

/* An answer's body at once; longer ones are sent in pieces of this at most. */
enum { BODY_MAX_BYTES = 2 * 1024 * 1024 };

static const char *const end_names[] = {
	[SERVING_SENT] = "sent",
	[SERVING_ABANDONED] = "abandoned",
	[SERVING_CUT] = "cut",
};

static struct serving *serving_of(struct exchange *exchange)
{
	return (struct serving *)((char *)exchange -
				  offsetof(struct serving, exchange));
}

void serving_give_back(struct exchange *exchange, enum exchange_outcome outcome)
{
	struct serving *serving = serving_of(exchange);
	struct transport *transport = serving->transport;

	/* What waits for the gate counts too, from here on. */
	if (outcome == EXCHANGE_MORE)
		pressure_hold_answer(&transport->shared->pressure,
				     &transport->answer_held,
				     exchange->response.body.length);
	serving->outcome = outcome;
	returns_add(&serving->shared->returns, &serving->returned);
}

static void resume(struct exchange *exchange)
{
	serving_give_back(exchange, EXCHANGE_NEXT);
}

static size_t piece_bytes(struct exchange *exchange)
{
	return pressure_piece_bytes(
		&serving_of(exchange)->transport->shared->pressure);
}

void serving_init(struct serving *serving, struct serving_shared *shared,
		  struct transport *transport)
{
	serving->shared = shared;
	serving->transport = transport;
	buf_init(&serving->path, INTAKE_PARAMETERS_MAX_BYTES);
}

bool serving_finished(const struct serving *serving)
{
	return serving->reply.finished;
}

/* What to answer where the answer itself could not be written. */
static enum err error_in_place(const struct exchange *exchange, enum err err)
{
	if (exchange->stored)
		return ERR_WRITE_UNCERTAIN;
	return err == ERR_OUT_OF_MEMORY ? err : ERR_INTERNAL;
}

static enum err encode(struct serving *serving, bool ends)
{
	struct transport *transport = serving->transport;

	return reply_encode(&serving->reply, &serving->exchange.response,
			    &serving->exchange.request, ends,
			    &transport->shared->spares, &transport->outbox);
}

/*
 * Behind its last answer a kept connection is closed, and in that moment the
 * web server may put the next request on it: nginx then answers a POST with
 * 502. It keeps no connection on which a record has followed the end of an
 * answer; others would take that for part of the next one.
 */
static void decide_last(struct serving *serving)
{
	bool kept = serving->transport->intake.keep_connection;

	serving->last = !kept || serving->shared->draining ||
			serving->transport->spoiled;
	serving->reply.tell_nginx =
		serving->last && kept && serving->request != NULL &&
		parameters_from_nginx(codec_parameters(serving->request));
}

/* ends: the body is whole with this. */
static enum serving_next write_answer(struct serving *serving, bool ends)
{
	struct exchange *exchange = &serving->exchange;
	struct transport *transport = serving->transport;
	enum err err;

	serving->answered = true;
	if (transport->gone)
		return SERVING_BROKEN;
	if (!ends)
		exchange->response.streamed = true;
	ends = ends || exchange->request.method == HTTP_HEAD;
	if (ends)
		decide_last(serving);
	err = encode(serving, ends);
	if (err != ERR_OK && !serving->reply.head_sent) {
		log_event(LOG_ERROR, "answer_failed", exchange->request.id,
			  "an answer could not be written: %s", err_code(err));
		/* Nothing of it has been sent. */
		buf_clear(&transport->outbox);
		(void)answer_error(exchange, error_in_place(exchange, err));
		decide_last(serving);
		err = encode(serving, true);
	}
	if (err != ERR_OK) {
		log_event(LOG_ERROR, "answer_cut", exchange->request.id,
			  "an answer could not be finished: %s", err_code(err));
		return SERVING_BROKEN;
	}
	transport->active_ms = transport->shared->now_ms;
	/* Many may be under way, and some for long. */
	spares_take(&transport->shared->spares, &exchange->response.body);
	return SERVING_WRITES;
}

static enum err submit(struct serving *serving)
{
	struct workers *workers = serving->shared->workers;

	if (!serving->reply.head_sent)
		return workers_submit(workers, &serving->exchange);
	workers_continue(workers, &serving->exchange);
	return ERR_OK;
}

/* Waits, unless the reason to end the wait is there already. */
static bool waits(struct serving *serving)
{
	if (serving->shared->draining)
		return !serving_take_back(serving, EXCHANGE_DRAINING);
	return true;
}

enum serving_next serving_continue(struct serving *serving)
{
	struct exchange *exchange = &serving->exchange;
	enum exchange_outcome outcome = serving->outcome;

	for (;;) {
		switch (outcome) {
		case EXCHANGE_NEXT:
			break;
		case EXCHANGE_WAIT:
			if (waits(serving))
				return SERVING_WAITS;
			break;
		case EXCHANGE_MORE:
			return write_answer(serving, false);
		case EXCHANGE_DONE:
			return write_answer(serving, true);
		case EXCHANGE_BROKEN:
			log_event(LOG_ERROR, "answer_cut", exchange->request.id,
				  "the rest of an answer could not be read");
			return SERVING_BROKEN;
		}
		exchange->wait = (struct exchange_wait){ 0 };
		if (exchange->place == EXCHANGE_AT_GATE)
			outcome = exchange->step(exchange, NULL);
		else if (submit(serving) == ERR_OK)
			return SERVING_RUNS;
		else
			outcome = answer_error(exchange, ERR_OVERLOADED);
	}
}

enum serving_next serving_step(struct serving *serving)
{
	serving->outcome = EXCHANGE_NEXT;
	return serving_continue(serving);
}

bool serving_take_back(struct serving *serving, enum exchange_interruption why)
{
	struct exchange *exchange = &serving->exchange;

	return exchange->wait.take_back != NULL &&
	       exchange->wait.take_back(exchange, why);
}

/* Without its parameters a request has neither method nor path. */
static void read_request(struct serving *serving)
{
	static char *const none[] = { NULL };
	const struct intake *intake = &serving->transport->intake;
	struct http_request *request = &serving->exchange.request;

	parameters_to_request(serving->request != NULL
				      ? codec_parameters(serving->request)
				      : none,
			      request, &serving->path);
	request->body = buf_span(&intake->body);
	request->body_too_large = intake->body_too_large;
	request->headers_too_large = intake->parameters_too_large;
}

enum serving_next serving_begin(struct serving *serving)
{
	struct serving_shared *shared = serving->shared;
	struct spares *spares = &serving->transport->shared->spares;
	const struct intake *intake = &serving->transport->intake;
	struct exchange *exchange = &serving->exchange;

	serving->under_way = true;
	serving->answered = false;
	serving->reply = (struct reply){ .request_id = intake->request_id };
	serving->started_us = shared->log_requests ? clock_now_us() : 0;
	*exchange = (struct exchange){
		.service = shared->service,
		.resume = resume,
		.piece_bytes = piece_bytes,
	};
	if (!intake->no_room)
		serving->request = codec_decode(shared->codec,
						buf_span(&intake->parameters));
	read_request(serving);
	http_response_init(&exchange->response, BODY_MAX_BYTES);
	spares_lend(spares, &exchange->response.headers);
	spares_lend(spares, &exchange->response.body);
	router_dispatch(exchange);
	serving->outcome = serving->request != NULL
				   ? EXCHANGE_NEXT
				   : answer_error(exchange, ERR_OUT_OF_MEMORY);
	return serving_continue(serving);
}

void serving_log(const struct serving *serving, enum serving_end end)
{
	const struct exchange *exchange = &serving->exchange;

	if (!serving->shared->log_requests)
		return;
	log_request(&(struct log_request){
		.request_id = exchange->request.id,
		.method = exchange->request.method_name,
		.target = exchange->request.target,
		.status = serving->answered ? exchange->response.status : 0,
		.body_bytes = serving->reply.body_bytes,
		.duration_us = clock_now_us() - serving->started_us,
		.end = end_names[end],
	});
}

void serving_end(struct serving *serving, enum serving_end end)
{
	struct spares *spares = &serving->transport->shared->spares;
	struct exchange *exchange = &serving->exchange;

	assert(serving->under_way);
	serving_log(serving, end);
	if (exchange->free_state != NULL)
		exchange->free_state(exchange->state);
	exchange->free_state = NULL;
	spares_take(spares, &exchange->response.headers);
	spares_take(spares, &exchange->response.body);
	codec_request_free(&serving->request);
	buf_deinit(&serving->path);
	serving->under_way = false;
}
