/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange_helper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/router.h"
#include "gate/head.h"

enum {
	PATIENCE_SECS = 20,
	BODY_MAX_BYTES = 2 * 1024 * 1024, /* as at the gate */
	ALL_BYTES = 256 * 1024 * 1024,
	ROWS_MAX = 256,
};

/* The exchange as the gate keeps it: resume() finds the rest of it. */
struct run {
	struct exchange exchange; /* first: resume() casts */
	struct bench *bench;
	const struct ask *ask;
	struct answer *answer;
	bool was_resumed; /* guarded by the bench's mutex */
};

static void wake(void *context)
{
	struct bench *bench = context;

	pthread_mutex_lock(&bench->mutex);
	bench->was_woken = true;
	pthread_cond_signal(&bench->woken);
	pthread_mutex_unlock(&bench->mutex);
}

struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->fake = store_fake_new();
	bench->store = store_fake_open(bench->fake);
	bench->service = (struct service){
		.appender = appender_new(store_fake_open, bench->fake,
					 BENCH_QUEUE_MAX, ROWS_MAX),
		.finder = finder_new(store_fake_open, bench->fake,
				     BENCH_QUEUE_MAX),
		.probe = probe_new(store_fake_open, bench->fake),
		.hostname = "host-1",
		.body_limit_bytes = BENCH_BODY_LIMIT,
	};
	assert_non_null(bench->service.appender);
	assert_non_null(bench->service.finder);
	assert_non_null(bench->service.probe);
	pthread_mutex_init(&bench->mutex, NULL);
	pthread_cond_init(&bench->woken, NULL);
	finder_attach(bench->service.finder, wake, bench);
	return bench;
}

void bench_free(struct bench **bench)
{
	struct bench *self = *bench;

	store_fake_release_all(self->fake);
	appender_free(&self->service.appender);
	finder_free(&self->service.finder);
	assert_true(probe_free(&self->service.probe, 20000));
	store_close(self->store);
	store_fake_free(&self->fake);
	pthread_cond_destroy(&self->woken);
	pthread_mutex_destroy(&self->mutex);
	free(self);
	*bench = NULL;
}

void bench_turn_when_woken(struct bench *bench)
{
	struct timespec end;
	bool woken;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_SECS;
	pthread_mutex_lock(&bench->mutex);
	while (!bench->was_woken &&
	       pthread_cond_timedwait(&bench->woken, &bench->mutex, &end) == 0)
		;
	woken = bench->was_woken;
	bench->was_woken = false;
	pthread_mutex_unlock(&bench->mutex);
	if (!woken)
		fail_msg("not woken within %d s", PATIENCE_SECS);
	finder_turn(bench->service.finder);
}

void answer_init(struct answer *answer)
{
	*answer = (struct answer){ .status = 0 };
	buf_init(&answer->head, ALL_BYTES);
	buf_init(&answer->body, ALL_BYTES);
}

void answer_deinit(struct answer *answer)
{
	buf_deinit(&answer->head);
	buf_deinit(&answer->body);
}

static void resume(struct exchange *exchange)
{
	struct run *run = (struct run *)exchange;

	pthread_mutex_lock(&run->bench->mutex);
	run->was_resumed = true;
	run->bench->was_woken = true;
	pthread_cond_signal(&run->bench->woken);
	pthread_mutex_unlock(&run->bench->mutex);
}

/* True once after each resume(). */
static bool take_resumed(struct run *run)
{
	bool resumed;

	pthread_mutex_lock(&run->bench->mutex);
	resumed = run->was_resumed;
	run->was_resumed = false;
	pthread_mutex_unlock(&run->bench->mutex);
	return resumed;
}

static size_t piece_bytes(struct exchange *exchange)
{
	size_t bytes = ((struct run *)exchange)->ask->piece_bytes;

	return bytes > 0 ? bytes : (size_t)(256 * 1024);
}

