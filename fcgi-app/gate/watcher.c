/* SPDX-License-Identifier: MIT */
#include "gate/watcher.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "system/log.h"

void watcher_attach(struct watcher *watcher, struct batcher *batcher,
		    int epoll_fd, void (*wake)(void *context), void *context)
{
	*watcher = (struct watcher){ .batcher = batcher, .epoll_fd = epoll_fd };
	batcher_attach(batcher, wake, context);
}

void watcher_detach(struct watcher *watcher)
{
	batcher_attach(watcher->batcher, NULL, NULL);
}

/* False, with errno, where epoll has no memory for it. */
static bool arm(struct watcher *watcher, const struct store_wait *wait)
{
	struct epoll_event event = {
		.events = EPOLLONESHOT | (wait->for_room ? EPOLLOUT : EPOLLIN),
		.data.ptr = watcher,
	};
	int epoll_fd = watcher->epoll_fd;

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, wait->fd, &event) == 0)
		return true;
	/* Another connection to the database than the last time. */
	return errno == ENOENT &&
	       epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wait->fd, &event) == 0;
}

static void go_on(struct watcher *watcher, bool expired)
{
	watcher->armed = false;
	batcher_continue(watcher->batcher, expired);
}

void watcher_handle(struct watcher *watcher)
{
	go_on(watcher, false);
}

void watcher_run(struct watcher *watcher, int64_t now_ms)
{
	const struct store_wait *wait = batcher_wait(watcher->batcher);

	if (wait != NULL && wait->until_ms <= now_ms)
		go_on(watcher, true);
	batcher_turn(watcher->batcher);
	wait = batcher_wait(watcher->batcher);
	if (wait == NULL || watcher->armed)
		return;
	watcher->armed = arm(watcher, wait);
	if (!watcher->armed) {
		log_event(LOG_ERROR, "internal", NULL,
			  "epoll_ctl on the database's socket: %s",
			  strerrordesc_np(errno));
		go_on(watcher, true);
	}
}

int64_t watcher_next_expiry_ms(const struct watcher *watcher)
{
	const struct store_wait *wait = batcher_wait(watcher->batcher);

	return wait != NULL ? wait->until_ms : -1;
}
