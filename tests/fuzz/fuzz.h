/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_FUZZ_H
#define BUZON_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "text/span.h"

/*
 * A target takes any bytes, has the program read them, and holds what comes of
 * it against what API.md or a standard says, by assert(). libFuzzer calls it
 * with what it thinks up; replay.c, in `make check`, with files that are kept.
 *
 * data: size bytes of memory of their own, so that a sanitizer sees the first
 * byte read beyond them. Returns 0. One thread.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct span fuzz_span(const uint8_t *data, size_t size)
{
	return (struct span){ (const char *)data, size };
}

/*
 * The line that text begins with, without its '\n'; *rest_r is what follows,
 * empty where there is no '\n'. For targets that take more than one text.
 */
static inline struct span fuzz_line(struct span text, struct span *rest_r)
{
	const char *end =
		text.length == 0 ? NULL : memchr(text.data, '\n', text.length);
	struct span line = text;

	if (end != NULL)
		line.length = (size_t)(end - text.data);
	*rest_r = span_from(text, line.length + (end != NULL));
	return line;
}

#endif
