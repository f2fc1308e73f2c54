/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_CONNECTION_H
#define BUZON_GATE_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/exchange.h"
#include "text/buf.h"
#include "gate/codec.h"
#include "gate/intake.h"
#include "gate/spares.h"
#include "gate/workers.h"

/*
 * One connection from a web server: bytes in, bytes out. All of this belongs to
 * the gate's thread, and no call blocks.
 */

enum { CONNECTION_RECEIVE_BYTES = 64 * 1024 };

enum connection_state {
	CONNECTION_RECEIVING, /* a request, or the wait for one */
	CONNECTION_BUSY,      /* a step of its exchange is somewhere */
	CONNECTION_SENDING,
	CONNECTION_PAUSED, /* between two pieces, until there is room */
	CONNECTION_ENDING, /* connection_drive() is to close it */
	CONNECTION_CLOSED, /* freed at the end of the gate's turn */
};

struct connection {
	struct connections *owner;
	int fd;
	enum connection_state state;
	bool readable;     /* there may be bytes to receive */
	bool writable;     /* there may be room to send */
	bool watches_room; /* epoll tells when there is room to send again */
	bool ended;        /* the peer sends no more; maybe it is gone */
	bool peer_gone;    /* nobody reads the answer */

	struct intake intake;
	struct buf leftover; /* bytes behind the request that is served */
	size_t leftover_used;

	struct codec_request *request; /* while an exchange is under way */
	struct exchange exchange;
	struct buf path;
	bool head_sent;
	bool finished; /* the answer is encoded to its end */
	bool last;     /* and no other follows it on this connection */
	int64_t started_us;
	uint64_t body_bytes;

	struct buf outbox;
	size_t outbox_sent;
	size_t held_bytes; /* of an answer that goes on: read, and not sent */

	int64_t active_ms; /* when bytes last moved */
	int64_t timed_ms;  /* active_ms when it took its place in that list */
	bool timed;        /* in the list of those that may stall */
	bool waiting;      /* in the list of those with a deadline */
	bool queued;       /* in the list of those with more to do at once */

	TAILQ_ENTRY(connection) all_link;
	TAILQ_ENTRY(connection) timed_link;
	TAILQ_ENTRY(connection) waiting_link;
	TAILQ_ENTRY(connection) queued_link;

	struct connection *returned_next;
	enum exchange_outcome returned; /* what its step came to */
};

TAILQ_HEAD(connection_list, connection);

/* The set it is in; see connections.h. */
struct connections {
	/* Set by the gate before the first call. */
	int epoll_fd;
	int wake_fd; /* an eventfd that wakes the gate's thread */
	struct codec *codec;
	struct workers *workers;
	const struct service *service;
	int64_t stall_timeout_ms;
	bool log_requests;
	int64_t now_ms; /* CLOCK_MONOTONIC, as of this turn */

	bool draining;
	size_t count;
	struct connection_list all;
	struct connection_list timed;   /* the longest without a move first */
	struct connection_list waiting; /* the nearest deadline first */
	struct connection_list queued;
	struct connection_list closed;
	atomic_size_t held_bytes; /* of all of them together */
	char *received; /* where recv() puts bytes before they are looked at */
	struct spares spares; /* of the buffers that a request needs */

	pthread_mutex_t returned_mutex;
	struct connection *returned_first;
	struct connection *returned_last;
	atomic_bool wake_pending;
};

/*
 * Takes a socket that was accepted into the set. NULL when there is no memory;
 * the socket is then still the caller's.
 */
struct connection *connection_open(struct connections *owner, int fd);

/* Does all that can be done after these epoll events. */
void connection_handle(struct connection *connection, uint32_t events);

/* Moves bytes in and out, and goes on with what they lead to. */
void connection_drive(struct connection *connection);

/*
 * So many bytes of its answer are in memory and wait to be sent; for the sum of
 * all. By the thread that has its exchange.
 */
void connection_hold(struct connection *connection, size_t bytes);

/* Takes it out of the set; it is freed when the gate's turn is over. */
void connection_close(struct connection *connection);

/* Frees one that was closed. */
void connection_free(struct connection *connection);

#endif
