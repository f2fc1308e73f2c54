/* SPDX-License-Identifier: MIT */
#include "inbox/appender.h"

#include <assert.h>

/* One transaction's texts at most; MariaDB takes 16 MiB in one packet. */
enum { BATCH_BYTES_MAX = 4 * 1024 * 1024 };

static size_t bytes_of(const struct append *append)
{
	return append->row.from.length + append->row.content.length +
	       append->row.idempotency_key.length;
}

static size_t size(const struct batch_item *first, size_t waiting,
		   const struct store *store)
{
	size_t bytes = 0, count = 0;

	for (; count < waiting; count++, first = first->next) {
		bytes += bytes_of((const struct append *)first);
		if (count > 0 && bytes > BATCH_BYTES_MAX)
			break;
	}
	/* Without a store nobody knows how many it likes: one is right always. */
	return store == NULL ? 1 : store_append_size(store, count);
}

static enum err run(struct batch *batch, struct store *store)
{
	struct store_append *rows[APPENDER_ROWS_MAX] = { NULL };

	for (size_t i = 0; i < batch->count; i++)
		rows[i] = &((struct append *)batch->items[i])->row;
	return store_append(store, rows, batch->count);
}

static void finish(struct batch *batch, enum err err)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct append *append = (struct append *)batch->items[i];

		append->err = err;
		append->done(append);
	}
}

static const struct batcher_operations operations = {
	.size = size,
	.run = run,
	.finish = finish,
};

struct batcher *appender_new(store_open_fn *open, void *context,
			     size_t queue_max, size_t rows_max)
{
	assert(rows_max <= APPENDER_ROWS_MAX);
	return batcher_new(&operations, open, context, queue_max, rows_max);
}

enum err appender_submit(struct batcher *appender, struct append *append)
{
	return batcher_submit(appender, &append->item);
}
