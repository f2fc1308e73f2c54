/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_WATCHER_H
#define BUZON_GATE_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "inbox/finder.h"

/*
 * Runs the finder in the gate's loop: epoll watches the database's socket for
 * it. For the gate's thread alone.
 */
struct watcher {
	struct finder *finder;
	int epoll_fd;
	bool armed; /* epoll is to tell, once */
};

/*
 * Attaches the finder, which must be new, to the loop. wake, with context, has
 * the loop take a turn; the finder's helper calls it. Finder and epoll_fd stay
 * the caller's, and outlive the watcher.
 */
void watcher_attach(struct watcher *watcher, struct finder *finder,
		    int epoll_fd, void (*wake)(void *context), void *context);

/* Epoll has an event whose data.ptr is this watcher. */
void watcher_handle(struct watcher *watcher);

/*
 * Ends what took too long or what the helper has done, and begins what was
 * submitted. To be called in each turn, after the events.
 */
void watcher_turn(struct watcher *watcher, int64_t now_ms);

/* When watcher_turn() is next of use without an event (ms; 0: now), or -1. */
int64_t watcher_next_expiry_ms(const struct watcher *watcher);

#endif
