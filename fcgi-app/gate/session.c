/* SPDX-License-Identifier: MIT */
#include "gate/session.h"

#include <assert.h>
#include <stdlib.h>

#include "system/log.h"

enum {
	/* Of one session in one turn, so that others get theirs. */
	MOVES_A_TURN = 64,
	/* For a whole request while many of them hold much memory. */
	HURRIED_REQUEST_MS = 5000,
};

#define PHASE_BIT(phase) (1u << (phase))

/* The arrows in session.h. */
static const unsigned may_follow[PHASE__MAX] = {
	[PHASE_READING] = PHASE_BIT(PHASE_RUNNING) | PHASE_BIT(PHASE_CLOSING),
	[PHASE_RUNNING] = PHASE_BIT(PHASE_RUNNING) | PHASE_BIT(PHASE_PARKED) |
			  PHASE_BIT(PHASE_WRITING) | PHASE_BIT(PHASE_CLOSING),
	[PHASE_PARKED] = PHASE_BIT(PHASE_RUNNING),
	[PHASE_WRITING] = PHASE_BIT(PHASE_READING) | PHASE_BIT(PHASE_RUNNING) |
			  PHASE_BIT(PHASE_CLOSING),
};

static void enter_closing(struct session *session)
{
	struct session_host *host = session->host;

	deadline_clear(&session->deadline);
	if (session->ready)
		TAILQ_REMOVE(&host->ready, session, ready_link);
	session->ready = false;
	TAILQ_REMOVE(&host->all, session, all_link);
	host->count--;
	transport_close(&session->transport);
	/* Events of this turn may still point to it: freed when it is over. */
	TAILQ_INSERT_TAIL(&host->closed, session, all_link);
}

/*
 * Enters a phase. While an exchange is in a worker's or another room's hands
 * there is no way to CLOSING but over RUNNING, that is after it was given or
 * taken back: nothing can be freed that somebody still uses.
 */
static void enter_phase(struct session *session, enum phase phase)
{
	assert(may_follow[session->phase] & PHASE_BIT(phase));
	session->phase = phase;
	if (phase == PHASE_CLOSING)
		enter_closing(session);
}

bool session_open(struct session_host *host, int fd)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return false;
	session->host = host;
	if (!transport_open(&session->transport, &host->transport, fd,
			    session)) {
		free(session);
		return false;
	}
	serving_init(&session->serving, &host->serving, &session->transport);
	TAILQ_INSERT_TAIL(&host->all, session, all_link);
	host->count++;
	deadline_set(&session->deadline, &host->idle, host->transport.now_ms);
	return true;
}

void session_free(struct session *session)
{
	assert(session->phase == PHASE_CLOSING);
	free(session);
}

void session_close(struct session *session, enum serving_end end)
{
	assert(session->phase != PHASE_PARKED);
	if (session->serving.under_way)
		serving_end(&session->serving, end);
	enter_phase(session, PHASE_CLOSING);
}

/* How an answer ends that can't be sent any more. */
static enum serving_end broken_end(const struct session *session)
{
	return session->transport.gone ? SERVING_ABANDONED : SERVING_CUT;
}

/* RUNNING has come to what is next. */
static void follow(struct session *session, enum serving_next next)
{
	switch (next) {
	case SERVING_RUNS:
		break;
	case SERVING_WAITS:
		enter_phase(session, PHASE_PARKED);
		if (session->transport.gone)
			session_interrupt(session, EXCHANGE_ABANDONED);
		break;
	case SERVING_WRITES:
		enter_phase(session, PHASE_WRITING);
		break;
	case SERVING_BROKEN:
		session_close(session, broken_end(session));
		break;
	}
}

void session_interrupt(struct session *session, enum exchange_interruption why)
{
	assert(session->phase == PHASE_PARKED);
	if (!serving_take_back(&session->serving, why)) {
		/* It is about to be resumed; once is enough. */
		if (why == EXCHANGE_EXPIRED)
			session->serving.exchange.wait.deadline_ms = 0;
		return;
	}
	enter_phase(session, PHASE_RUNNING);
	if (why == EXCHANGE_ABANDONED)
		session_close(session, SERVING_ABANDONED);
	else
		follow(session, serving_step(&session->serving));
}

