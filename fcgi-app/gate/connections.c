/* SPDX-License-Identifier: MIT */
#include "gate/connections.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/clock.h"
#include "system/log.h"
#include "gate/conversation.h"

enum {
	/* What there is of the body of an answer goes out after so much. */
	PIECE_MAX_BYTES = 256 * 1024,
	/*
	 * What answers hold whose peers do not read nears this: the more it is
	 * the smaller are the pieces. From half of it on, each waits until its
	 * connection has room for it (connection.c), which the smallest fit in.
	 */
	HELD_BYTES = 512 * 1024,
	PIECE_MIN_BYTES = 64 * 1024,
	/* Above this, who has not read for so long does not get more time. */
	HELD_MAX_BYTES = 4 * 1024 * 1024,
	HELD_STALL_MS = 1000,
	HELD_LOOK_MS = 100,
};

bool connections_init(struct connections *connections)
{
	*connections = (struct connections){ .epoll_fd = -1, .wake_fd = -1 };
	TAILQ_INIT(&connections->all);
	TAILQ_INIT(&connections->timed);
	TAILQ_INIT(&connections->waiting);
	TAILQ_INIT(&connections->queued);
	TAILQ_INIT(&connections->closed);
	pthread_mutex_init(&connections->returned_mutex, NULL);
	connections->received = malloc(CONNECTION_RECEIVE_BYTES);
	return connections->received != NULL;
}

void connections_deinit(struct connections *connections)
{
	while (!TAILQ_EMPTY(&connections->all))
		connection_close(TAILQ_FIRST(&connections->all));
	connections_sweep(connections);
	pthread_mutex_destroy(&connections->returned_mutex);
	spares_deinit(&connections->spares);
	free(connections->received);
	connections->received = NULL;
}

bool connections_add(struct connections *connections, int fd)
{
	if (connection_open(connections, fd) != NULL)
		return true;
	close(fd);
	return false;
}

void connections_sweep(struct connections *connections)
{
	while (!TAILQ_EMPTY(&connections->closed)) {
		struct connection *connection =
			TAILQ_FIRST(&connections->closed);

		TAILQ_REMOVE(&connections->closed, connection, all_link);
		connection_free(connection);
	}
}

void connections_run_queued(struct connections *connections)
{
	struct connection_list list = TAILQ_HEAD_INITIALIZER(list);

	TAILQ_CONCAT(&list, &connections->queued, queued_link);
	while (!TAILQ_EMPTY(&list)) {
		struct connection *connection = TAILQ_FIRST(&list);

		TAILQ_REMOVE(&list, connection, queued_link);
		connection->queued = false;
		connection_drive(connection);
	}
}

static void close_stalled(struct connection *connection)
{
	log_event(
		LOG_WARNING, "stalled", NULL,
		"closed a connection from the web server that moved no byte "
		"for %lld ms in the middle of %s",
		(long long)(connection->owner->now_ms - connection->active_ms),
		connection->state == CONNECTION_RECEIVING ? "a request"
							  : "an answer");
	connection_close(connection);
}

static bool holds_too_much(const struct connections *connections)
{
	return atomic_load(&connections->held_bytes) > HELD_MAX_BYTES;
}

/* How long it may move no byte, as things are now. */
static int64_t patience_ms(const struct connection *connection)
{
	const struct connections *owner = connection->owner;

	return connection->held_bytes > 0 && holds_too_much(owner)
		       ? HELD_STALL_MS
		       : owner->stall_timeout_ms;
}

static void expire_stalled(struct connections *connections)
{
	int64_t now_ms = connections->now_ms;
	struct connection *connection, *next;

	for (connection = TAILQ_FIRST(&connections->timed); connection != NULL;
	     connection = next) {
		int64_t stalled_ms = now_ms - connection->active_ms;

		next = TAILQ_NEXT(connection, timed_link);
		if (stalled_ms >= patience_ms(connection))
			close_stalled(connection);
		else if (stalled_ms < HELD_STALL_MS ||
			 !holds_too_much(connections))
			break;
	}
}

void connections_expire(struct connections *connections)
{
	struct connection *connection, *next;

	expire_stalled(connections);
	for (connection = TAILQ_FIRST(&connections->waiting);
	     connection != NULL &&
	     connection->exchange.deadline_ms <= connections->now_ms;
	     connection = next) {
		next = TAILQ_NEXT(connection, waiting_link);
		conversation_expire(connection);
		connection_drive(connection);
	}
}

