/* SPDX-License-Identifier: MIT */
#include "inbox/finder.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* What the loop knows of the batch. */
enum phase {
	PHASE_IDLE,   /* there is none */
	PHASE_ASKING, /* it is under way in the loop: see finder_wait() */
	PHASE_LENT,   /* the helper has it, or has done it */
};

struct finder {
	size_t queue_max;
	store_open_fn *open;
	void *context;
	void (*wake)(void *context); /* NULL: not attached yet */
	void *wake_context;
	pthread_t helper;

	/* The loop's alone. */
	struct lookup *first;
	struct lookup *last;
	size_t waiting;
	enum phase phase;

	/* The loop's; while the batch is lent, the helper's. */
	struct store *store; /* NULL: none yet, or no memory */
	struct lookup *batch[FINDER_LOOKUPS_MAX];
	size_t batch_count;
	enum err err; /* what the helper came to */

	/* The mutex guards what follows. */
	pthread_mutex_t mutex;
	pthread_cond_t helper_due;
	bool lent;
	bool stopping;
};

/* Several lookups may want the same message. */
static bool show_message(const struct message *message, void *context)
{
	const struct finder *finder = context;

	for (size_t i = 0; i < finder->batch_count; i++) {
		struct lookup *lookup = finder->batch[i];

		if (lookup->id == message->id)
			lookup->found(lookup, message);
	}
	return true;
}

static void copy_ids(const struct finder *finder,
		     uint64_t ids[FINDER_LOOKUPS_MAX])
{
	for (size_t i = 0; i < finder->batch_count; i++)
		ids[i] = finder->batch[i]->id;
}

/* What the helper does. */

/* Waits for a batch. False when there will be none. */
static bool borrow_batch(struct finder *finder)
{
	bool lent;

	pthread_mutex_lock(&finder->mutex);
	while (!finder->lent && !finder->stopping)
		pthread_cond_wait(&finder->helper_due, &finder->mutex);
	lent = finder->lent;
	pthread_mutex_unlock(&finder->mutex);
	return lent;
}

static enum err find_batch(struct finder *finder)
{
	uint64_t ids[FINDER_LOOKUPS_MAX] = { 0 };

	/* If there was no memory for a store, there may be now. */
	if (finder->store == NULL)
		finder->store = finder->open(finder->context);
	if (finder->store == NULL)
		return ERR_OUT_OF_MEMORY;
	copy_ids(finder, ids);
	return store_find(finder->store, ids, finder->batch_count, show_message,
			  finder);
}

/* Wakes under the mutex: once the loop has the batch back, it may end. */
static void give_back(struct finder *finder)
{
	pthread_mutex_lock(&finder->mutex);
	finder->lent = false;
	finder->wake(finder->wake_context);
	pthread_mutex_unlock(&finder->mutex);
}

static void *help_until_stopped(void *argument)
{
	struct finder *finder = argument;

	while (borrow_batch(finder)) {
		finder->err = find_batch(finder);
		give_back(finder);
	}
	store_close(finder->store);
	return NULL;
}

/* What the loop does. */

static void lend_batch(struct finder *finder)
{
	finder->phase = PHASE_LENT;
	pthread_mutex_lock(&finder->mutex);
	finder->lent = true;
	pthread_mutex_unlock(&finder->mutex);
	pthread_cond_signal(&finder->helper_due);
}

static bool has_come_back(struct finder *finder)
{
	bool lent;

	pthread_mutex_lock(&finder->mutex);
	lent = finder->lent;
	pthread_mutex_unlock(&finder->mutex);
	return !lent;
}

static void end_batch(struct finder *finder, enum err err)
{
	for (size_t i = 0; i < finder->batch_count; i++) {
		struct lookup *lookup = finder->batch[i];

		lookup->err = err;
		lookup->done(lookup);
	}
	finder->phase = PHASE_IDLE;
}

/* The store's call came to this; err is for STORE_DONE. */
static void settle_batch(struct finder *finder, enum store_progress progress,
			 enum err err)
{
	switch (progress) {
	case STORE_DONE:
		end_batch(finder, err);
		break;
	case STORE_WOULD_BLOCK:
		lend_batch(finder);
		break;
	case STORE_WAITING:
		finder->phase = PHASE_ASKING;
		break;
	}
}

/* Takes what waits, or as much of it as a batch has. */
static void fill_batch(struct finder *finder)
{
	size_t count = 0;

	while (finder->waiting > 0 && count < FINDER_LOOKUPS_MAX) {
		finder->batch[count++] = finder->first;
		finder->first = finder->first->next;
		finder->waiting--;
	}
	finder->batch_count = count;
}

static void begin_batch(struct finder *finder)
{
	uint64_t ids[FINDER_LOOKUPS_MAX] = { 0 };
	enum store_progress progress = STORE_WOULD_BLOCK;
	enum err err = ERR_OK;

	fill_batch(finder);
	if (finder->store != NULL) {
		copy_ids(finder, ids);
		progress = store_find_start(finder->store, ids,
					    finder->batch_count, show_message,
					    finder, &err);
	}
	settle_batch(finder, progress, err);
}

enum err finder_submit(struct finder *finder, struct lookup *lookup)
{
	assert(finder->wake != NULL);
	if (finder->waiting >= finder->queue_max)
		return ERR_OVERLOADED;
	lookup->next = NULL;
	if (finder->waiting == 0)
		finder->first = lookup;
	else
		finder->last->next = lookup;
	finder->last = lookup;
	finder->waiting++;
	return ERR_OK;
}

void finder_turn(struct finder *finder)
{
	if (finder->phase == PHASE_LENT && has_come_back(finder))
		end_batch(finder, finder->err);
	while (finder->phase == PHASE_IDLE && finder->waiting > 0)
		begin_batch(finder);
}

bool finder_is_due(struct finder *finder)
{
	return finder->phase == PHASE_LENT
		       ? has_come_back(finder)
		       : finder->phase == PHASE_IDLE && finder->waiting > 0;
}

const struct store_wait *finder_wait(const struct finder *finder)
{
	return finder->phase == PHASE_ASKING ? store_wait(finder->store) : NULL;
}

void finder_continue(struct finder *finder, bool expired)
{
	enum err err = ERR_OK;
	enum store_progress progress;

	assert(finder->phase == PHASE_ASKING);
	progress = store_find_continue(finder->store, expired, &err);
	settle_batch(finder, progress, err);
}

static void release(struct finder *finder)
{
	pthread_cond_destroy(&finder->helper_due);
	pthread_mutex_destroy(&finder->mutex);
	free(finder);
}

struct finder *finder_new(store_open_fn *open, void *context, size_t queue_max)
{
	struct finder *finder = calloc(1, sizeof(*finder));

	if (finder == NULL)
		return NULL;
	finder->queue_max = queue_max;
	finder->open = open;
	finder->context = context;
	pthread_mutex_init(&finder->mutex, NULL);
	pthread_cond_init(&finder->helper_due, NULL);
	if (pthread_create(&finder->helper, NULL, help_until_stopped, finder) !=
	    0) {
		release(finder);
		return NULL;
	}
	return finder;
}

void finder_attach(struct finder *finder, void (*wake)(void *context),
		   void *context)
{
	finder->wake = wake;
	finder->wake_context = context;
}

void finder_free(struct finder **finder)
{
	struct finder *self = *finder;

	if (self == NULL)
		return;
	assert(self->phase == PHASE_IDLE && self->waiting == 0);
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_mutex_unlock(&self->mutex);
	pthread_cond_signal(&self->helper_due);
	pthread_join(self->helper, NULL);
	release(self);
	*finder = NULL;
}
