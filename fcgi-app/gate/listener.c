/* SPDX-License-Identifier: MIT */
#include "gate/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/log.h"

/* After accept() failed for want of descriptors or memory. */
enum { ACCEPT_PAUSE_MS = 100 };

static bool watch_waiting(struct listener *listener, int operation,
			  uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = listener };

	return epoll_ctl(listener->host->transport.epoll_fd, operation,
			 listener->fd, &event) == 0;
}

bool listener_open(struct listener *listener, int fd, size_t sessions_max,
		   struct session_host *host)
{
	int flags = fcntl(fd, F_GETFL);

	*listener = (struct listener){
		.host = host,
		.fd = fd,
		.sessions_max = sessions_max,
		.accepting = true,
	};
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       watch_waiting(listener, EPOLL_CTL_ADD, EPOLLIN);
}

static void set_accepting(struct listener *listener, bool accepting)
{
	if (listener->accepting == accepting)
		return;
	listener->accepting = accepting;
	if (!watch_waiting(listener, EPOLL_CTL_MOD, accepting ? EPOLLIN : 0))
		log_event(LOG_ERROR, "internal", NULL,
			  "epoll_ctl on the listening socket: %s",
			  strerrordesc_np(errno));
}

/* A peer that gave up meanwhile is its own matter. */
static bool concerns_one_peer(int error)
{
	return error == ECONNABORTED || error == EPROTO || error == EINTR;
}

static void pause_after(struct listener *listener, int error)
{
	log_event(LOG_ERROR, "accept_failed", NULL,
		  "no new connection for %d ms: %s (%zu are open)",
		  ACCEPT_PAUSE_MS, strerrordesc_np(error),
		  listener->host->count);
	set_accepting(listener, false);
	listener->again_ms = listener->host->transport.now_ms + ACCEPT_PAUSE_MS;
}

/* Takes the next that waits. False, with errno, where there is none to take. */
static bool accept_one(struct listener *listener)
{
	const int on = 1;
	int fd =
		accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return concerns_one_peer(errno);
	/* Fails on a Unix socket, where nothing is delayed anyway. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (session_open(listener->host, fd))
		return true;
	close(fd);
	errno = ENOMEM;
	return false;
}

/* Idle sessions make room only for somebody who is there. */
static bool somebody_waits(const struct listener *listener)
{
	struct pollfd poller = { .fd = listener->fd, .events = POLLIN };

	return poll(&poller, 1, 0) > 0;
}

void listener_accept(struct listener *listener)
{
	struct session_host *host = listener->host;

	while (listener->fd >= 0 && listener->accepting) {
		if (host->count >= listener->sessions_max) {
			if (!somebody_waits(listener))
				return;
			if (sessions_make_room(host))
				continue;
			set_accepting(listener, false);
			listener->again_ms = 0;
		} else if (!accept_one(listener)) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				pause_after(listener, errno);
			return;
		}
	}
}

int64_t listener_next_ms(const struct listener *listener)
{
	if (listener->fd < 0 || listener->accepting)
		return -1;
	return listener->again_ms > 0 ? listener->again_ms
				      : sessions_room_ms(listener->host);
}

void listener_resume(struct listener *listener)
{
	const struct session_host *host = listener->host;
	int64_t next_ms = listener_next_ms(listener);
	bool room =
		listener->again_ms == 0 && host->count < listener->sessions_max;

	if (listener->fd < 0 || listener->accepting)
		return;
	if (room || (next_ms >= 0 && next_ms <= host->transport.now_ms))
		set_accepting(listener, true);
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	while (accept_one(listener))
		;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		log_event(LOG_ERROR, "accept_failed", NULL,
			  "connections that wait are left to the kernel: %s",
			  strerrordesc_np(errno));
	/* Before the close: epoll goes by what is open, not by this number. */
	(void)epoll_ctl(listener->host->transport.epoll_fd, EPOLL_CTL_DEL,
			listener->fd, NULL);
	close(listener->fd);
	listener->fd = -1;
}
