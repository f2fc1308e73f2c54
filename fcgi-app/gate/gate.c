/* SPDX-License-Identifier: MIT */
#include "gate/gate.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gate/listener.h"
#include "gate/scheduling.h"
#include "gate/watcher.h"
#include "system/clock.h"
#include "system/log.h"

enum {
	EVENTS_A_CALL = 256,
	/*
	 * Drain: a web server may be sending on a kept connection just now, so
	 * those stay open for a moment; a request that is still not whole, and
	 * an answer that is still not made, get longer, within the 10 s that
	 * the program has.
	 */
	DRAIN_IDLE_MS = 500,
	DRAIN_PARTIAL_MS = 5000,
	DRAIN_ALL_MS = 8500,
	DRAIN_LOOK_MS = 50,
};

struct gate {
	struct session_host host;
	struct listener listener;
	struct scheduling scheduling;
	struct watcher finder;
	int signal_fd;
	int64_t drain_began_ms;
	int64_t seen_ms; /* all events of before have been handled */
	size_t dropped;  /* requests that were not whole when it had to end */
};

/* The address of each part below tells its events from a session's. */
static bool watch_descriptor(struct gate *gate, int fd, uint32_t events,
			     void *tag)
{
	struct epoll_event event = { .events = events, .data.ptr = tag };

	return fd >= 0 && epoll_ctl(gate->host.transport.epoll_fd,
				    EPOLL_CTL_ADD, fd, &event) == 0;
}

static void begin_drain(struct gate *gate)
{
	struct signalfd_siginfo info;

	if (read(gate->signal_fd, &info, sizeof(info)) != sizeof(info) ||
	    gate->host.serving.draining)
		return;
	listener_close(&gate->listener);
	log_event(LOG_INFO, "draining", NULL,
		  "signal %u: no new connections; %zu are open", info.ssi_signo,
		  gate->host.count);
	gate->drain_began_ms = gate->host.transport.now_ms;
	sessions_begin_drain(&gate->host);
}

static void drain(struct gate *gate)
{
	int64_t took_ms = gate->host.transport.now_ms - gate->drain_began_ms;

	if (took_ms >= DRAIN_IDLE_MS)
		sessions_close_idle(&gate->host);
	if (took_ms >= DRAIN_PARTIAL_MS)
		gate->dropped += sessions_drop_partial(&gate->host);
}

static bool drain_over(const struct gate *gate)
{
	const struct session_host *host = &gate->host;

	return host->serving.draining &&
	       (host->count == 0 ||
		host->transport.now_ms - gate->drain_began_ms >= DRAIN_ALL_MS);
}

/* The earlier of two moments, of which -1 is never. */
static int64_t earlier(int64_t one_ms, int64_t other_ms)
{
	if (one_ms < 0 || other_ms < 0)
		return one_ms < 0 ? other_ms : one_ms;
	return one_ms < other_ms ? one_ms : other_ms;
}

/* How long epoll may wait, in milliseconds; -1 for ever. */
static int patience_ms(const struct gate *gate)
{
	const struct session_host *host = &gate->host;
	int64_t now_ms = host->transport.now_ms;
	int64_t next_ms = earlier(sessions_next_expiry_ms(host),
				  watcher_next_expiry_ms(&gate->finder));

	next_ms = earlier(next_ms, listener_next_ms(&gate->listener));
	if (host->serving.draining)
		next_ms = earlier(next_ms, now_ms + DRAIN_LOOK_MS);
	if (next_ms < 0)
		return -1;
	next_ms -= now_ms;
	return next_ms < 0 ? 0 : next_ms > 60000 ? 60000 : (int)next_ms;
}

static void handle(struct gate *gate, const struct epoll_event *event)
{
	if (event->data.ptr == &gate->listener)
		listener_accept(&gate->listener);
	else if (event->data.ptr == &gate->signal_fd)
		begin_drain(gate);
	else if (event->data.ptr == &gate->finder)
		watcher_handle(&gate->finder);
	else if (event->data.ptr != &gate->host.serving.returns)
		session_handle(event->data.ptr, event->events);
}

/*
 * Handles all events that there are, and sets seen_ms: none of before is left,
 * wherever the process may have been paused. The kernel keeps events in their
 * order, so that as many calls as this see all of them. False when epoll
 * failed.
 */
static bool handle_events(struct gate *gate)
{
	struct epoll_event events[EVENTS_A_CALL];
	size_t calls = gate->host.count / EVENTS_A_CALL + 1;
	int wait_ms = patience_ms(gate);
	int count;

	do {
		gate->seen_ms = gate->host.transport.now_ms;
		count = epoll_wait(gate->host.transport.epoll_fd, events,
				   EVENTS_A_CALL, wait_ms);
		if (count < 0 && errno != EINTR) {
			log_event(LOG_ERROR, "internal", NULL, "epoll_wait: %s",
				  strerrordesc_np(errno));
			return false;
		}
		sessions_begin_turn(&gate->host);
		for (int i = 0; i < count; i++)
			handle(gate, &events[i]);
		wait_ms = 0;
	} while (count == EVENTS_A_CALL && calls-- > 0);
	return true;
}

