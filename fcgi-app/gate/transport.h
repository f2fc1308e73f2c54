/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_TRANSPORT_H
#define BUZON_GATE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate/intake.h"
#include "gate/pressure.h"
#include "gate/spares.h"
#include "text/buf.h"

/*
 * The bytes of one connection from a web server: what comes in, up to a whole
 * request, and what goes out. It knows nothing of answers and never closes the
 * connection by itself: it reports, and its owner decides. For the gate's
 * thread; no call blocks.
 */

enum { TRANSPORT_RECEIVE_BYTES = 64 * 1024 };

/* What all transports of a gate share; it outlives them. */
struct transport_shared {
	int epoll_fd;
	size_t body_max_bytes;
	int64_t now_ms; /* CLOCK_MONOTONIC, as of the gate's turn */
	char *received; /* TRANSPORT_RECEIVE_BYTES, for one call at a time */
	struct spares spares;
	struct pressure pressure;
};

enum transport_report {
	TRANSPORT_IDLE,  /* nothing can be done before the next event */
	TRANSPORT_MOVED, /* bytes moved, and more may */
	/* receive: the intake holds a whole request. */
	TRANSPORT_REQUEST,
	/* send: the last byte that there was has gone. */
	TRANSPORT_SENT,
	/* send: there is nothing to send, and room for more. */
	TRANSPORT_ROOM,
	TRANSPORT_GONE, /* the connection is of no more use */
};

struct transport {
	struct transport_shared *shared;
	int fd;
	void *tag;         /* what epoll's events for it come with */
	bool readable;     /* there may be bytes to receive */
	bool writable;     /* there may be room to send */
	bool watches_room; /* epoll tells when there is room to send again */
	bool ended;        /* the peer sends no more; maybe it is gone */
	bool gone;         /* nobody reads what is sent */
	bool spoiled;      /* bytes of a next request were lost: take none */

	struct intake intake;
	int64_t request_ms; /* when the first byte of the request came */
	struct buf rest;    /* bytes behind the request that is served */
	size_t rest_used;
	size_t request_held; /* see pressure.h */

	struct buf outbox; /* the owner appends what is to be sent */
	size_t outbox_sent;
	size_t answer_held;

	int64_t active_ms; /* when bytes last moved */
};

/*
 * Takes over a socket that was accepted; epoll's events for it come with
 * `tag`. False, with errno, where the kernel refuses; the socket is then still
 * the caller's.
 */
bool transport_open(struct transport *transport,
		    struct transport_shared *shared, int fd,
		    void *tag) MUST_CHECK;

/* Closes the socket and frees all buffers. */
void transport_close(struct transport *transport);

/* Notes what epoll has told of it. */
void transport_note(struct transport *transport, uint32_t events);

/* Takes in what has come, up to one whole request. */
enum transport_report transport_receive(struct transport *transport);

/* The request was served: makes ready for the next one. */
void transport_next_request(struct transport *transport);

/* Whether no byte of a next request has come. */
bool transport_between_requests(const struct transport *transport);

/* Sends what is in the outbox. */
enum transport_report transport_send(struct transport *transport);

/*
 * Has transport_send() report ROOM only once the peer has read on. False where
 * that can't be watched.
 */
bool transport_await_room(struct transport *transport) MUST_CHECK;

#endif