static void fill_request(struct http_request *request, const struct ask *ask)
{
	const char *mark = strchr(ask->target, '?');

	*request = (struct http_request){
		.method_name =
			span_of(ask->method != NULL ? ask->method : "GET"),
		.target = span_of(ask->target),
		.path = span_of(ask->target),
		.query = SPAN(""),
		.content_type = span_of(ask->content_type),
		.content_length = span_of(ask->content_length),
		.accept = span_of(ask->accept),
		.idempotency_key = span_of(ask->idempotency_key),
		.idempotency_key_repeated = ask->idempotency_key_repeated,
		.body = ask->body,
		.body_too_large = ask->body_too_large,
		.headers_too_large = ask->headers_too_large,
		.path_decoded = ask->path_decoded,
		.path_lost = ask->path_lost,
		.id = "request-1",
	};
	request->method = http_method_of(request->method_name);
	if (mark != NULL) {
		request->path.length = (size_t)(mark - ask->target);
		request->query = span_of(mark + 1);
	}
}

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for resume(); with a deadline, for that at the most. */
static void wait_for_resume(struct run *run)
{
	const struct exchange_wait *wait = &run->exchange.wait;

	if (wait->deadline_ms > 0)
		run->answer->patience_ms = wait->deadline_ms - clock_ms();

	if (run->ask->deadline_when_held != STORE_FAKE_OPEN) {
		assert_true(store_fake_await_held(
			run->bench->fake, run->ask->deadline_when_held, 1));
		assert_true(wait->deadline_ms > 0);
		assert_false(
			wait->take_back(&run->exchange, EXCHANGE_DRAINING));
		if (wait->take_back(&run->exchange, EXCHANGE_EXPIRED))
			return;
	}
	finder_turn(run->bench->service.finder);
	while (!take_resumed(run))
		bench_turn_when_woken(run->bench);
	if (run->ask->deadline_too_late)
		assert_false(wait->take_back(&run->exchange, EXCHANGE_EXPIRED));
}

/* What the gate sends after EXCHANGE_DONE and EXCHANGE_MORE. */
static void take_answer(struct run *run, bool last)
{
	struct http_response *response = &run->exchange.response;
	struct answer *answer = run->answer;

	assert_int_equal(buf_error(&response->headers), ERR_OK);
	assert_int_equal(buf_error(&response->body), ERR_OK);
	if (!last)
		response->streamed = true;
	if (answer->pieces == 0) {
		answer->status = response->status;
		answer->streamed = response->streamed;
		head_append(&answer->head, response, run->exchange.request.id);
	}
	answer->pieces++;
	if (response->body.length > answer->piece_max_bytes)
		answer->piece_max_bytes = response->body.length;
	buf_append_span(&answer->body, buf_span(&response->body));
	buf_clear(&response->body);
}

/* Takes one step; false when the exchange has come to its end. */
static bool take_step(struct run *run)
{
	struct exchange *exchange = &run->exchange;
	bool at_gate = exchange->place == EXCHANGE_AT_GATE;
	struct store *store =
		at_gate || run->ask->without_store ? NULL : run->bench->store;

	switch (exchange->step(exchange, store)) {
	case EXCHANGE_NEXT:
		return true;
	case EXCHANGE_WAIT:
		if (!at_gate)
			fail_msg("%s: a worker may not wait", run->ask->target);
		wait_for_resume(run);
		return true;
	case EXCHANGE_MORE:
		take_answer(run, false);
		if (run->ask->between != NULL)
			run->ask->between(run->bench, run->ask->context);
		return true;
	case EXCHANGE_DONE:
		take_answer(run, true);
		return false;
	case EXCHANGE_BROKEN:
		run->answer->broken = true;
		return false;
	}
	fail_msg("%s: an outcome that is none", run->ask->target);
	return false;
}

void bench_serve(struct bench *bench, const struct ask *ask,
		 struct answer *answer)
{
	struct run run = {
		.exchange = { .service = &bench->service,
			      .resume = resume,
			      .piece_bytes = piece_bytes },
		.bench = bench,
		.ask = ask,
		.answer = answer,
	};
	struct exchange *exchange = &run.exchange;

	answer_init(answer);
	fill_request(&exchange->request, ask);
	http_response_init(&exchange->response, BODY_MAX_BYTES);
	router_dispatch(exchange);
	while (take_step(&run))
		;
	if (exchange->free_state != NULL)
		exchange->free_state(exchange->state);
	http_response_deinit(&exchange->response);

	buf_append_char(&answer->head, '\0');
	buf_append_char(&answer->body, '\0');
	assert_int_equal(buf_error(&answer->head), ERR_OK);
	assert_int_equal(buf_error(&answer->body), ERR_OK);
	answer->head.length--;
	answer->body.length--;
}

struct span answer_header(const struct answer *answer, const char *name)
{
	size_t length = strlen(name);
	const char *line = answer->head.data;

	while (*line != '\0') {
		const char *end = strstr(line, "\r\n");

		assert_non_null(end);
		if (strncasecmp(line, name, length) == 0 &&
		    line[length] == ':') {
			line += length + 1;
			line += strspn(line, " ");
			return (struct span){ line, (size_t)(end - line) };
		}
		line = end + 2;
	}
	return (struct span){ NULL, 0 };
}

const char *answer_text(const struct answer *answer)
{
	return answer->body.data;
}