/* False when epoll failed. */
static bool turn(struct gate *gate)
{
	struct session_host *host = &gate->host;

	if (!handle_events(gate))
		return false;
	sessions_drive_ready(host);
	sessions_expire(host, gate->seen_ms);
	if (host->serving.draining)
		drain(gate);
	watcher_turn(&gate->finder, host->transport.now_ms);
	/*
	 * Last, so that what all these give back needs no wake. Who wakes the
	 * gate before this is not heard: patience_ms() asks the finder.
	 */
	sessions_continue_returned(host);
	sessions_sweep(host);
	listener_resume(&gate->listener);
	scheduling_adapt(&gate->scheduling, host->count);
	return true;
}

static bool open_descriptors(struct gate *gate)
{
	struct session_host *host = &gate->host;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	gate->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return watch_descriptor(gate, gate->signal_fd, EPOLLIN,
				&gate->signal_fd) &&
	       /* Never read: each write to it is an edge of its own. */
	       watch_descriptor(gate, host->serving.returns.wake_fd,
				EPOLLIN | EPOLLET, &host->serving.returns);
}

static void apply(struct session_host *host, const struct settings *settings,
		  const struct service *service)
{
	host->serving.service = service;
	host->serving.log_requests = settings->log_requests;
	host->transport.body_max_bytes = service->body_limit_bytes;
	host->stall_timeout_ms = (int64_t)settings->stall_timeout_secs * 1000;
	host->request_timeout_ms =
		(int64_t)settings->request_timeout_secs * 1000;
}

static bool start(struct gate *gate, int listen_fd,
		  const struct settings *settings,
		  const struct service *service, store_open_fn *open,
		  void *context)
{
	struct session_host *host = &gate->host;
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_fd < 0 || !sessions_init(host, epoll_fd) ||
	    !open_descriptors(gate) ||
	    !listener_open(&gate->listener, listen_fd,
			   (size_t)settings->max_connections, host)) {
		log_event(LOG_ERROR, "start_failed", NULL,
			  "the gate could not be set up: %s",
			  strerrordesc_np(errno));
		return false;
	}
	apply(host, settings, service);
	scheduling_init(&gate->scheduling);
	watcher_attach(&gate->finder, service->finder, epoll_fd, returns_wake,
		       &host->serving.returns);
	host->serving.codec = codec_new();
	host->serving.workers =
		workers_new((size_t)settings->workers, (size_t)settings->queue,
			    open, context, serving_give_back);
	if (host->serving.codec == NULL || host->serving.workers == NULL) {
		log_event(LOG_ERROR, "start_failed", NULL,
			  "no memory or no thread for %ld workers",
			  settings->workers);
		return false;
	}
	return true;
}

static void stop(struct gate *gate)
{
	struct session_host *host = &gate->host;

	workers_free(&host->serving.workers);
	sessions_deinit(host);
	codec_free(&host->serving.codec);
	close(host->transport.epoll_fd);
	close(gate->signal_fd);
}

/* The drain is over: tells what became of those who were there. */
static enum gate_result conclude(struct gate *gate)
{
	size_t cut = sessions_log_cut(&gate->host);

	if (gate->dropped > 0)
		log_event(LOG_WARNING, "dropped", NULL,
			  "%zu requests had not come in whole; nothing of "
			  "them was stored",
			  gate->dropped);
	if (gate->host.count > 0) {
		/* A worker that hangs in the database can't be joined. */
		log_event(LOG_WARNING, "cut_short", NULL,
			  "%zu requests had no answer, or not all of it, in "
			  "time",
			  cut);
		return GATE_CUT_SHORT;
	}
	log_event(LOG_INFO, "drained", NULL,
		  "all requests that came in whole were answered");
	stop(gate);
	return GATE_DRAINED;
}

enum gate_result gate_run(int listen_fd, const struct settings *settings,
			  const struct service *service, store_open_fn *open,
			  void *context)
{
	struct gate gate = { .signal_fd = -1 };

	if (!start(&gate, listen_fd, settings, service, open, context))
		return GATE_FAILED;
	log_event(LOG_INFO, "ready", NULL, "%ld workers; up to %ld connections",
		  settings->workers, settings->max_connections);
	while (!drain_over(&gate)) {
		if (!turn(&gate))
			return GATE_FAILED;
	}
	return conclude(&gate);
}
