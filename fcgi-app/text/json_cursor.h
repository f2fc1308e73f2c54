/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_JSON_CURSOR_H
#define BUZON_TEXT_JSON_CURSOR_H

#include <stddef.h>

#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

/* What reads JSON: where it is, what stands there, and what is wrong there. */

enum { JSON_END = -1 /* what stands behind the last byte */ };

/* A place in a text, and who is told what is wrong there. */
struct json_cursor {
	struct span text;
	size_t at; /* the next byte to look at */
	struct problem *problem;
};

/* The byte at the cursor (or at an offset), 0 to 255, or JSON_END. */
int json_peek(const struct json_cursor *cursor);
int json_byte_at(const struct json_cursor *cursor, size_t at);

/* The word that begins at an offset: all that a person would read as one. */
struct span json_word_at(const struct json_cursor *cursor, size_t at);

void json_skip_blanks(struct json_cursor *cursor);

/*
 * Sets the problem: what stands at the cursor (or at an offset), and what would
 * be right there. Returns ERR_INVALID_JSON.
 */
enum err json_refuse(const struct json_cursor *cursor, const char *expected);
enum err json_refuse_at(const struct json_cursor *cursor, size_t at,
			const char *expected);

#endif
