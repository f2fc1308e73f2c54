/* SPDX-License-Identifier: MIT */
#include "gate/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/log.h"
#include "gate/connections.h"
#include "gate/conversation.h"

enum {
	/* Requests of one connection in one turn, so that others get theirs. */
	MOVES_A_TURN = 64,
};

/*
 * Edges only, so that nothing has to be re-armed for each request. Room to
 * send is watched only while there is none: each answer that the peer reads
 * would be an event.
 */
static bool watch(struct connection *connection, int operation, bool room)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET |
			  (room ? (uint32_t)EPOLLOUT : 0),
		.data.ptr = connection,
	};

	connection->watches_room = room;
	return epoll_ctl(connection->owner->epoll_fd, operation, connection->fd,
			 &event) == 0;
}

struct connection *connection_open(struct connections *owner, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->owner = owner;
	connection->fd = fd;
	connection->writable = true;
	if (!watch(connection, EPOLL_CTL_ADD, false)) {
		free(connection);
		return NULL;
	}
	intake_init(&connection->intake, owner->service->body_limit_bytes);
	buf_init(&connection->leftover, CONNECTION_RECEIVE_BYTES);
	buf_init(&connection->outbox, SIZE_MAX / 2);
	buf_init(&connection->path, INTAKE_PARAMETERS_MAX_BYTES);
	TAILQ_INSERT_TAIL(&owner->all, connection, all_link);
	owner->count++;
	return connection;
}

static void leave_timed(struct connection *connection)
{
	if (!connection->timed)
		return;
	TAILQ_REMOVE(&connection->owner->timed, connection, timed_link);
	connection->timed = false;
}

void connection_hold(struct connection *connection, size_t bytes)
{
	/* A difference below zero wraps around, and so does the sum. */
	if (connection->held_bytes != bytes)
		atomic_fetch_add(&connection->owner->held_bytes,
				 bytes - connection->held_bytes);
	connection->held_bytes = bytes;
}

void connection_close(struct connection *connection)
{
	struct connections *owner = connection->owner;

	if (connection->state == CONNECTION_CLOSED)
		return;
	connection_hold(connection, 0);
	leave_timed(connection);
	conversation_drop(connection);
	if (connection->queued)
		TAILQ_REMOVE(&owner->queued, connection, queued_link);
	TAILQ_REMOVE(&owner->all, connection, all_link);
	owner->count--;
	close(connection->fd);
	connection->state = CONNECTION_CLOSED;
	/* Events of this turn may still point to it: freed when it is over. */
	TAILQ_INSERT_TAIL(&owner->closed, connection, all_link);
}

void connection_free(struct connection *connection)
{
	intake_deinit(&connection->intake);
	buf_deinit(&connection->leftover);
	buf_deinit(&connection->outbox);
	buf_deinit(&connection->path);
	free(connection);
}

/* Keeps what arrived behind the request that is served now. */
static bool keep_leftover(struct connection *connection, struct span rest)
{
	if (rest.length == 0)
		return true;
	buf_append_span(&connection->leftover, rest);
	return buf_error(&connection->leftover) == ERR_OK;
}

static void feed(struct connection *connection, struct span bytes,
		 size_t *used_r)
{
	if (intake_idle(&connection->intake))
		spares_lend(&connection->owner->spares,
			    &connection->intake.parameters);
	switch (intake_feed(&connection->intake, bytes.data, bytes.length,
			    used_r)) {
	case INTAKE_MORE:
		break;
	case INTAKE_WHOLE:
		conversation_start(connection);
		break;
	case INTAKE_MALFORMED:
		log_event(LOG_WARNING, "malformed_request", NULL,
			  "closed a connection from the web server: %s",
			  connection->intake.fault);
		connection_close(connection);
		break;
	}
}

static void feed_leftover(struct connection *connection)
{
	struct span bytes = span_from(buf_span(&connection->leftover),
				      connection->leftover_used);
	size_t used = 0;

	feed(connection, bytes, &used);
	if (connection->state == CONNECTION_CLOSED)
		return;
	connection->leftover_used += used;
	if (connection->leftover_used == connection->leftover.length) {
		buf_deinit(&connection->leftover);
		connection->leftover_used = 0;
	}
}

