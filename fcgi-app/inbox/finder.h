/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_FINDER_H
#define BUZON_INBOX_FINDER_H

#include <stddef.h>
#include <stdint.h>

#include "text/err.h"
#include "inbox/batcher.h"
#include "inbox/store.h"

/*
 * Messages by their IDs: all lookups that wait at one moment go to the store as
 * one statement. Nothing is kept between two of them.
 */

enum { FINDER_LOOKUPS_MAX = STORE_FIND_MAX };

/*
 * One lookup on its way. The caller owns it, and keeps it until `done` is
 * called. Both functions are called by the finder's thread, or by the one that
 * it is attached to (see batcher.h), and must not block.
 */
struct lookup {
	struct batch_item item; /* first: the batcher's */
	uint64_t id;
	/* The message, borrowed for the call; not called where none is. */
	void (*found)(struct lookup *lookup, const struct message *message);
	/* Called once, last. With an err, found() may have been called. */
	void (*done)(struct lookup *lookup);
	enum err err;
};

/*
 * Starts the thread. queue_max: how many may wait. NULL when there is no memory
 * or thread. Freed by batcher_free().
 */
struct batcher *finder_new(store_open_fn *open, void *context,
			   size_t queue_max);

/*
 * Hands over a lookup. ERR_OK: done will be called. ERR_OVERLOADED: queue_max
 * of them wait already; the lookup stays with the caller. Any thread; see
 * batcher_submit().
 */
enum err finder_submit(struct batcher *finder,
		       struct lookup *lookup) MUST_CHECK;

#endif
