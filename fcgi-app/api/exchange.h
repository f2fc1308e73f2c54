/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_EXCHANGE_H
#define BUZON_API_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"
#include "inbox/appender.h"
#include "inbox/finder.h"
#include "inbox/probe.h"
#include "inbox/store.h"

/*
 * One request and its response on their way through the program. An exchange
 * is a row of steps; between two steps it costs no thread. At any moment one
 * room owns it: the gate, a worker during a step, or whoever a step handed it
 * to and who gives it back by resume().
 */
struct exchange;

/* What all handlers share. It outlives every exchange. */
struct service {
	struct appender *appender;
	struct finder *finder;
	struct probe *probe;
	const char *hostname;
	size_t body_limit_bytes;
};

enum exchange_outcome {
	EXCHANGE_DONE, /* the response is whole: send it, and that was it */
	EXCHANGE_NEXT, /* go on with the next step, at its place */
	EXCHANGE_MORE, /* send what the body holds so far, then the next step */
	EXCHANGE_WAIT, /* another room has it; after resume() the next step */
	/* The body can't be finished: cut the connection, so that it shows. */
	EXCHANGE_BROKEN,
};

enum exchange_place {
	EXCHANGE_AT_GATE,   /* a step that never blocks; its store is NULL */
	EXCHANGE_IN_WORKER, /* a step that asks the database by its store */
};

/*
 * One step. It may set `step` and `place` for the one that follows. store is
 * the worker's, for this call only. Only a step at the gate may return
 * EXCHANGE_WAIT: whoever it was handed to may resume it at any moment.
 */
typedef enum exchange_outcome exchange_step_fn(struct exchange *exchange,
					       struct store *store);

/* Why the gate wants a wait to end before resume(). */
enum exchange_interruption {
	EXCHANGE_EXPIRED,   /* its deadline has come */
	EXCHANGE_ABANDONED, /* nobody is there any more to read the answer */
	EXCHANGE_DRAINING,  /* the program is to end */
};

/*
 * What an exchange waits for after EXCHANGE_WAIT, set by the step that returns
 * it; all zero is a wait that only resume() ends.
 */
struct exchange_wait {
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
	/*
	 * Takes the exchange back from the room that has it. True: it is the
	 * gate's again, resume() will not be called, and the next step follows
	 * (after EXCHANGE_ABANDONED: none does). False: the wait goes on, or
	 * resume() is about to be called. By the gate's thread; NULL: never.
	 */
	bool (*take_back)(struct exchange *exchange,
			  enum exchange_interruption why);
};

struct exchange {
	struct http_request request;
	struct http_response response;
	const struct service *service;

	exchange_step_fn *step;
	enum exchange_place place;

	/* Set by the step that stored something: no error may deny it. */
	bool stored;

	struct exchange_wait wait;

	/* What the handler keeps from step to step, and how it is freed. */
	void *state;
	void (*free_state)(void *state);

	struct exchange *next_queued; /* the workers' own */

	/* The gate's: ends an EXCHANGE_WAIT. Any thread. */
	void (*resume)(struct exchange *exchange);
	/* The gate's: after how many bytes a body is to be sent. Any thread. */
	size_t (*piece_bytes)(struct exchange *exchange);
};

#endif
