/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_SPAN_H
#define BUZON_TEXT_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * A piece of text that somebody else owns: not terminated, may hold any byte.
 * It is valid as long as what it points into. data is NULL where there is no
 * text at all (a header that was not sent), which is not the same as empty.
 */
struct span {
	const char *data;
	size_t length;
};

/* For string literals and char arrays that end in a NUL. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

static inline struct span span_of(const char *text)
{
	return (struct span){ text, text == NULL ? 0 : strlen(text) };
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.length == b.length &&
	       (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* The part of text from offset on; offset must not exceed its length. */
static inline struct span span_from(struct span text, size_t offset)
{
	return (struct span){ text.data + offset, text.length - offset };
}

#endif
