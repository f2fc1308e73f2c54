/* SPDX-License-Identifier: MIT */
#include "gate/spares.h"

void spares_deinit(struct spares *spares)
{
	while (spares->count > 0)
		buf_deinit(&spares->bufs[--spares->count]);
}

/* Gives the memory of one to the other; each keeps its own ceiling. */
static void move(struct buf *from, struct buf *to)
{
	to->data = from->data;
	to->capacity = from->capacity;
	buf_init(from, from->ceiling);
}

void spares_lend(struct spares *spares, struct buf *buf)
{
	if (buf->data == NULL && spares->count > 0)
		move(&spares->bufs[--spares->count], buf);
}

void spares_take(struct spares *spares, struct buf *buf)
{
	if (buf->data == NULL || buf->capacity > SPARE_BYTES_MAX ||
	    spares->count == SPARES_MAX) {
		buf_deinit(buf);
		return;
	}
	move(buf, &spares->bufs[spares->count++]);
}
