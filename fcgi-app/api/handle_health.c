/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "system/clock.h"

/* The contract says 1 s; this leaves some for the way back. */
enum { PATIENCE_MS = 900 };

struct health {
	struct probe_question question; /* first: answered() casts */
	struct exchange *exchange;
};

static void answered(struct probe_question *question)
{
	struct health *health = (struct health *)question;

	health->exchange->resume(health->exchange);
}

static bool take_back(struct exchange *exchange, enum exchange_interruption why)
{
	struct health *health = exchange->state;

	/* The answer comes soon, also for a program that is to end. */
	if (why == EXCHANGE_DRAINING)
		return false;
	if (!probe_forget(exchange->service->probe, &health->question))
		return false;
	health->question.answer = ERR_DATABASE_UNAVAILABLE;
	return true;
}

static const char *body_of(enum err answer)
{
	switch (answer) {
	case ERR_OK:
		return "{\"status\":\"ok\",\"database\":\"ok\"}";
	case ERR_DATABASE_REFUSES:
		return "{\"status\":\"unavailable\","
		       "\"database\":\"refuses to write\"}";
	default:
		return "{\"status\":\"unavailable\","
		       "\"database\":\"does not answer\"}";
	}
}

static enum exchange_outcome report(struct exchange *exchange,
				    struct store *store)
{
	const struct health *health = exchange->state;
	struct http_response *response = &exchange->response;

	(void)store;
	response->content_type = "application/json";
	if (health->question.answer != ERR_OK) {
		response->status = 503;
		buf_append_text(&response->headers, "Retry-After: 1\r\n");
	}
	buf_append_text(&response->body, body_of(health->question.answer));
	return EXCHANGE_DONE;
}

/*
 * GET /api/health: 200 {"status":"ok","database":"ok"} when the database
 * answers, else 503 with the same members telling what is wrong. Never waits
 * longer than 1 s.
 */
enum exchange_outcome handle_health(struct exchange *exchange,
				    struct store *store)
{
	struct health *health = calloc(1, sizeof(*health));

	(void)store;
	if (health == NULL)
		return answer_error(exchange, ERR_OUT_OF_MEMORY);
	health->exchange = exchange;
	health->question.done = answered;
	exchange->state = health;
	exchange->free_state = free;
	exchange->step = report;
	exchange->wait = (struct exchange_wait){
		.deadline_ms = clock_now_ms() + PATIENCE_MS,
		.take_back = take_back,
	};
	probe_ask(exchange->service->probe, &health->question);
	return EXCHANGE_WAIT;
}
