/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_STORE_FAKE_H
#define BUZON_TESTS_STORE_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inbox/store.h"

/*
 * A database in memory behind the interface of store.h, which a test can make
 * fail, hold up and ask what was done with it. All stores opened with one fake
 * see the same messages. Any thread.
 */
struct store_fake;

enum store_fake_call {
	STORE_FAKE_OPEN,
	STORE_FAKE_APPEND,
	STORE_FAKE_READ,
	STORE_FAKE_FIND,
	STORE_FAKE_FIND_START,
	STORE_FAKE_FIND_CONTINUE,
	STORE_FAKE_PING,
	STORE_FAKE_CLOSE,
	STORE_FAKE_CALLS
};

struct store_fake *store_fake_new(void);

/* After all its stores are closed. */
void store_fake_free(struct store_fake **fake);

/* A store_open_fn; fake is a struct store_fake. */
struct store *store_fake_open(void *fake);

/* Stores a message as an append does, without counting as a call. */
uint64_t store_fake_add(struct store_fake *fake, struct span from,
			struct span content);

/* How many messages there are. */
size_t store_fake_count(struct store_fake *fake);

/*
 * `times` calls of a kind fail with err, from the nth from now on (1: the
 * next). A failing open returns NULL. One such rule for each kind.
 */
void store_fake_fail(struct store_fake *fake, enum store_fake_call call,
		     size_t nth, size_t times, enum err err);

/* A read or find that fails as above does so after it has visited this many. */
void store_fake_fail_after(struct store_fake *fake, size_t visits);

/*
 * The next read does not see this message yet, though it sees later ones: its
 * snapshot was taken while both were committed.
 */
void store_fake_hide_once(struct store_fake *fake, uint64_t id);

/*
 * Calls of a kind wait at their beginning from now on, until they are
 * released.
 */
void store_fake_hold(struct store_fake *fake, enum store_fake_call call);
void store_fake_release(struct store_fake *fake, enum store_fake_call call);

/* For the end of a test, which may have failed at any place. */
void store_fake_release_all(struct store_fake *fake);

/* Lets one of the calls that wait go on, or the next that would. */
void store_fake_release_one(struct store_fake *fake, enum store_fake_call call);

/*
 * Wait until this many calls of a kind have begun since the fake was made, or
 * are held at this moment. False when it takes longer than 20 s.
 */
bool store_fake_await_calls(struct store_fake *fake, enum store_fake_call call,
			    size_t count);
bool store_fake_await_held(struct store_fake *fake, enum store_fake_call call,
			   size_t count);

size_t store_fake_calls(struct store_fake *fake, enum store_fake_call call);

/* How many rows or IDs the nth append or find (from 0) had; 0: no such call. */
size_t store_fake_batch(struct store_fake *fake, enum store_fake_call call,
			size_t nth);

/*
 * From now on a find can be begun without waiting, which would block until
 * then. It waits for store_fake_answer(), and is done when it is continued.
 */
void store_fake_never_wait(struct store_fake *fake);
void store_fake_answer(struct store_fake *fake);

/*
 * Stores opened from now on say that they append best a power of two at once,
 * as the one of the real database does.
 */
void store_fake_prefer_powers_of_two(struct store_fake *fake);

#endif
