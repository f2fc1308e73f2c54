/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_EXCHANGE_HELPER_H
#define BUZON_TESTS_EXCHANGE_HELPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/exchange.h"
#include "text/buf.h"
#include "text/span.h"
#include "store_fake.h"

/*
 * Serves a request as the gate does, without a connection: the router, then
 * the steps to the end. For tests with cmocka, in the test's thread.
 */

/* A service over a fake, with its own appender, finder and probe. */
struct bench {
	struct store_fake *fake;
	struct store *store; /* what a worker would have */
	struct service service;
	/* The test is the finder's loop; another thread wakes it. */
	pthread_mutex_t mutex;
	pthread_cond_t woken;
	bool was_woken;
};

enum { BENCH_QUEUE_MAX = 4, BENCH_BODY_LIMIT = 131072 };

struct bench *bench_new(void);
void bench_free(struct bench **bench);

/*
 * Waits until another thread has something for the loop, then takes a turn of
 * it. Fails the test where nothing comes.
 */
void bench_turn_when_woken(struct bench *bench);

/* What was not sent is NULL. */
struct ask {
	const char *method; /* NULL: GET */
	const char *target; /* path and query */
	const char *content_type;
	const char *content_length;
	const char *accept;
	const char *idempotency_key;
	bool idempotency_key_repeated;
	struct span body;
	bool body_too_large;
	bool headers_too_large;
	bool path_decoded;
	bool path_lost;

	/* The deadline of a wait has come as soon as this is held. */
	enum store_fake_call deadline_when_held; /* STORE_FAKE_OPEN: never */
	/* Or it comes when it has been resumed, before the gate knows. */
	bool deadline_too_late;
	/* Called before the step that follows a piece of a streamed body. */
	void (*between)(struct bench *bench, void *context);
	void *context;
	size_t piece_bytes; /* after so much of a body it is sent; 0: 256 KiB */
	bool without_store; /* the worker had no memory for one */
};

struct answer {
	int status;
	struct buf head; /* as it goes out; ends with a NUL beyond its length */
	struct buf body; /* all pieces; ends likewise */
	bool streamed;
	bool broken; /* EXCHANGE_BROKEN */
	size_t pieces;
	size_t piece_max_bytes;
	int64_t patience_ms; /* how far off its deadline was; 0: it had none */
};

void answer_init(struct answer *answer);
void answer_deinit(struct answer *answer);

/* Serves it. Fails the test where the exchange does what none may do. */
void bench_serve(struct bench *bench, const struct ask *ask,
		 struct answer *answer);

/* The value of a header line; no data where it is not there. */
struct span answer_header(const struct answer *answer, const char *name);

/* The text of the body. */
const char *answer_text(const struct answer *answer);

#endif
