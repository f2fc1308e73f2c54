/* SPDX-License-Identifier: MIT */
#include "gate_bench.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/store_fake.h"
#include "system/log.h"
#include "gate/sessions.h"

/* What outlives one run: descriptors, which cost the most. */
static struct {
	int epoll_fd;
	struct codec *codec;
} lasting;

static struct store *store;

enum err __wrap_workers_submit(struct workers *workers,
			       struct exchange *exchange);
void __wrap_workers_continue(struct workers *workers,
			     struct exchange *exchange);
enum err __wrap_appender_submit(struct appender *appender,
				struct append *append);
enum err __wrap_finder_submit(struct finder *finder, struct lookup *lookup);
void __wrap_probe_ask(struct probe *probe, struct probe_question *question);
ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags);

void __wrap_workers_continue(struct workers *workers, struct exchange *exchange)
{
	(void)workers;
	serving_give_back(exchange, exchange->step(exchange, store));
}

enum err __wrap_workers_submit(struct workers *workers,
			       struct exchange *exchange)
{
	__wrap_workers_continue(workers, exchange);
	return ERR_OK;
}

enum err __wrap_appender_submit(struct appender *appender,
				struct append *append)
{
	struct store_append *row = &append->row;

	(void)appender;
	append->err = store_append(store, &row, 1);
	append->done(append);
	return ERR_OK;
}

static bool tell_found(const struct message *message, void *context)
{
	struct lookup *lookup = context;

	lookup->found(lookup, message);
	return true;
}

enum err __wrap_finder_submit(struct finder *finder, struct lookup *lookup)
{
	(void)finder;
	lookup->err = store_find(store, &lookup->id, 1, tell_found, lookup);
	lookup->done(lookup);
	return ERR_OK;
}

void __wrap_probe_ask(struct probe *probe, struct probe_question *question)
{
	(void)probe;
	question->answer = store_ping(store);
	question->done(question);
}

/* X-Request-ID is made of it, and is to be the same each time. */
ssize_t __wrap_getrandom(void *bytes, size_t length, unsigned flags)
{
	(void)flags;
	memset(bytes, 0x5a, length);
	return (ssize_t)length;
}

static void set_up_once(void)
{
	if (lasting.codec != NULL)
		return;
	log_set_level(LOG_ERROR);
	lasting.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	lasting.codec = codec_new();
	assert(lasting.epoll_fd >= 0);
	assert(lasting.codec != NULL);
}

/* Appends what the gate has sent; true where there was something. */
static bool drain(int fd, struct buf *out)
{
	char bytes[16 * 1024];
	ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (count > 0)
		buf_append(out, bytes, (size_t)count);
	return count > 0;
}

/* Turns of the gate, as in gate.c, until nothing happens any more. */
static void turn(struct session_host *host, int fd, struct buf *out)
{
	struct epoll_event event;
	bool moved = true;

	while (moved) {
		int count = epoll_wait(lasting.epoll_fd, &event, 1, 0);

		sessions_begin_turn(host);
		moved = count > 0 || host->serving.returns.first != NULL ||
			!TAILQ_EMPTY(&host->ready);
		if (count > 0)
			session_handle(event.data.ptr, event.events);
		sessions_continue_returned(host);
		sessions_drive_ready(host);
		sessions_expire(host, host->transport.now_ms);
		sessions_sweep(host);
		while (drain(fd, out))
			moved = true;
	}
}

/* Sends what there is room for; 0 where nobody reads it any more. */
static size_t push(int fd, struct span stream, size_t piece)
{
	ssize_t sent = send(fd, stream.data,
			    stream.length < piece ? stream.length : piece,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	assert(sent > 0 || errno == EPIPE || errno == ECONNRESET);
	return sent > 0 ? (size_t)sent : 0;
}

static void talk(struct session_host *host, struct span stream, size_t piece,
		 struct buf *out)
{
	int fds[2];
	size_t sent;

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  0, fds) == 0);
	assert(session_open(host, fds[0]));
	while (stream.length > 0) {
		sent = push(fds[1], stream, piece);
		if (sent == 0)
			break;
		stream = span_from(stream, sent);
		turn(host, fds[1], out);
	}
	(void)shutdown(fds[1], SHUT_WR);
	turn(host, fds[1], out);
	/* Nobody holds on to a connection whose peer has said all. */
	assert(host->count == 0);
	close(fds[1]);
}

size_t gate_bench_run(struct span stream, size_t piece, struct buf *out)
{
	const struct service service = {
		.hostname = "host-1",
		.body_limit_bytes = GATE_BENCH_BODY_MAX_BYTES,
	};
	struct store_fake *fake = store_fake_new();
	struct session_host host;
	size_t stored;

	set_up_once();
	store = store_fake_open(fake);
	for (int i = 0; i < GATE_BENCH_MESSAGES; i++)
		(void)store_fake_add(fake, SPAN("ana"), SPAN("hola"));
	assert(store != NULL && sessions_init(&host, lasting.epoll_fd));
	host.serving.codec = lasting.codec;
	host.serving.service = &service;
	host.transport.body_max_bytes = service.body_limit_bytes;
	host.stall_timeout_ms = host.request_timeout_ms = 3600 * 1000;
	talk(&host, stream, piece, out);
	assert(buf_error(out) == ERR_OK);
	sessions_deinit(&host);
	stored = store_fake_count(fake) - GATE_BENCH_MESSAGES;
	store_close(store);
	store_fake_free(&fake);
	return stored;
}