void session_continue(struct session *session)
{
	enter_phase(session, PHASE_RUNNING);
	follow(session, serving_continue(&session->serving));
	session_drive(session);
}

/* A byte now and then does not make a request come in for ever. */
static bool is_overdue(const struct session *session)
{
	const struct transport *transport = &session->transport;
	const struct session_host *host = session->host;
	int64_t took_ms = host->transport.now_ms - transport->request_ms;
	int64_t most_ms = host->request_timeout_ms;

	if (pressure_hurries_requests(&host->transport.pressure) &&
	    most_ms > HURRIED_REQUEST_MS)
		most_ms = HURRIED_REQUEST_MS;
	if (transport_between_requests(transport) || took_ms < most_ms)
		return false;
	log_event(LOG_WARNING, "request_timeout", NULL,
		  "closed a connection from the web server: a request was not "
		  "whole after %lld ms; at most %lld ms are given",
		  (long long)took_ms, (long long)most_ms);
	return true;
}

/* True where something moved. */
static bool read_on(struct session *session)
{
	switch (transport_receive(&session->transport)) {
	case TRANSPORT_REQUEST:
		enter_phase(session, PHASE_RUNNING);
		follow(session, serving_begin(&session->serving));
		return true;
	case TRANSPORT_MOVED:
		if (is_overdue(session))
			break;
		return true;
	case TRANSPORT_GONE:
		break;
	default:
		return false;
	}
	session_close(session, SERVING_CUT);
	return false;
}

static void answer_sent(struct session *session)
{
	serving_end(&session->serving, SERVING_SENT);
	if (session->serving.last) {
		enter_phase(session, PHASE_CLOSING);
		return;
	}
	transport_next_request(&session->transport);
	enter_phase(session, PHASE_READING);
}

static void write_next_piece(struct session *session)
{
	enter_phase(session, PHASE_RUNNING);
	follow(session, serving_step(&session->serving));
}

/* True where something moved. */
static bool write_on(struct session *session)
{
	struct transport *transport = &session->transport;

	switch (transport_send(transport)) {
	case TRANSPORT_MOVED:
		return true;
	case TRANSPORT_SENT:
		if (serving_finished(&session->serving))
			answer_sent(session);
		else if (!pressure_paces_answers(
				 &transport->shared->pressure) ||
			 !transport_await_room(transport))
			write_next_piece(session);
		return true;
	case TRANSPORT_ROOM:
		write_next_piece(session);
		return true;
	case TRANSPORT_GONE:
		transport->gone = true;
		session_close(session, SERVING_ABANDONED);
		return false;
	default:
		return false;
	}
}

/* Places its deadline, now that it waits for something. */
static void set_deadline(struct session *session)
{
	struct session_host *host = session->host;
	const struct transport *transport = &session->transport;
	int64_t parked_ms = session->serving.exchange.wait.deadline_ms;

	if (session->phase == PHASE_RUNNING ||
	    (session->phase == PHASE_PARKED && parked_ms == 0))
		deadline_clear(&session->deadline);
	else if (session->phase == PHASE_PARKED)
		deadline_set(&session->deadline, &host->parked, parked_ms);
	else if (session->phase == PHASE_READING &&
		 transport_between_requests(transport))
		deadline_set(&session->deadline, &host->idle,
			     transport->active_ms);
	else
		deadline_set(&session->deadline, &host->stalling,
			     transport->active_ms + host->stall_timeout_ms);
}

void session_drive(struct session *session)
{
	bool moved = true;

	for (int moves = 0; moved && moves < MOVES_A_TURN; moves++) {
		if (session->phase == PHASE_READING)
			moved = read_on(session);
		else if (session->phase == PHASE_WRITING)
			moved = write_on(session);
		else
			moved = false;
	}
	if (session->phase == PHASE_CLOSING)
		return;
	if (moved && !session->ready) {
		TAILQ_INSERT_TAIL(&session->host->ready, session, ready_link);
		session->ready = true;
	}
	set_deadline(session);
}

void session_handle(struct session *session, uint32_t events)
{
	if (session->phase == PHASE_CLOSING)
		return;
	transport_note(&session->transport, events);
	if (session->phase == PHASE_PARKED && session->transport.gone)
		session_interrupt(session, EXCHANGE_ABANDONED);
	session_drive(session);
}