int64_t connections_next_expiry_ms(const struct connections *connections)
{
	const struct connection *timed = TAILQ_FIRST(&connections->timed);
	const struct connection *waiting = TAILQ_FIRST(&connections->waiting);
	int64_t next_ms = -1;

	if (!TAILQ_EMPTY(&connections->queued))
		return connections->now_ms;
	if (timed != NULL)
		next_ms = timed->active_ms + connections->stall_timeout_ms;
	if (holds_too_much(connections) &&
	    next_ms > connections->now_ms + HELD_LOOK_MS)
		next_ms = connections->now_ms + HELD_LOOK_MS;
	if (waiting != NULL &&
	    (next_ms < 0 || waiting->exchange.deadline_ms < next_ms))
		next_ms = waiting->exchange.deadline_ms;
	return next_ms;
}

void connections_close_idle(struct connections *connections, bool with_partial)
{
	struct connection *connection, *next;

	for (connection = TAILQ_FIRST(&connections->all); connection != NULL;
	     connection = next) {
		next = TAILQ_NEXT(connection, all_link);
		if (connection->state != CONNECTION_RECEIVING)
			continue;
		connection->readable = true;
		connection_drive(connection);
		if (connection->state == CONNECTION_RECEIVING &&
		    !connection->queued &&
		    (with_partial || intake_idle(&connection->intake)))
			connection_close(connection);
	}
}

static struct connection *connection_of(struct exchange *exchange)
{
	return (struct connection *)((char *)exchange -
				     offsetof(struct connection, exchange));
}

void connections_wake(void *connections)
{
	struct connections *self = connections;
	const uint64_t one = 1;
	ssize_t written;

	if (atomic_exchange(&self->wake_pending, true))
		return;
	do {
		written = write(self->wake_fd, &one, sizeof(one));
	} while (written < 0 && errno == EINTR);
	if (written < 0)
		log_event(LOG_ERROR, "internal", NULL,
			  "the gate could not be woken: %s",
			  strerrordesc_np(errno));
}

void connections_begin_turn(struct connections *connections)
{
	connections->now_ms = clock_now_ms();
	atomic_store(&connections->wake_pending, true);
}

void connections_resume(struct exchange *exchange)
{
	connections_give_back(exchange, EXCHANGE_NEXT);
}

bool connections_hold_much(const struct connections *connections)
{
	return atomic_load(&connections->held_bytes) > HELD_BYTES / 2;
}

size_t connections_piece_bytes(struct exchange *exchange)
{
	size_t held = atomic_load(&connection_of(exchange)->owner->held_bytes);
	size_t bytes = held < HELD_BYTES ? (HELD_BYTES - held) / 2 : 0;

	if (bytes > PIECE_MAX_BYTES)
		return PIECE_MAX_BYTES;
	return bytes > PIECE_MIN_BYTES ? bytes : PIECE_MIN_BYTES;
}

void connections_give_back(struct exchange *exchange,
			   enum exchange_outcome outcome)
{
	struct connection *connection = connection_of(exchange);
	struct connections *owner = connection->owner;

	if (outcome == EXCHANGE_MORE)
		connection_hold(connection, exchange->response.body.length);
	connection->returned = outcome;
	connection->returned_next = NULL;
	pthread_mutex_lock(&owner->returned_mutex);
	if (owner->returned_first == NULL)
		owner->returned_first = connection;
	else
		owner->returned_last->returned_next = connection;
	owner->returned_last = connection;
	/*
	 * One wake serves all that come back before the gate looks. Under the
	 * lock, for once the gate has this one it may end, and all of it go.
	 */
	connections_wake(owner);
	pthread_mutex_unlock(&owner->returned_mutex);
}

void connections_take_returned(struct connections *connections)
{
	struct connection *connection;

	if (!atomic_exchange(&connections->wake_pending, false))
		return;
	pthread_mutex_lock(&connections->returned_mutex);
	connection = connections->returned_first;
	connections->returned_first = NULL;
	pthread_mutex_unlock(&connections->returned_mutex);

	while (connection != NULL) {
		struct connection *next = connection->returned_next;

		conversation_continue(connection, connection->returned);
		connection_drive(connection);
		connection = next;
	}
}
