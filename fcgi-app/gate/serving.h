/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_SERVING_H
#define BUZON_GATE_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "api/exchange.h"
#include "gate/codec.h"
#include "gate/reply.h"
#include "gate/returns.h"
#include "gate/transport.h"
#include "gate/workers.h"

/*
 * One request, from its last byte to the last byte of its answer: runs the
 * steps of its exchange at their places and encodes what they say into the
 * transport's outbox. It moves no byte and closes nothing: each call says what
 * the session is to wait for. For the gate's thread.
 */

/* What all of them share; it outlives them. */
struct serving_shared {
	struct codec *codec;
	struct workers *workers;
	const struct service *service;
	struct returns returns;
	bool log_requests;
	bool draining; /* an answer is the last one on its connection */
};

enum serving_next {
	SERVING_RUNS,   /* a worker has the exchange, until it gives it back */
	SERVING_WAITS,  /* another room has it; see exchange->wait */
	SERVING_WRITES, /* there is something to send in the outbox */
	SERVING_BROKEN, /* it can't be answered, or not to its end */
};

/* How a request ended, for the log. */
enum serving_end {
	SERVING_SENT,      /* all of the answer was handed to the kernel */
	SERVING_ABANDONED, /* the web server was gone before */
	SERVING_CUT,       /* it was given up here; the log says why */
};

struct serving {
	struct serving_shared *shared;
	struct transport *transport;
	struct exchange exchange;
	struct codec_request *request; /* NULL: no memory for it, or none */
	struct buf path;
	struct reply reply;
	bool under_way; /* from serving_begin() to serving_end() */
	bool answered;  /* the exchange came to an answer */
	bool last;      /* no other answer may follow on the connection */
	int64_t started_us;

	enum exchange_outcome outcome; /* of the step that was given back */
	struct returned returned;
};

/* Zero bytes, then this; both pointers outlive it. */
void serving_init(struct serving *serving, struct serving_shared *shared,
		  struct transport *transport);

/* The transport's intake holds a whole request: begins with it. */
enum serving_next serving_begin(struct serving *serving);

/* Goes on with an exchange that was given back. */
enum serving_next serving_continue(struct serving *serving);

/* Goes on with the next step: after a piece was sent, or a wait taken back. */
enum serving_next serving_step(struct serving *serving);

/* Takes an exchange that waits back to the gate, if that can be. */
bool serving_take_back(struct serving *serving,
		       enum exchange_interruption why) MUST_CHECK;

/* Whether the answer has been encoded to its end. */
bool serving_finished(const struct serving *serving);

/* The one place in which a request ends: logs it. Its exchange may be away. */
void serving_log(const struct serving *serving, enum serving_end end);

/* Logs it and frees all that it holds; the exchange must be the gate's. */
void serving_end(struct serving *serving, enum serving_end end);

/*
 * Gives an exchange back to the gate with what its step came to: what
 * workers_new() is given, and what ends an EXCHANGE_WAIT. Any thread.
 */
void serving_give_back(struct exchange *exchange,
		       enum exchange_outcome outcome);

#endif
