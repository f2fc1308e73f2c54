/* SPDX-License-Identifier: MIT */
#include "gate/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/clock.h"
#include "system/log.h"
#include "gate/connections.h"
#include "gate/scheduling.h"
#include "gate/watcher.h"

enum {
	EVENTS_A_TURN = 256,
	/* After accept() failed for want of descriptors or memory. */
	ACCEPT_PAUSE_MS = 100,
	/*
	 * Drain: a web server may be sending on a kept connection just now, so
	 * those stay open for a moment; a request that is still not whole, and
	 * an answer that is still not made, get longer, within the 10 s that
	 * the program has.
	 */
	DRAIN_IDLE_MS = 500,
	DRAIN_PARTIAL_MS = 5000,
	DRAIN_ALL_MS = 8500,
};

struct gate {
	struct connections connections;
	struct scheduling scheduling;
	struct watcher finder;
	int listen_fd; /* -1 from the drain on */
	int signal_fd;
	size_t connections_max;
	bool accepting;
	int64_t accept_again_ms; /* 0: when a connection closes */
	int64_t drain_began_ms;
};

/* The address of each field below tells its events from a connection's. */
static bool watch(struct gate *gate, int fd, uint32_t events, void *tag)
{
	struct epoll_event event = { .events = events, .data.ptr = tag };

	return fd >= 0 && epoll_ctl(gate->connections.epoll_fd, EPOLL_CTL_ADD,
				    fd, &event) == 0;
}

static void set_accepting(struct gate *gate, bool accepting)
{
	struct epoll_event event = { .events = accepting ? EPOLLIN : 0,
				     .data.ptr = &gate->listen_fd };

	if (gate->accepting == accepting)
		return;
	gate->accepting = accepting;
	if (epoll_ctl(gate->connections.epoll_fd, EPOLL_CTL_MOD,
		      gate->listen_fd, &event) != 0)
		log_event(LOG_ERROR, "internal", NULL,
			  "epoll_ctl on the listening socket: %s",
			  strerrordesc_np(errno));
}

static void accept_failed(struct gate *gate, int error)
{
	/* A peer that gave up meanwhile is its own matter. */
	if (error == ECONNABORTED || error == EPROTO || error == EINTR)
		return;
	log_event(LOG_ERROR, "accept_failed", NULL,
		  "no new connection for %d ms: %s (%zu are open)",
		  ACCEPT_PAUSE_MS, strerrordesc_np(error),
		  gate->connections.count);
	set_accepting(gate, false);
	gate->accept_again_ms = gate->connections.now_ms + ACCEPT_PAUSE_MS;
}

/* False when none waits any more, or none can be taken now. */
static bool accept_one(struct gate *gate)
{
	const int on = 1;
	int fd;

	if (gate->connections.count >= gate->connections_max) {
		set_accepting(gate, false);
		gate->accept_again_ms = 0;
		return false;
	}
	fd = accept4(gate->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			accept_failed(gate, errno);
		return gate->accepting && errno != EAGAIN &&
		       errno != EWOULDBLOCK;
	}
	/* Fails on a Unix socket, where nothing is delayed anyway. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connections_add(&gate->connections, fd))
		accept_failed(gate, ENOMEM);
	return gate->accepting;
}

static void accept_all(struct gate *gate)
{
	while (accept_one(gate))
		;
}

static void accept_again(struct gate *gate)
{
	const struct connections *connections = &gate->connections;

	if (gate->accepting || gate->listen_fd < 0)
		return;
	if (gate->accept_again_ms == 0
		    ? connections->count < gate->connections_max
		    : connections->now_ms >= gate->accept_again_ms)
		set_accepting(gate, true);
}

static void begin_drain(struct gate *gate)
{
	struct signalfd_siginfo info;

	if (read(gate->signal_fd, &info, sizeof(info)) != sizeof(info) ||
	    gate->connections.draining)
		return;
	log_event(LOG_INFO, "draining", NULL,
		  "signal %u: no new connections; %zu are open", info.ssi_signo,
		  gate->connections.count);
	/* What the kernel has accepted for us would be reset by a close. */
	accept_all(gate);
	close(gate->listen_fd);
	gate->listen_fd = -1;
	gate->accepting = false;
	gate->connections.draining = true;
	gate->drain_began_ms = gate->connections.now_ms;
}

static void drain(struct gate *gate)
{
	int64_t drained_ms = gate->connections.now_ms - gate->drain_began_ms;

	if (drained_ms >= DRAIN_IDLE_MS)
		connections_close_idle(&gate->connections,
				       drained_ms >= DRAIN_PARTIAL_MS);
}

static bool drain_over(const struct gate *gate)
{
	const struct connections *connections = &gate->connections;

	return connections->draining &&
	       (connections->count == 0 ||
		connections->now_ms - gate->drain_began_ms >= DRAIN_ALL_MS);
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
	const struct connections *connections = &gate->connections;
	int64_t next_ms = earlier(connections_next_expiry_ms(connections),
				  watcher_next_expiry_ms(&gate->finder));
	int64_t wait_ms;

	if (gate->listen_fd >= 0 && !gate->accepting &&
	    gate->accept_again_ms > 0)
		next_ms = earlier(next_ms, gate->accept_again_ms);
	/* A drain looks at all connections again and again. */
	if (connections->draining)
		next_ms = earlier(next_ms, connections->now_ms + 50);
	if (next_ms < 0)
		return -1;
	wait_ms = next_ms - connections->now_ms;
	return wait_ms < 0 ? 0 : wait_ms > 60000 ? 60000 : (int)wait_ms;
}

