/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_CONNECTIONS_H
#define BUZON_GATE_CONNECTIONS_H

#include "gate/connection.h"

/*
 * All connections of the gate. For its thread alone, but for the calls by which
 * other rooms give an exchange back and wake it.
 */

/* False when there is no memory. */
bool connections_init(struct connections *connections) MUST_CHECK;

/* Closes whatever is left. No exchange may be out of the gate's hands. */
void connections_deinit(struct connections *connections);

/*
 * Takes over a socket that was accepted. False when there is no memory; the
 * socket is then closed.
 */
bool connections_add(struct connections *connections, int fd) MUST_CHECK;

/*
 * A turn of the gate has begun, in which connections_take_returned() follows:
 * until then nobody need wake it.
 */
void connections_begin_turn(struct connections *connections);

/* Goes on with the exchanges that were given back. */
void connections_take_returned(struct connections *connections);

/* Goes on with connections that had more to do than one turn is for. */
void connections_run_queued(struct connections *connections);

/* Gives an exchange back to the gate with what its step came to. Any thread. */
void connections_give_back(struct exchange *exchange,
			   enum exchange_outcome outcome);

/* The same for its next step; what exchange->resume is. Any thread. */
void connections_resume(struct exchange *exchange);

/*
 * Whether answers that are not read hold so much that no other one may take
 * more than its connection has room for.
 */
bool connections_hold_much(const struct connections *connections);

/*
 * The size of a piece of an answer, what exchange->piece_bytes is: the smaller,
 * the more memory is held for those who do not read theirs. Any thread.
 */
size_t connections_piece_bytes(struct exchange *exchange);

/* Has the gate take a turn; connections: a struct connections. Any thread. */
void connections_wake(void *connections);

/*
 * Closes what has stalled, sooner while answers that nobody reads hold too much
 * memory, and ends the waits whose deadline has come.
 */
void connections_expire(struct connections *connections);

/* When connections_expire() is next of use (ms), or -1. */
int64_t connections_next_expiry_ms(const struct connections *connections);

/*
 * Drain: connections between two requests are closed, after a last look for a
 * request that has just arrived. with_partial: also those in the middle of one.
 */
void connections_close_idle(struct connections *connections, bool with_partial);

/* Frees what was closed during this turn. */
void connections_sweep(struct connections *connections);

#endif
