/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_CONVERSATION_H
#define BUZON_GATE_CONVERSATION_H

#include "gate/connection.h"

/*
 * From a whole request on a connection to the last byte of its answer: runs
 * the steps of the exchange at their places and encodes what they say. For the
 * gate's thread alone, and used by connection.c and connections.c.
 */

/* The intake holds a whole request: its exchange begins. */
void conversation_start(struct connection *connection);

/* The outbox is empty: the next step, or the next request. */
void conversation_sent(struct connection *connection);

/* The deadline of a wait has come. */
void conversation_expire(struct connection *connection);

/* Lets go of what an exchange holds; it must be in the gate's hands. */
void conversation_drop(struct connection *connection);

/* Its exchange was given back with this outcome. */
void conversation_continue(struct connection *connection,
			   enum exchange_outcome outcome);

#endif
