/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_SPARES_H
#define BUZON_GATE_SPARES_H

#include <stddef.h>

#include "text/buf.h"

/*
 * The memory of buffers from one request to the next, whichever connections
 * these come over: what was used last is used first, and is still in the
 * processor's cache. An idle connection has none of it. If each kept its own,
 * thousands of them would leave the heap in small pieces, and every malloc()
 * would have to look through those. For the gate's thread alone.
 */

enum {
	SPARES_MAX = 256,
	/* Larger memory than this is freed, not kept. */
	SPARE_BYTES_MAX = 4096,
};

struct spares {
	size_t count;
	struct buf bufs[SPARES_MAX];
};

/* Frees all that is kept. All bytes 0 is a set that keeps nothing yet. */
void spares_deinit(struct spares *spares);

/* Gives memory that is kept, if there is any, to a buffer that has none. */
void spares_lend(struct spares *spares, struct buf *buf);

/* Empties a buffer: its memory is kept for others, or freed. */
void spares_take(struct spares *spares, struct buf *buf);

#endif
