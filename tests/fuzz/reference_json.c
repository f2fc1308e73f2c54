/* SPDX-License-Identifier: MIT */
#include "reference_json.h"

#include <stddef.h>
#include <string.h>

#include "checks.h"

enum { DEPTH_MAX = 32 };

/* What may come next. */
enum expected {
	VALUE,
	VALUE_OR_CLOSE, /* behind '[' */
	NAME,
	NAME_OR_CLOSE, /* behind '{' */
	COLON,
	COMMA_OR_CLOSE,
	NOTHING,
};

struct reader {
	const char *at;
	const char *end;
	char open[DEPTH_MAX]; /* '{' and '[' that are not closed yet */
	size_t depth;
	enum expected expected;
	bool lone_surrogate;
};

static bool take(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length ||
	    memcmp(reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

/* Any number of characters of a set; how many. */
static size_t take_all_of(struct reader *reader, const char *set)
{
	const char *start = reader->at;

	while (reader->at < reader->end && *reader->at != '\0' &&
	       strchr(set, *reader->at) != NULL)
		reader->at++;
	return (size_t)(reader->at - start);
}

static bool take_number(struct reader *reader)
{
	static const char digits[] = "0123456789";

	(void)take(reader, "-");
	if (!take(reader, "0") && take_all_of(reader, digits) == 0)
		return false;
	if (take(reader, ".") && take_all_of(reader, digits) == 0)
		return false;
	if (take(reader, "e") || take(reader, "E")) {
		if (!take(reader, "+"))
			(void)take(reader, "-");
		return take_all_of(reader, digits) > 0;
	}
	return true;
}

/* Four hexadecimal digits; their value, or -1. */
static long take_unit(struct reader *reader)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	long unit = 0;

	for (int i = 0; i < 4; i++) {
		const char *digit = reader->at < reader->end
					    ? memchr(digits, *reader->at, 32)
					    : NULL;

		if (digit == NULL)
			return -1;
		unit = unit * 16 + (digit - digits) % 16;
		reader->at++;
	}
	return unit;
}

/* Stands behind a '\'. The unit of a "\uXXXX", 0 for the others, or -1. */
static long take_escape(struct reader *reader)
{
	if (take(reader, "u"))
		return take_unit(reader);
	if (reader->at == reader->end || *reader->at == '\0')
		return -1;
	return strchr("\"\\/bfnrt", *reader->at++) != NULL ? 0 : -1;
}

static bool take_string(struct reader *reader)
{
	bool high = false; /* half of a pair comes before */

	if (!take(reader, "\""))
		return false;
	while (reader->at < reader->end) {
		unsigned char byte = (unsigned char)*reader->at++;
		long unit = byte == '\\' ? take_escape(reader) : 0;
		bool low = unit >= 0xdc00 && unit <= 0xdfff;

		if (unit < 0 || byte < 0x20)
			return false;
		reader->lone_surrogate |= low != high;
		high = unit >= 0xd800 && unit <= 0xdbff;
		if (byte == '"')
			return true;
	}
	return false;
}

static void value_taken(struct reader *reader)
{
	reader->expected = reader->depth > 0 ? COMMA_OR_CLOSE : NOTHING;
}

static bool open_container(struct reader *reader, char bracket)
{
	if (reader->depth == DEPTH_MAX)
		return false;
	reader->open[reader->depth++] = bracket;
	reader->expected = bracket == '{' ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
	return true;
}

static bool take_close(struct reader *reader)
{
	if (reader->depth == 0 ||
	    !take(reader, reader->open[reader->depth - 1] == '{' ? "}" : "]"))
		return false;
	reader->depth--;
	value_taken(reader);
	return true;
}

static bool take_value(struct reader *reader)
{
	if (take(reader, "{"))
		return open_container(reader, '{');
	if (take(reader, "["))
		return open_container(reader, '[');
	value_taken(reader);
	if (reader->at < reader->end && *reader->at == '"')
		return take_string(reader);
	return take(reader, "true") || take(reader, "false") ||
	       take(reader, "null") || take_number(reader);
}

static bool take_name(struct reader *reader)
{
	reader->expected = COLON;
	return take_string(reader);
}

static bool take_comma(struct reader *reader)
{
	reader->expected =
		reader->open[reader->depth - 1] == '{' ? NAME : VALUE;
	return take(reader, ",");
}

static bool take_colon(struct reader *reader)
{
	reader->expected = VALUE;
	return take(reader, ":");
}

static bool take_next(struct reader *reader)
{
	switch (reader->expected) {
	case VALUE:
		return take_value(reader);
	case VALUE_OR_CLOSE:
		return take_close(reader) || take_value(reader);
	case NAME:
		return take_name(reader);
	case NAME_OR_CLOSE:
		return take_close(reader) || take_name(reader);
	case COLON:
		return take_colon(reader);
	case COMMA_OR_CLOSE:
		return take_close(reader) || take_comma(reader);
	case NOTHING:
		break;
	}
	return false;
}

static bool read_text(struct span text, bool *lone_surrogate_r)
{
	struct reader reader = { .at = text.length > 0 ? text.data : "",
				 .expected = VALUE };

	reader.end = reader.at + text.length;
	do {
		(void)take_all_of(&reader, " \t\r\n");
		if (!take_next(&reader))
			return false;
		(void)take_all_of(&reader, " \t\r\n");
	} while (reader.at < reader.end || reader.expected != NOTHING);
	*lone_surrogate_r = reader.lone_surrogate;
	return true;
}

bool is_json_grammar(struct span text)
{
	bool lone_surrogate;

	return read_text(text, &lone_surrogate);
}

bool is_json(struct span text)
{
	bool lone_surrogate;

	return is_utf8(text) && read_text(text, &lone_surrogate) &&
	       !lone_surrogate;
}
