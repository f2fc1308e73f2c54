/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "text/json_token.h"
#include "text/utf8.h"

enum { WORD_BYTES_MAX = 24, SEEN_BYTES = 128 };

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

enum err json_refuse_string(const struct json_cursor *cursor,
			    const struct json_value *string)
{
	if (string->fault == JSON_STRING_NOT_UTF8)
		return problem_set(
			cursor->problem, ERR_INVALID_JSON,
			"At byte offset %zu: found byte 0x%02x that is not "
			"UTF-8, expected a text in UTF-8.",
			string->fault_at,
			(unsigned int)json_byte_at(cursor, string->fault_at));
	return problem_set(
		cursor->problem, ERR_INVALID_JSON,
		"At byte offset %zu: found '%.*s', one half of a surrogate "
		"pair, expected both halves (as in \\ud83d\\ude00).",
		string->fault_at, (int)JSON_ESCAPE_BYTES,
		cursor->text.data + string->fault_at);
}
