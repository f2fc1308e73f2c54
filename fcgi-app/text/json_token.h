/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_JSON_TOKEN_H
#define BUZON_TEXT_JSON_TOKEN_H

#include <stddef.h>

#include "text/json.h"

/*
 * The words of JSON: strings, numbers, true, false, null (json_token.c), and
 * how a fault is told (json_refuse.c). For json_scan.c alone, which knows how
 * words are put together.
 */

enum {
	JSON_END = -1,         /* what stands behind the last byte */
	JSON_ESCAPE_BYTES = 6, /* \uXXXX */
};

/* A place in a text, and who is told what is wrong there. */
struct json_cursor {
	struct span text;
	size_t at; /* the next byte to look at */
	struct problem *problem;
};

struct json_value {
	struct span raw;
	enum json_value_type type;
	enum json_string_fault fault;
	size_t fault_at; /* offset in the text, where there is a fault */
};

/* The byte at the cursor (or at an offset), 0 to 255, or JSON_END. */
int json_peek(const struct json_cursor *cursor);
int json_byte_at(const struct json_cursor *cursor, size_t at);

/* The word that begins at an offset: all that a person would read as one. */
struct span json_word_at(const struct json_cursor *cursor, size_t at);

void json_skip_blanks(struct json_cursor *cursor);

/*
 * Scans a value that is neither object nor array, from its first byte to
 * behind its last one. ERR_OK (a faulty string included: see value->fault) or
 * ERR_INVALID_JSON with the problem set.
 */
enum err json_scan_token(struct json_cursor *cursor,
			 struct json_value *value) MUST_CHECK;

/*
 * Sets the problem: what stands at the cursor (or at an offset), and what would
 * be right there. Returns ERR_INVALID_JSON.
 */
enum err json_refuse(const struct json_cursor *cursor, const char *expected);
enum err json_refuse_at(const struct json_cursor *cursor, size_t at,
			const char *expected);

/* Sets the problem of a faulty string. Returns ERR_INVALID_JSON. */
enum err json_refuse_string(const struct json_cursor *cursor,
			    const struct json_value *string);

#endif