static void handle(struct gate *gate, const struct epoll_event *event)
{
	if (event->data.ptr == &gate->listen_fd) {
		if (gate->listen_fd >= 0)
			accept_all(gate);
	} else if (event->data.ptr == &gate->signal_fd) {
		begin_drain(gate);
	} else if (event->data.ptr == &gate->finder) {
		watcher_handle(&gate->finder);
	} else if (event->data.ptr != &gate->connections.wake_fd) {
		connection_handle(event->data.ptr, event->events);
	}
}

/* False when epoll failed. */
static bool turn(struct gate *gate)
{
	struct connections *connections = &gate->connections;
	struct epoll_event events[EVENTS_A_TURN];
	int count = epoll_wait(connections->epoll_fd, events, EVENTS_A_TURN,
			       patience_ms(gate));

	if (count < 0 && errno != EINTR) {
		log_event(LOG_ERROR, "internal", NULL, "epoll_wait: %s",
			  strerrordesc_np(errno));
		return false;
	}
	connections_begin_turn(connections);
	for (int i = 0; i < count; i++)
		handle(gate, &events[i]);
	connections_take_returned(connections);
	connections_run_queued(connections);
	connections_expire(connections);
	if (connections->draining)
		drain(gate);
	watcher_run(&gate->finder, connections->now_ms);
	connections_sweep(connections);
	accept_again(gate);
	scheduling_adapt(&gate->scheduling, connections->count);
	return true;
}

static bool open_descriptors(struct gate *gate)
{
	struct connections *connections = &gate->connections;
	sigset_t signals;
	int flags = fcntl(gate->listen_fd, F_GETFL);

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	gate->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	connections->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return flags >= 0 &&
	       fcntl(gate->listen_fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       watch(gate, gate->listen_fd, EPOLLIN, &gate->listen_fd) &&
	       watch(gate, gate->signal_fd, EPOLLIN, &gate->signal_fd) &&
	       /* Never read: each write to it is an edge of its own. */
	       watch(gate, connections->wake_fd, EPOLLIN | EPOLLET,
		     &connections->wake_fd);
}

static bool start(struct gate *gate, const struct settings *settings,
		  const struct service *service, store_open_fn *open,
		  void *context)
{
	struct connections *connections = &gate->connections;

	if (!connections_init(connections) || !open_descriptors(gate)) {
		log_event(LOG_ERROR, "start_failed", NULL,
			  "the gate could not be set up: %s",
			  strerrordesc_np(errno));
		return false;
	}
	scheduling_init(&gate->scheduling);
	gate->accepting = true;
	gate->connections_max = (size_t)settings->max_connections;
	watcher_attach(&gate->finder, service->finder, connections->epoll_fd,
		       connections_wake, connections);
	connections->service = service;
	connections->stall_timeout_ms =
		(int64_t)settings->stall_timeout_secs * 1000;
	connections->log_requests = settings->log_requests;
	connections->now_ms = clock_now_ms();
	connections->codec = codec_new();
	connections->workers =
		workers_new((size_t)settings->workers, (size_t)settings->queue,
			    open, context, connections_give_back);
	if (connections->codec == NULL || connections->workers == NULL) {
		log_event(LOG_ERROR, "start_failed", NULL,
			  "no memory or no thread for %ld workers",
			  settings->workers);
		return false;
	}
	return true;
}

static void close_descriptor(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void stop(struct gate *gate)
{
	struct connections *connections = &gate->connections;

	watcher_detach(&gate->finder);
	workers_free(&connections->workers);
	connections_deinit(connections);
	codec_free(&connections->codec);
	close_descriptor(connections->epoll_fd);
	close_descriptor(connections->wake_fd);
	close_descriptor(gate->signal_fd);
	close_descriptor(gate->listen_fd);
}

enum gate_result gate_run(int listen_fd, const struct settings *settings,
			  const struct service *service, store_open_fn *open,
			  void *context)
{
	struct gate gate = { .listen_fd = listen_fd, .signal_fd = -1 };
	enum gate_result result = GATE_FAILED;

	if (start(&gate, settings, service, open, context)) {
		log_event(LOG_INFO, "ready", NULL,
			  "%ld workers; up to %ld connections",
			  settings->workers, settings->max_connections);
		do {
			if (!turn(&gate))
				break;
			if (drain_over(&gate))
				result = gate.connections.count == 0
						 ? GATE_DRAINED
						 : GATE_CUT_SHORT;
		} while (result == GATE_FAILED);
	}
	if (result == GATE_DRAINED)
		stop(&gate);
	/* A worker that hangs in the database would not be joined in time. */
	if (result == GATE_CUT_SHORT)
		log_event(LOG_WARNING, "cut_short", NULL,
			  "%zu connections had no answer in time",
			  gate.connections.count);
	return result;
}
