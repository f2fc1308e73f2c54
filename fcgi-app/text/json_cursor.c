/* SPDX-License-Identifier: MIT */
#include "text/json_cursor.h"

#include <stdbool.h>
#include <stdio.h>

#include "text/utf8.h"

enum { WORD_BYTES_MAX = 24, SEEN_BYTES = 128 };

int json_byte_at(const struct json_cursor *cursor, size_t at)
{
	if (at >= cursor->text.length)
		return JSON_END;
	return (unsigned char)cursor->text.data[at];
}

int json_peek(const struct json_cursor *cursor)
{
	return json_byte_at(cursor, cursor->at);
}

static bool is_word(int byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == '+' ||
	       byte == '-' || byte == '.';
}

struct span json_word_at(const struct json_cursor *cursor, size_t at)
{
	size_t length = 0;

	while (is_word(json_byte_at(cursor, at + length)))
		length++;
	return (struct span){ cursor->text.data + at, length };
}

void json_skip_blanks(struct json_cursor *cursor)
{
	for (;;) {
		int byte = json_peek(cursor);

		if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
			return;
		cursor->at++;
	}
}

/* Puts what stands at an offset into words. */
static void describe_seen(const struct json_cursor *cursor, size_t at,
			  char out[SEEN_BYTES])
{
	struct span seen = json_word_at(cursor, at);
	char quoted[SEEN_BYTES / 2];
	uint32_t code_point = 0;

	if (at >= cursor->text.length) {
		snprintf(out, SEEN_BYTES, "the end of the text");
		return;
	}
	if (seen.length == 0) {
		seen = span_from(cursor->text, at);
		seen.length = utf8_next(seen, &code_point);
		if (code_point < 0x20 || code_point == 0x7f ||
		    code_point == UTF8_REPLACEMENT) {
			snprintf(out, SEEN_BYTES, "byte 0x%02x",
				 (unsigned int)json_byte_at(cursor, at));
			return;
		}
	}
	if (seen.length > WORD_BYTES_MAX)
		seen.length = WORD_BYTES_MAX;
	problem_quote(seen, quoted, sizeof(quoted));
	/* Beyond ASCII much looks alike, or like nothing at all. */
	if (code_point < 0x80)
		snprintf(out, SEEN_BYTES, "'%s'", quoted);
	else
		snprintf(out, SEEN_BYTES, "'%s' (U+%04X)", quoted,
			 (unsigned int)code_point);
}

enum err json_refuse_at(const struct json_cursor *cursor, size_t at,
			const char *expected)
{
	const char *hint = "";
	char seen[SEEN_BYTES];

	if (json_byte_at(cursor, at) == '/' || json_byte_at(cursor, at) == '#')
		hint = " JSON has no comments.";
	if (json_byte_at(cursor, at) == '\'')
		hint = " JSON has no single quotes: use '\"'.";
	describe_seen(cursor, at, seen);
	return problem_set(cursor->problem, ERR_INVALID_JSON,
			   "At byte offset %zu: found %s, expected %s.%s", at,
			   seen, expected, hint);
}

enum err json_refuse(const struct json_cursor *cursor, const char *expected)
{
	return json_refuse_at(cursor, cursor->at, expected);
}
