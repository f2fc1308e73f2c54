/* SPDX-License-Identifier: MIT */
#include "gate/sessions.h"

#include <stddef.h>
#include <stdlib.h>

#include "system/clock.h"
#include "system/log.h"

enum {
	/* Without a move, where too much is held for those who do not move. */
	HURRIED_STALL_MS = 1000,
	/* How often to look for these. */
	HURRIED_LOOK_MS = 100,
	/* How many idle sessions may turn out to be busy, looking for one. */
	ROOM_TRIES = 8,
	/* A web server connects first and sends then. */
	IDLE_LEAST_MS = 100,
};

bool sessions_init(struct session_host *host, int epoll_fd)
{
	*host = (struct session_host){ .transport.epoll_fd = epoll_fd };
	TAILQ_INIT(&host->all);
	TAILQ_INIT(&host->ready);
	TAILQ_INIT(&host->closed);
	deadlines_init(&host->idle);
	deadlines_init(&host->stalling);
	deadlines_init(&host->parked);
	host->transport.received = malloc(TRANSPORT_RECEIVE_BYTES);
	return returns_init(&host->serving.returns) &&
	       host->transport.received != NULL;
}

void sessions_deinit(struct session_host *host)
{
	while (!TAILQ_EMPTY(&host->all))
		session_close(TAILQ_FIRST(&host->all), SERVING_CUT);
	sessions_sweep(host);
	returns_deinit(&host->serving.returns);
	spares_deinit(&host->transport.spares);
	free(host->transport.received);
	host->transport.received = NULL;
}

void sessions_sweep(struct session_host *host)
{
	while (!TAILQ_EMPTY(&host->closed)) {
		struct session *session = TAILQ_FIRST(&host->closed);

		TAILQ_REMOVE(&host->closed, session, all_link);
		session_free(session);
	}
}

void sessions_begin_turn(struct session_host *host)
{
	host->transport.now_ms = clock_now_ms();
	returns_begin_turn(&host->serving.returns);
}

void sessions_continue_returned(struct session_host *host)
{
	struct returned *returned = returns_collect(&host->serving.returns);

	while (returned != NULL) {
		struct session *session =
			(struct session *)((char *)returned -
					   offsetof(struct session,
						    serving.returned));

		returned = returned->next;
		session_continue(session);
	}
}

void sessions_drive_ready(struct session_host *host)
{
	struct session_list list = TAILQ_HEAD_INITIALIZER(list);
	struct session *session;

	/* Those that are not done by then come into the list again. */
	TAILQ_CONCAT(&list, &host->ready, ready_link);
	while (!TAILQ_EMPTY(&list)) {
		session = TAILQ_FIRST(&list);
		TAILQ_REMOVE(&list, session, ready_link);
		session->ready = false;
		session_drive(session);
	}
}

static struct session *session_of(struct deadline *deadline)
{
	return (struct session *)((char *)deadline -
				  offsetof(struct session, deadline));
}

/* How long it may stand still, as things are now. */
static int64_t patience_ms(const struct session *session)
{
	const struct session_host *host = session->host;
	const struct pressure *pressure = &host->transport.pressure;
	bool hurried = session->phase == PHASE_READING
			       ? pressure_hurries_requests(pressure)
			       : session->transport.answer_held > 0 &&
					 pressure_hurries_answers(pressure);

	return hurried ? HURRIED_STALL_MS : host->stall_timeout_ms;
}

static bool hurries(const struct session_host *host)
{
	const struct pressure *pressure = &host->transport.pressure;

	return pressure_hurries_requests(pressure) ||
	       pressure_hurries_answers(pressure);
}

static void close_stalled(struct session *session, int64_t stalled_ms)
{
	log_event(LOG_WARNING, "stalled", NULL,
		  "closed a connection from the web server that moved no byte "
		  "for %lld ms in the middle of %s",
		  (long long)stalled_ms,
		  session->phase == PHASE_READING ? "a request" : "an answer");
	session_close(session, SERVING_CUT);
}

