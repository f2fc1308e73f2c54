/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_SESSION_H
#define BUZON_GATE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gate/deadlines.h"
#include "gate/serving.h"
#include "gate/transport.h"

/*
 * One connection from a web server and the request that is served on it: an
 * explicit machine. In each phase one room owns the exchange, and the phase
 * says which; the session leaves it only by what the comment names.
 *
 *             request            WAIT
 *   READING ----------> RUNNING ------> PARKED
 *    ^   |               ^ |  ^-----------'
 *    |   |          next | | MORE, DONE   resume(), or taken back
 *    |   |          step | v
 *    |   |              WRITING
 *    |   |               | |
 *    '---|---------------' |   the last byte is sent
 *        v                 v
 *       CLOSING <----------'   from each of them: the connection is gone,
 *                              has expired, or is not to be kept
 */
enum phase {
	PHASE_READING, /* a request, or the wait for one. No exchange. */
	/*
	 * A step of the exchange runs: within a call of the gate's thread, or
	 * in a worker, which has the exchange then. Ends with its outcome.
	 */
	PHASE_RUNNING,
	/*
	 * Another room has the exchange. Ends by resume(), or by the gate, if
	 * exchange->wait.take_back says that it may.
	 */
	PHASE_PARKED,
	PHASE_WRITING, /* an answer or a piece of one goes out */
	PHASE_CLOSING, /* the socket is closed; freed when the turn is over */
	PHASE__MAX
};

TAILQ_HEAD(session_list, session);

/* What all sessions of a gate share; it outlives them. */
struct session_host {
	struct transport_shared transport;
	struct serving_shared serving;
	int64_t stall_timeout_ms;
	int64_t request_timeout_ms;

	size_t count;
	struct session_list all;
	struct session_list ready;  /* with more to do than a turn is for */
	struct session_list closed; /* to be freed at the end of the turn */
	struct deadlines idle;      /* between requests; since when */
	struct deadlines stalling;  /* amid a request or an answer */
	struct deadlines parked;    /* those whose wait has a deadline */
};

struct session {
	struct session_host *host;
	enum phase phase;
	struct transport transport;
	struct serving serving;
	struct deadline deadline; /* of what this phase waits for */
	bool ready;
	TAILQ_ENTRY(session) all_link;
	TAILQ_ENTRY(session) ready_link;
};

/*
 * Takes over a socket that was accepted. False, with errno, when there is no
 * memory; the socket is then still the caller's.
 */
bool session_open(struct session_host *host, int fd) MUST_CHECK;

/* Does all that can be done after these epoll events. */
void session_handle(struct session *session, uint32_t events);

/* Goes on: moves bytes in and out, and follows what they lead to. */
void session_drive(struct session *session);

/* Its exchange was given back to the gate. */
void session_continue(struct session *session);

/*
 * The wait of one that is PARKED is to end, if whoever has its exchange lets go
 * of it.
 */
void session_interrupt(struct session *session, enum exchange_interruption why);

/*
 * Closes one that is READING or WRITING; what it has not answered to the end is
 * logged as `end`.
 */
void session_close(struct session *session, enum serving_end end);

/* Frees one that is CLOSING. */
void session_free(struct session *session);

#endif
