/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_APPENDER_H
#define BUZON_INBOX_APPENDER_H

#include <stddef.h>

#include "text/err.h"
#include "inbox/store.h"

/*
 * Group commit: the appender's thread takes all appends that wait and stores
 * them by one transaction. Those that come meanwhile wait for the next one: the
 * more come at once, the fewer trips to the database each of them costs.
 */
struct appender;

enum { APPENDER_ROWS_MAX = 256 };

/*
 * One append on its way. The caller owns it, and keeps it and what its row
 * points to until `done` is called.
 */
struct append {
	struct append *next; /* the appender's own */
	struct store_append row;
	/*
	 * Called once, by the appender's thread, when the row is committed or
	 * has failed as `err` says. Must not block.
	 */
	void (*done)(struct append *append);
	enum err err;
};

/*
 * Starts the thread, which opens its store by open(context). queue_max: how
 * many appends may wait. rows_max: how many go into one transaction, 1 to
 * APPENDER_ROWS_MAX. NULL when there is no memory or thread.
 */
struct appender *appender_new(store_open_fn *open, void *context,
			      size_t queue_max, size_t rows_max);

/*
 * Hands over an append. ERR_OK: done will be called. ERR_OVERLOADED: queue_max
 * of them wait already; the append stays with the caller. Any thread.
 */
enum err appender_submit(struct appender *appender,
			 struct append *append) MUST_CHECK;

/*
 * Stores what still waits, ends the thread, frees; sets *appender to NULL.
 * Accepts NULL in it. Nobody submits any more.
 */
void appender_free(struct appender **appender);

#endif