static void expire_stalling(struct session_host *host, int64_t seen_ms)
{
	struct deadline *deadline = deadlines_first(&host->stalling);
	bool hurried = hurries(host);

	while (deadline != NULL) {
		struct session *session = session_of(deadline);
		int64_t stalled_ms = seen_ms - session->transport.active_ms;

		deadline = deadline_next(deadline);
		if (stalled_ms >= patience_ms(session))
			close_stalled(session, stalled_ms);
		else if (!hurried || stalled_ms < HURRIED_STALL_MS)
			break;
	}
}

static void expire_parked(struct session_host *host, int64_t seen_ms)
{
	struct deadline *deadline = deadlines_first(&host->parked);

	while (deadline != NULL && deadline->at_ms <= seen_ms) {
		struct session *session = session_of(deadline);

		deadline = deadline_next(deadline);
		deadline_clear(&session->deadline);
		session_interrupt(session, EXCHANGE_EXPIRED);
		if (session->phase != PHASE_PARKED)
			session_drive(session);
	}
}

void sessions_expire(struct session_host *host, int64_t seen_ms)
{
	expire_stalling(host, seen_ms);
	expire_parked(host, seen_ms);
}

int64_t sessions_next_expiry_ms(const struct session_host *host)
{
	const struct deadline *stalling = deadlines_first(&host->stalling);
	const struct deadline *parked = deadlines_first(&host->parked);
	int64_t now_ms = host->transport.now_ms;
	int64_t next_ms = -1;

	if (!TAILQ_EMPTY(&host->ready))
		return now_ms;
	if (stalling != NULL)
		next_ms = stalling->at_ms;
	if (next_ms > now_ms + HURRIED_LOOK_MS && hurries(host))
		next_ms = now_ms + HURRIED_LOOK_MS;
	if (parked != NULL && (next_ms < 0 || parked->at_ms < next_ms))
		next_ms = parked->at_ms;
	return next_ms;
}

/* False where a last look shows that it is not idle, or no more. */
static bool close_if_idle(struct session *session)
{
	session->transport.readable = true;
	session_drive(session);
	if (session->phase == PHASE_CLOSING)
		return true;
	if (session->phase != PHASE_READING || session->ready ||
	    !transport_between_requests(&session->transport))
		return false;
	session_close(session, SERVING_CUT);
	return true;
}

int64_t sessions_room_ms(const struct session_host *host)
{
	const struct deadline *idle = deadlines_first(&host->idle);

	return idle == NULL ? -1 : idle->at_ms + IDLE_LEAST_MS;
}

bool sessions_make_room(struct session_host *host)
{
	for (int tries = 0; tries < ROOM_TRIES; tries++) {
		int64_t room_ms = sessions_room_ms(host);

		if (room_ms < 0 || room_ms > host->transport.now_ms)
			return false;
		if (close_if_idle(session_of(deadlines_first(&host->idle))))
			return true;
	}
	return false;
}

void sessions_begin_drain(struct session_host *host)
{
	struct session *session, *next;

	host->serving.draining = true;
	for (session = TAILQ_FIRST(&host->all); session != NULL;
	     session = next) {
		next = TAILQ_NEXT(session, all_link);
		if (session->phase != PHASE_PARKED)
			continue;
		session_interrupt(session, EXCHANGE_DRAINING);
		session_drive(session);
	}
}

void sessions_close_idle(struct session_host *host)
{
	struct session *session, *next;

	for (session = TAILQ_FIRST(&host->all); session != NULL;
	     session = next) {
		next = TAILQ_NEXT(session, all_link);
		if (session->phase == PHASE_READING)
			(void)close_if_idle(session);
	}
}

size_t sessions_drop_partial(struct session_host *host)
{
	struct session *session, *next;
	size_t dropped = 0;

	for (session = TAILQ_FIRST(&host->all); session != NULL;
	     session = next) {
		next = TAILQ_NEXT(session, all_link);
		if (session->phase != PHASE_READING || session->ready)
			continue;
		session_close(session, SERVING_CUT);
		dropped++;
	}
	return dropped;
}

size_t sessions_log_cut(const struct session_host *host)
{
	const struct session *session;
	size_t cut = 0;

	for (session = TAILQ_FIRST(&host->all); session != NULL;
	     session = TAILQ_NEXT(session, all_link)) {
		if (!session->serving.under_way)
			continue;
		serving_log(&session->serving, SERVING_CUT);
		cut++;
	}
	return cut;
}
