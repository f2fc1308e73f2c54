/* SPDX-License-Identifier: MIT */
#include "gate/transport.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/log.h"

/*
 * Edges only, so that nothing has to be re-armed for each request. Room to
 * send is watched only while there is none: each answer that the peer reads
 * would be an event.
 */
static bool watch_socket(struct transport *transport, int operation, bool room)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET |
			  (room ? (uint32_t)EPOLLOUT : 0),
		.data.ptr = transport->tag,
	};

	transport->watches_room = room;
	return epoll_ctl(transport->shared->epoll_fd, operation, transport->fd,
			 &event) == 0;
}

bool transport_open(struct transport *transport,
		    struct transport_shared *shared, int fd, void *tag)
{
	*transport = (struct transport){
		.shared = shared,
		.fd = fd,
		.tag = tag,
		.writable = true,
		.active_ms = shared->now_ms,
	};
	intake_init(&transport->intake, shared->body_max_bytes);
	buf_init(&transport->rest, TRANSPORT_RECEIVE_BYTES);
	buf_init(&transport->outbox, SIZE_MAX / 2);
	return watch_socket(transport, EPOLL_CTL_ADD, false);
}

/* Counts what the request holds now, with what has come behind it. */
static void count_request(struct transport *transport)
{
	const struct intake *intake = &transport->intake;

	pressure_hold_request(
		&transport->shared->pressure, &transport->request_held,
		intake->parameters.capacity + intake->body.capacity +
			transport->rest.capacity);
}

void transport_close(struct transport *transport)
{
	struct pressure *pressure = &transport->shared->pressure;

	pressure_hold_answer(pressure, &transport->answer_held, 0);
	pressure_hold_request(pressure, &transport->request_held, 0);
	intake_deinit(&transport->intake);
	buf_deinit(&transport->rest);
	buf_deinit(&transport->outbox);
	/* Nobody else has the socket, so epoll forgets it with this. */
	close(transport->fd);
	transport->fd = -1;
}

void transport_note(struct transport *transport, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		transport->gone = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		transport->ended = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		transport->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		transport->writable = true;
}

bool transport_between_requests(const struct transport *transport)
{
	return intake_idle(&transport->intake) && transport->rest.length == 0;
}

static enum transport_report feed(struct transport *transport,
				  struct span bytes, size_t *used_r)
{
	struct transport_shared *shared = transport->shared;
	struct intake *intake = &transport->intake;
	enum intake_result result;

	if (intake_idle(intake)) {
		transport->request_ms = shared->now_ms;
		spares_lend(&shared->spares, &intake->parameters);
	}
	if (pressure_refuses(&shared->pressure,
			     transport->request_held + bytes.length))
		intake_discard(intake);
	result = intake_feed(intake, bytes.data, bytes.length, used_r);
	count_request(transport);
	switch (result) {
	case INTAKE_MORE:
		return TRANSPORT_MOVED;
	case INTAKE_WHOLE:
		return TRANSPORT_REQUEST;
	case INTAKE_MALFORMED:
		break;
	}
	log_event(LOG_WARNING, "malformed_request", NULL,
		  "closed a connection from the web server: %s", intake->fault);
	return TRANSPORT_GONE;
}

static enum transport_report feed_rest(struct transport *transport)
{
	struct span bytes =
		span_from(buf_span(&transport->rest), transport->rest_used);
	size_t used = 0;
	enum transport_report report = feed(transport, bytes, &used);

	transport->rest_used += used;
	if (transport->rest_used == transport->rest.length) {
		buf_deinit(&transport->rest);
		transport->rest_used = 0;
		count_request(transport);
	}
	return report;
}

/*
 * Keeps what has come behind the request that is to be served now. Without
 * memory for it that request is still served, as the last one.
 */
static void keep_rest(struct transport *transport, struct span rest)
{
	if (rest.length == 0)
		return;
	buf_append_span(&transport->rest, rest);
	if (buf_error(&transport->rest) != ERR_OK) {
		log_event(LOG_ERROR, "out_of_memory", NULL,
			  "no memory for %zu bytes of a next request; its "
			  "connection from the web server ends with the "
			  "answer to this one",
			  rest.length);
		buf_deinit(&transport->rest);
		transport->spoiled = true;
	}
	count_request(transport);
}

enum transport_report transport_receive(struct transport *transport)
{
	char *received = transport->shared->received;
	enum transport_report report;
	size_t used = 0;
	ssize_t count;

	if (transport->rest.length > 0)
		return feed_rest(transport);
	if (!transport->readable)
		return TRANSPORT_IDLE;
	count = recv(transport->fd, received, TRANSPORT_RECEIVE_BYTES,
		     MSG_DONTWAIT);
	if (count < 0 && errno == EINTR)
		return TRANSPORT_MOVED;
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		transport->readable = false;
		return TRANSPORT_IDLE;
	}
	if (count <= 0)
		return TRANSPORT_GONE;
	/* A short read has emptied the socket; an edge tells of more. */
	if (count < TRANSPORT_RECEIVE_BYTES && !transport->ended)
		transport->readable = false;
	transport->active_ms = transport->shared->now_ms;
	report = feed(transport, (struct span){ received, (size_t)count },
		      &used);
	if (report == TRANSPORT_REQUEST)
		keep_rest(transport, (struct span){ received + used,
						    (size_t)count - used });
	return report;
}

void transport_next_request(struct transport *transport)
{
	struct spares *spares = &transport->shared->spares;

	intake_reset(&transport->intake);
	spares_take(spares, &transport->intake.parameters);
	spares_take(spares, &transport->intake.body);
	count_request(transport);
}

bool transport_await_room(struct transport *transport)
{
	if (!watch_socket(transport, EPOLL_CTL_MOD, true))
		return false;
	/* Where it has room by now, that is an event at once. */
	transport->writable = false;
	return true;
}

/* What is read for a peer that does not read would be memory that waits. */
static enum transport_report all_sent(struct transport *transport)
{
	struct transport_shared *shared = transport->shared;

	pressure_hold_answer(&shared->pressure, &transport->answer_held, 0);
	spares_take(&shared->spares, &transport->outbox);
	transport->outbox_sent = 0;
	if (transport->watches_room)
		(void)watch_socket(transport, EPOLL_CTL_MOD, false);
	return TRANSPORT_SENT;
}

static enum transport_report send_failed(struct transport *transport)
{
	if (errno == EINTR)
		return TRANSPORT_MOVED;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return TRANSPORT_GONE;
	pressure_hold_answer(&transport->shared->pressure,
			     &transport->answer_held, transport->outbox.length);
	transport->writable = false;
	if (transport->watches_room || transport_await_room(transport))
		return TRANSPORT_IDLE;
	return TRANSPORT_GONE;
}

enum transport_report transport_send(struct transport *transport)
{
	struct span rest =
		span_from(buf_span(&transport->outbox), transport->outbox_sent);
	ssize_t count;

	if (rest.length == 0 && transport->outbox_sent > 0)
		return all_sent(transport);
	if (!transport->writable)
		return TRANSPORT_IDLE;
	if (rest.length == 0)
		return TRANSPORT_ROOM;
	count = send(transport->fd, rest.data, rest.length,
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	if (count < 0)
		return send_failed(transport);
	transport->active_ms = transport->shared->now_ms;
	transport->outbox_sent += (size_t)count;
	if (transport->outbox_sent == transport->outbox.length)
		return all_sent(transport);
	return TRANSPORT_MOVED;
}
