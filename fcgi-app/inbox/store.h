/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_STORE_H
#define BUZON_INBOX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/err.h"
#include "text/span.h"
#include "inbox/filter.h"
#include "inbox/message.h"

/*
 * Where messages are kept. One store is one connection, used by one thread at
 * a time. It connects by itself when it is first needed and again after it was
 * lost; while the database is away its calls return ERR_DATABASE_UNAVAILABLE,
 * at once where that is already known.
 */
struct store;

/* One message to append, and what became of it. */
struct store_append {
	struct span idempotency_key; /* no data: none was sent */
	struct span from;
	struct span content;
	/* Filled in by the store: */
	enum err result; /* ERR_OK or ERR_KEY_REUSED */
	bool replayed;   /* used before: id and date are the first's */
	uint64_t id;
	char date[MESSAGE_DATE_BYTES];
};

enum { STORE_FIND_MAX = 64 };

/*
 * Called for each message in order; its spans are borrowed for the call. False
 * ends the reading.
 */
typedef bool store_visit_fn(const struct message *message, void *context);

/* What a call that never waits came to. */
enum store_progress {
	STORE_DONE,
	STORE_WAITING,     /* go on when what store_wait() names has come */
	STORE_WOULD_BLOCK, /* nothing was done: it takes the call that waits */
};

struct store_wait {
	int fd;           /* the store's */
	bool for_room;    /* until there is room to send, or else bytes */
	int64_t until_ms; /* when to go on without that (CLOCK_MONOTONIC) */
};

struct store_operations {
	size_t (*append_size)(size_t waiting);
	enum err (*append_rows)(struct store *store, struct store_append **rows,
				size_t count);
	enum err (*read)(struct store *store, const struct filter *filter,
			 store_visit_fn *visit, void *context);
	enum err (*find)(struct store *store, const uint64_t *ids, size_t count,
			 store_visit_fn *visit, void *context);
	enum store_progress (*find_start)(struct store *store,
					  const uint64_t *ids, size_t count,
					  store_visit_fn *visit, void *context,
					  enum err *err_r);
	enum store_progress (*find_continue)(struct store *store, bool expired,
					     enum err *err_r);
	enum err (*ping)(struct store *store);
	void (*close)(struct store *store);
};

/* Every implementation begins with this. */
struct store {
	const struct store_operations *operations;
	uint64_t seen_id;       /* see store_seen_id(); kept by store_read() */
	struct store_wait wait; /* see store_wait() */
};

/* Makes a store for the calling thread; NULL when there is no memory. */
typedef struct store *store_open_fn(void *context);

/*
 * How many of `waiting` rows (at least 1) are best appended at once: at least
 * 1, at most waiting.
 */
static inline size_t store_append_size(const struct store *store,
				       size_t waiting)
{
	return store->operations->append_size(waiting);
}

/*
 * Stores all rows in one transaction, in their order, or none, and returns
 * after its commit. IDs become visible to readers in their order, across all
 * stores of the same database.
 *
 * ERR_OK: each row's result, id, date and replayed are set.
 * ERR_DATABASE_UNAVAILABLE, ERR_DATABASE_REFUSES (it is read only, full or not
 * set up), ERR_OUT_OF_MEMORY, ERR_INTERNAL: nothing is stored.
 * ERR_WRITE_UNCERTAIN: the connection was lost meanwhile, or the commit failed;
 * all or nothing is.
 */
static inline enum err store_append(struct store *store,
				    struct store_append **rows, size_t count)
{
	return store->operations->append_rows(store, rows, count);
}

/*
 * Reads the messages that filter names; its texts outlive the call.
 *
 * Commits are ordered, but what a read sees of those that happen just then need
 * not be: MariaDB looks at one running transaction after the other, and may
 * find the first of two still running and the second one, which waited for it,
 * done. Whatever a read has seen, a later read sees with all that came before.
 * So to get all messages up to an ID, first see that ID, then read up to it, as
 * a reader does (reader.h).
 *
 * ERR_OK (also where visit ended it), ERR_DATABASE_UNAVAILABLE,
 * ERR_DATABASE_REFUSES, ERR_OUT_OF_MEMORY, ERR_INTERNAL; messages before the
 * error have been visited.
 */
static inline enum err store_read(struct store *store,
				  const struct filter *filter,
				  store_visit_fn *visit, void *context)
{
	return store->operations->read(store, filter, visit, context);
}

/*
 * The highest ID that store_read() has seen on the connection that the store
 * has now; 0 where it has seen none. Up to there the next read is complete.
 */
static inline uint64_t store_seen_id(const struct store *store)
{
	return store->seen_id;
}

/*
 * Reads the messages with these IDs (1 to STORE_FIND_MAX of them), in no
 * certain order, each once. Errors as of store_read(), but after an error the
 * same messages may be visited again by the next try.
 */
static inline enum err store_find(struct store *store, const uint64_t *ids,
				  size_t count, store_visit_fn *visit,
				  void *context)
{
	return store->operations->find(store, ids, count, visit, context);
}

/*
 * The same without waiting, where there is a connection that has done the same
 * before. After STORE_WAITING it goes on in store_find_continue(); the store is
 * for nothing else until it is over. With STORE_DONE, *err_r is what
 * store_find() would have returned. ids are copied; visit is called by any of
 * these calls, and what it returns changes nothing.
 */
static inline enum store_progress
store_find_start(struct store *store, const uint64_t *ids, size_t count,
		 store_visit_fn *visit, void *context, enum err *err_r)
{
	return store->operations->find_start(store, ids, count, visit, context,
					     err_r);
}

/* Goes on. expired: what it waited for has not come in its time. */
static inline enum store_progress
store_find_continue(struct store *store, bool expired, enum err *err_r)
{
	return store->operations->find_continue(store, expired, err_r);
}

/* What a call that returned STORE_WAITING waits for. */
static inline const struct store_wait *store_wait(const struct store *store)
{
	return &store->wait;
}

/*
 * Asks the database whether it answers and takes messages. ERR_OK,
 * ERR_DATABASE_UNAVAILABLE; ERR_DATABASE_REFUSES where it takes none.
 */
static inline enum err store_ping(struct store *store)
{
	return store->operations->ping(store);
}

/* Closes the connection and frees the store; accepts NULL. */
static inline void store_close(struct store *store)
{
	if (store != NULL)
		store->operations->close(store);
}

#endif
