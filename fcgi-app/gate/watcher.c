/* SPDX-License-Identifier: MIT */
#include "gate/watcher.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "system/log.h"

void watcher_attach(struct watcher *watcher, struct finder *finder,
		    int epoll_fd, void (*wake)(void *context), void *context)
{
	*watcher = (struct watcher){ .finder = finder, .epoll_fd = epoll_fd };
	finder_attach(finder, wake, context);
}

/* False, with errno, where epoll has no memory for it. */
static bool arm_epoll(struct watcher *watcher, const struct store_wait *wait)
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

static void continue_finder(struct watcher *watcher, bool expired)
{
	watcher->armed = false;
	finder_continue(watcher->finder, expired);
}

void watcher_handle(struct watcher *watcher)
{
	/* What it is about may have expired meanwhile. */
	if (watcher->armed)
		continue_finder(watcher, false);
}

void watcher_turn(struct watcher *watcher, int64_t now_ms)
{
	const struct store_wait *wait = finder_wait(watcher->finder);

	if (wait != NULL && wait->until_ms <= now_ms)
		continue_finder(watcher, true);
	finder_turn(watcher->finder);
	wait = finder_wait(watcher->finder);
	if (wait == NULL || watcher->armed)
		return;
	watcher->armed = arm_epoll(watcher, wait);
	if (!watcher->armed) {
		log_event(LOG_ERROR, "internal", NULL,
			  "epoll_ctl on the database's socket: %s",
			  strerrordesc_np(errno));
		continue_finder(watcher, true);
	}
}

int64_t watcher_next_expiry_ms(const struct watcher *watcher)
{
	const struct store_wait *wait = finder_wait(watcher->finder);

	if (finder_is_due(watcher->finder))
		return 0;
	return wait != NULL ? wait->until_ms : -1;
}
