/* SPDX-License-Identifier: MIT */
#include "checks.h"

#include <assert.h>
#include <string.h>

#include "text/buf.h"
#include "reference_json.h"

enum { PROBLEM_JSON_BYTES = 64 * 1024 };

static bool in_range(const unsigned char *bytes, size_t left, size_t at,
		     unsigned char low, unsigned char high)
{
	return at < left && bytes[at] >= low && bytes[at] <= high;
}

/* How long the character at bytes is; 0 where it is none. */
static size_t character_length(const unsigned char *bytes, size_t left)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high;
		size_t length;
	} rows[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (bytes[0] < rows[i].first_low ||
		    bytes[0] > rows[i].first_high)
			continue;
		if (rows[i].length > 1 &&
		    !in_range(bytes, left, 1, rows[i].second_low,
			      rows[i].second_high))
			return 0;
		for (size_t at = 2; at < rows[i].length; at++) {
			if (!in_range(bytes, left, at, 0x80, 0xbf))
				return 0;
		}
		return rows[i].length;
	}
	return 0;
}

bool is_utf8(struct span text)
{
	size_t at = 0;

	while (at < text.length) {
		size_t length =
			character_length((const unsigned char *)text.data + at,
					 text.length - at);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

size_t count_characters(struct span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.length; i++)
		count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	return count;
}

bool lies_within(struct span piece, struct span whole)
{
	return piece.length == 0 ||
	       (piece.data >= whole.data &&
		piece.data + piece.length <= whole.data + whole.length);
}

void check_message(struct span from, struct span content)
{
	assert(is_utf8(from));
	assert(is_utf8(content));
	assert(from.length > 0 && count_characters(from) <= 255);
	assert(content.length > 0 && content.length <= 65535);
	assert(memchr(from.data, '\0', from.length) == NULL);
	assert(memchr(content.data, '\0', content.length) == NULL);
}

void check_problem(const struct problem *problem, enum err err)
{
	struct buf text;

	assert(err > ERR_OK && err < ERR__MAX);
	assert(problem->err == err);
	buf_init(&text, PROBLEM_JSON_BYTES);
	problem_append_json(&text, problem);
	assert(buf_error(&text) == ERR_OK);
	assert(is_utf8(buf_span(&text)));
	assert(is_json(buf_span(&text)));
	buf_deinit(&text);
}
