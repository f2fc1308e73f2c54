/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_PRESSURE_H
#define BUZON_GATE_PRESSURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * How much memory requests and answers hold, those of all connections
 * together, and what is to be done about it. A web server that sends or reads
 * slowly must cost a bounded amount, and must not take it from the others.
 */

enum {
	/*
	 * One bound for all requests that came in and are not answered. With
	 * what is decoded of them it is half of what a container may use.
	 */
	PRESSURE_REQUESTS_MAX_BYTES = 64 * 1024 * 1024,
	/* What a request may hold also above the bound: most are smaller. */
	PRESSURE_REQUEST_SMALL_BYTES = 4096,
};

struct pressure {
	atomic_size_t answer_bytes; /* read for answers, and not yet sent */
	size_t request_bytes;       /* for the gate's thread alone */
};

/*
 * An answer (a request) now holds so many bytes; *held, which is 0 at first, is
 * what it held before. An answer: by the thread that has its exchange.
 */
void pressure_hold_answer(struct pressure *pressure, size_t *held,
			  size_t bytes);
void pressure_hold_request(struct pressure *pressure, size_t *held,
			   size_t bytes);

/* Whether a request that holds so many bytes must not take more. */
bool pressure_refuses(const struct pressure *pressure, size_t bytes);

/* Whether requests should come in sooner than they otherwise may. */
bool pressure_hurries_requests(const struct pressure *pressure);

/*
 * Whether an answer is to be read only once its connection has room for it, and
 * whether those that nobody reads get less time. Any thread.
 */
bool pressure_paces_answers(const struct pressure *pressure);
bool pressure_hurries_answers(const struct pressure *pressure);

/*
 * The size of the next piece of an answer: the smaller, the more memory is held
 * for those who do not read theirs. Any thread.
 */
size_t pressure_piece_bytes(const struct pressure *pressure);

#endif