/* True where something moved. */
static bool receive(struct connection *connection)
{
	char *received = connection->owner->received;
	size_t used = 0;
	ssize_t count;

	if (connection->leftover.length > 0) {
		feed_leftover(connection);
		return true;
	}
	if (!connection->readable)
		return false;
	count = recv(connection->fd, received, CONNECTION_RECEIVE_BYTES,
		     MSG_DONTWAIT);
	if (count < 0 && errno == EINTR)
		return true;
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		connection->readable = false;
		return false;
	}
	if (count <= 0) {
		connection_close(connection);
		return false;
	}
	/* A short read has emptied the socket; an edge tells of more. */
	if (count < CONNECTION_RECEIVE_BYTES && !connection->ended)
		connection->readable = false;
	connection->active_ms = connection->owner->now_ms;
	feed(connection, (struct span){ received, (size_t)count }, &used);
	if (connection->state == CONNECTION_CLOSED)
		return false;
	if (!keep_leftover(connection, (struct span){ received + used,
						      (size_t)count - used })) {
		log_event(LOG_ERROR, "out_of_memory", NULL,
			  "closed a connection from the web server: no memory "
			  "for %zu bytes of its next request",
			  (size_t)count - used);
		connection_close(connection);
		return false;
	}
	return true;
}

/*
 * The whole outbox is sent. What is read for a peer that does not read would
 * be memory that waits for it.
 */
static void sent(struct connection *connection)
{
	connection_hold(connection, 0);
	spares_take(&connection->owner->spares, &connection->outbox);
	connection->outbox_sent = 0;
	if (!connection->finished && connections_hold_much(connection->owner) &&
	    watch(connection, EPOLL_CTL_MOD, true)) {
		connection->writable = false;
		connection->state = CONNECTION_PAUSED;
		return;
	}
	if (connection->watches_room)
		(void)watch(connection, EPOLL_CTL_MOD, false);
	conversation_sent(connection);
}

/* True where something moved. */
static bool send_out(struct connection *connection)
{
	struct span rest = span_from(buf_span(&connection->outbox),
				     connection->outbox_sent);
	ssize_t count;

	if (rest.length == 0) {
		sent(connection);
		return true;
	}
	if (!connection->writable)
		return false;
	count = send(connection->fd, rest.data, rest.length,
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	if (count < 0 && errno == EINTR)
		return true;
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		connection->writable = false;
		connection_hold(connection, connection->outbox.length);
		/* Where it has room again by now, that is an event at once. */
		if (connection->watches_room ||
		    watch(connection, EPOLL_CTL_MOD, true))
			return false;
	}
	if (count < 0) {
		connection_close(connection);
		return false;
	}
	connection->active_ms = connection->owner->now_ms;
	connection->outbox_sent += (size_t)count;
	return true;
}

/* Whether its peer can make it stall: between requests it may be idle. */
static bool can_stall(const struct connection *connection)
{
	return connection->state == CONNECTION_SENDING ||
	       connection->state == CONNECTION_PAUSED ||
	       (connection->state == CONNECTION_RECEIVING &&
		!intake_idle(&connection->intake));
}

/* The list stays in order because only what moves now goes to its end. */
static void keep_timed(struct connection *connection)
{
	if (!can_stall(connection)) {
		leave_timed(connection);
		return;
	}
	if (connection->timed && connection->timed_ms == connection->active_ms)
		return;
	leave_timed(connection);
	TAILQ_INSERT_TAIL(&connection->owner->timed, connection, timed_link);
	connection->timed_ms = connection->active_ms;
	connection->timed = true;
}

void connection_drive(struct connection *connection)
{
	int moves = 0;
	bool moved = true;

	while (moved && moves++ < MOVES_A_TURN) {
		switch (connection->state) {
		case CONNECTION_RECEIVING:
			moved = receive(connection);
			break;
		case CONNECTION_SENDING:
			moved = send_out(connection);
			break;
		case CONNECTION_PAUSED:
			moved = connection->writable;
			if (moved)
				conversation_sent(connection);
			break;
		case CONNECTION_ENDING:
			connection_close(connection);
			return;
		case CONNECTION_BUSY:
		case CONNECTION_CLOSED:
			moved = false;
			break;
		}
	}
	if (connection->state == CONNECTION_CLOSED)
		return;
	if (moved && !connection->queued) {
		TAILQ_INSERT_TAIL(&connection->owner->queued, connection,
				  queued_link);
		connection->queued = true;
	}
	keep_timed(connection);
}

void connection_handle(struct connection *connection, uint32_t events)
{
	if (connection->state == CONNECTION_CLOSED)
		return;
	if (events & (EPOLLHUP | EPOLLERR))
		connection->peer_gone = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		connection->ended = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		connection->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		connection->writable = true;
	connection_drive(connection);
}
