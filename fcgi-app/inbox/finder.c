/* SPDX-License-Identifier: MIT */
#include "inbox/finder.h"

struct batch {
	struct batch_item **items;
	size_t count;
};

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

static void process(struct batch_item **items, size_t count,
		    struct store *store)
{
	struct batch batch = { .items = items, .count = count };
	uint64_t ids[FINDER_LOOKUPS_MAX] = { 0 };
	enum err err = ERR_OUT_OF_MEMORY;

	for (size_t i = 0; i < count; i++)
		ids[i] = ((struct lookup *)items[i])->id;
	if (store != NULL)
		err = store_find(store, ids, count, visit, &batch);
	for (size_t i = 0; i < count; i++) {
		struct lookup *lookup = (struct lookup *)items[i];

		lookup->err = err;
		lookup->done(lookup);
	}
}

static const struct batcher_operations operations = { .process = process };

struct batcher *finder_new(store_open_fn *open, void *context, size_t queue_max)
{
	return batcher_new(&operations, open, context, queue_max,
			   FINDER_LOOKUPS_MAX);
}

enum err finder_submit(struct batcher *finder, struct lookup *lookup)
{
	return batcher_submit(finder, &lookup->item);
}
