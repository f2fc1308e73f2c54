/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_WATCHER_H
#define BUZON_GATE_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "inbox/batcher.h"

/*
 * A batcher that is attached to the gate's loop: it asks the database in the
 * gate's thread, and epoll watches for the answer. For that thread alone.
 */
struct watcher {
	struct batcher *batcher;
	int epoll_fd;
	bool armed; /* epoll is to tell, once */
};

/*
 * wake, with context, has the loop take a turn; any thread calls it. Both the
 * batcher and epoll_fd stay the caller's, and outlive the watcher.
 */
void watcher_attach(struct watcher *watcher, struct batcher *batcher,
		    int epoll_fd, void (*wake)(void *context), void *context);

/* Where nothing is under way. */
void watcher_detach(struct watcher *watcher);

/* epoll has an event whose data.ptr is this watcher. */
void watcher_handle(struct watcher *watcher);

/* Begins what was submitted, ends what took too long. Once in each turn. */
void watcher_run(struct watcher *watcher, int64_t now_ms);

/* When watcher_run() is next of use without an event (ms), or -1. */
int64_t watcher_next_expiry_ms(const struct watcher *watcher);

#endif
