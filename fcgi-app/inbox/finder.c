/* SPDX-License-Identifier: MIT */
#include "inbox/finder.h"

/* Several lookups may want the same message. */
static bool visit(const struct message *message, void *context)
{
	const struct batch *batch = context;

	for (size_t i = 0; i < batch->count; i++) {
		struct lookup *lookup = (struct lookup *)batch->items[i];

		if (lookup->id == message->id)
			lookup->found(lookup, message);
	}
	return true;
}

static void copy_ids(const struct batch *batch,
		     uint64_t ids[FINDER_LOOKUPS_MAX])
{
	for (size_t i = 0; i < batch->count; i++)
		ids[i] = ((const struct lookup *)batch->items[i])->id;
}

static enum err run(struct batch *batch, struct store *store)
{
	uint64_t ids[FINDER_LOOKUPS_MAX] = { 0 };

	copy_ids(batch, ids);
	return store_find(store, ids, batch->count, visit, batch);
}

static enum store_progress start(struct batch *batch, struct store *store,
				 enum err *err_r)
{
	uint64_t ids[FINDER_LOOKUPS_MAX] = { 0 };

	copy_ids(batch, ids);
	return store_find_start(store, ids, batch->count, visit, batch, err_r);
}

static void finish(struct batch *batch, enum err err)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct lookup *lookup = (struct lookup *)batch->items[i];

		lookup->err = err;
		lookup->done(lookup);
	}
}

static const struct batcher_operations operations = {
	.run = run,
	.start = start,
	.resume = store_find_continue,
	.finish = finish,
};

struct batcher *finder_new(store_open_fn *open, void *context, size_t queue_max)
{
	return batcher_new(&operations, open, context, queue_max,
			   FINDER_LOOKUPS_MAX);
}

enum err finder_submit(struct batcher *finder, struct lookup *lookup)
{
	return batcher_submit(finder, &lookup->item);
}
