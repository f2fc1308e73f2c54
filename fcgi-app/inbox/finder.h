/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_FINDER_H
#define BUZON_INBOX_FINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/err.h"
#include "inbox/store.h"

/*
 * Messages by their IDs: all lookups that wait at one moment go to the store as
 * one statement. Those that come meanwhile wait for the next one. Nothing is
 * kept between two of them.
 *
 * A finder belongs to one event loop: the loop's thread alone calls what is
 * below. There it asks the database by calls that never wait. What has to wait
 * (for a connection, a new statement, TLS, a repeat after a loss) it lends to
 * its helper, a thread, which wakes the loop when that is done. (The loop can't
 * connect: libmariadb resolves the host's name by a call that blocks.)
 */
struct finder;

enum { FINDER_LOOKUPS_MAX = STORE_FIND_MAX };

/* One lookup on its way. The caller owns it, and keeps it until `done`. */
struct lookup {
	struct lookup *next; /* the finder's own */
	uint64_t id;
	/*
	 * Called with the message, borrowed for the call, if there is one: by
	 * the loop or the helper, but never by both at once. Must not block.
	 */
	void (*found)(struct lookup *lookup, const struct message *message);
	/*
	 * Called once, last, by the loop: by finder_turn() or
	 * finder_continue(). It may submit, but call nothing else of the
	 * finder. With an err, found() may have been called.
	 */
	void (*done)(struct lookup *lookup);
	enum err err;
};

/*
 * Starts the helper, which opens the store by open(context) when it is first
 * needed. queue_max: how many lookups may wait. NULL when there is no memory or
 * thread.
 */
struct finder *finder_new(store_open_fn *open, void *context, size_t queue_max);

/*
 * Tells how the helper wakes the loop, before anything is submitted: after
 * wake(context), finder_turn() is due. The helper calls it, with a mutex held
 * that the loop may want: it must not block. It isn't called any more once
 * nothing is under way.
 */
void finder_attach(struct finder *finder, void (*wake)(void *context),
		   void *context);

/*
 * Hands over a lookup, which the next finder_turn() begins. ERR_OK: done will
 * be called. ERR_OVERLOADED: queue_max of them wait already; the lookup stays
 * with the caller.
 */
enum err finder_submit(struct finder *finder, struct lookup *lookup) MUST_CHECK;

/*
 * Ends what the helper has done, and begins what waits unless a statement is
 * under way. To be called in each turn of the loop.
 */
void finder_turn(struct finder *finder);

/*
 * Whether finder_turn() has something to do: lookups to begin, or what the
 * helper has done. A loop that may lose wakes asks before it waits.
 */
bool finder_is_due(struct finder *finder);

/*
 * What the statement that is under way in the loop waits for, or NULL. The
 * finder's, until finder_turn() or finder_continue() is called.
 */
const struct store_wait *finder_wait(const struct finder *finder);

/* Goes on, as finder_wait() is not NULL: that has come, or its time is over. */
void finder_continue(struct finder *finder, bool expired);

/*
 * Ends the helper and frees, while nothing waits or is under way; sets *finder
 * to NULL. Accepts NULL in it.
 */
void finder_free(struct finder **finder);

#endif
