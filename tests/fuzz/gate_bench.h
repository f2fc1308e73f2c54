/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_GATE_BENCH_H
#define BUZON_TESTS_FUZZ_GATE_BENCH_H

#include <stddef.h>

#include "text/buf.h"
#include "text/span.h"

/*
 * A connection of the gate with all that is behind it, over a socket pair and
 * in one thread: what goes to workers, appender, finder and probe is done at
 * once, on a store of its own with a few messages, so that the same bytes
 * always lead to the same answers. A program that links it needs
 * $(gate_bench_wraps).
 */

enum { GATE_BENCH_BODY_MAX_BYTES = 4096, GATE_BENCH_MESSAGES = 3 };

/*
 * Sends a stream in pieces of at most so many bytes, then its end. Appends to
 * out all that was answered until the gate closed the connection. Returns how
 * many messages were stored.
 */
size_t gate_bench_run(struct span stream, size_t piece, struct buf *out);

#endif
