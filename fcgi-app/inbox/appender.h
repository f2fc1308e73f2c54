/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_APPENDER_H
#define BUZON_INBOX_APPENDER_H

#include <stddef.h>

#include "text/err.h"
#include "inbox/batcher.h"
#include "inbox/store.h"

/*
 * Group commit: all appends that wait at one moment go to the store as one
 * transaction, by one thread of its own.
 */

enum { APPENDER_ROWS_MAX = 256 };

/*
 * One append on its way. The caller owns it, and keeps it and what its row
 * points to until `done` is called.
 */
struct append {
	struct batch_item item; /* first: the batcher's */
	struct store_append row;
	/*
	 * Called once, by the appender's thread, when the row is committed or
	 * has failed as `err` says. Must not block.
	 */
	void (*done)(struct append *append);
	enum err err;
};

/*
 * Starts the thread. queue_max: how many may wait. rows_max: how many go into
 * one transaction, APPENDER_ROWS_MAX at most. NULL when there is no memory or
 * thread. Freed by batcher_free(), which commits what still waits.
 */
struct batcher *appender_new(store_open_fn *open, void *context,
			     size_t queue_max, size_t rows_max);

/*
 * Hands over an append. ERR_OK: done will be called. ERR_OVERLOADED: queue_max
 * of them wait already; the append stays with the caller. Any thread.
 */
enum err appender_submit(struct batcher *appender,
			 struct append *append) MUST_CHECK;

#endif
