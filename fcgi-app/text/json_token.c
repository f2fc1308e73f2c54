/* SPDX-License-Identifier: MIT */
#include "text/json_token.h"

#include "text/hex.h"
#include "text/utf8.h"

enum {
	ESCAPE_BYTES = 6, /* \uXXXX */
	UNIT_DIGITS = ESCAPE_BYTES - 2,
};

static bool is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

/* Reads up to four hexadecimal digits and returns how many there were. */
static size_t read_unit(const struct json_cursor *cursor, size_t at,
			unsigned int *unit_r)
{
	size_t digits;

	*unit_r = 0;
	for (digits = 0; digits < UNIT_DIGITS; digits++) {
		int digit = hex_value(json_byte_at(cursor, at + digits));

		if (digit < 0)
			break;
		*unit_r = *unit_r << 4 | (unsigned int)digit;
	}
	return digits;
}

static bool low_surrogate_follows(const struct json_cursor *cursor)
{
	unsigned int unit;

	return json_peek(cursor) == '\\' &&
	       json_byte_at(cursor, cursor->at + 1) == 'u' &&
	       read_unit(cursor, cursor->at + 2, &unit) == UNIT_DIGITS &&
	       unit >= 0xdc00 && unit <= 0xdfff;
}

/* Stands at the "\" of a "\uXXXX". */
static enum err scan_unicode_escape(struct json_cursor *cursor,
				    struct json_value *value)
{
	size_t start = cursor->at;
	unsigned int unit;
	size_t digits;

	digits = read_unit(cursor, start + 2, &unit);
	if (digits < UNIT_DIGITS)
		return json_refuse_at(cursor, start + 2 + digits,
				      "four hexadecimal digits after '\\u'");
	cursor->at += ESCAPE_BYTES;
	if (unit < 0xd800 || unit > 0xdfff)
		return ERR_OK;
	if (unit < 0xdc00 && low_surrogate_follows(cursor)) {
		cursor->at += ESCAPE_BYTES;
	} else if (value->fault == JSON_STRING_GOOD) {
		value->fault = JSON_STRING_LONE_SURROGATE;
		value->fault_at = start;
	}
	return ERR_OK;
}

static enum err scan_escape(struct json_cursor *cursor,
			    struct json_value *value)
{
	switch (json_byte_at(cursor, cursor->at + 1)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		cursor->at += 2;
		return ERR_OK;
	case 'u':
		return scan_unicode_escape(cursor, value);
	default:
		return json_refuse_at(
			cursor, cursor->at + 1,
			"one of '\"' '\\' '/' 'b' 'f' 'n' 'r' 't' 'u' "
			"after the '\\'");
	}
}

static enum err scan_string(struct json_cursor *cursor,
			    struct json_value *value)
{
	size_t start = cursor->at;
	size_t bad;

	cursor->at++;
	while (json_peek(cursor) != '"') {
		int byte = json_peek(cursor);
		enum err err = ERR_OK;

		if (byte == JSON_END)
			return json_refuse(cursor, "'\"' to end the string");
		if (byte < 0x20)
			return json_refuse(cursor, "control characters escaped "
						   "(as in \\n or \\u0000)");
		if (byte == '\\')
			err = scan_escape(cursor, value);
		else
			cursor->at++;
		if (err != ERR_OK)
			return err;
	}
	cursor->at++;

	value->type = JSON_STRING;
	value->raw =
		(struct span){ cursor->text.data + start, cursor->at - start };
	bad = utf8_first_bad(value->raw);
	if (bad < value->raw.length) {
		value->fault = JSON_STRING_NOT_UTF8;
		value->fault_at = start + bad;
	}
	return ERR_OK;
}

static enum err scan_digits(struct json_cursor *cursor, const char *expected)
{
	if (!is_digit(json_peek(cursor)))
		return json_refuse(cursor, expected);
	while (is_digit(json_peek(cursor)))
		cursor->at++;
	return ERR_OK;
}

static enum err scan_integer(struct json_cursor *cursor)
{
	size_t start;

	if (json_peek(cursor) == '-')
		cursor->at++;
	start = cursor->at;
	if (json_peek(cursor) == '0' &&
	    is_digit(json_byte_at(cursor, start + 1)))
		return json_refuse_at(cursor, start,
				      "a number without leading zeros");
	return scan_digits(cursor, "a digit after the '-'");
}

static enum err scan_number(struct json_cursor *cursor,
			    struct json_value *value)
{
	size_t start = cursor->at;
	enum err err;

	err = scan_integer(cursor);
	if (err == ERR_OK && json_peek(cursor) == '.') {
		cursor->at++;
		err = scan_digits(cursor, "a digit after the '.'");
	}
	if (err == ERR_OK &&
	    (json_peek(cursor) == 'e' || json_peek(cursor) == 'E')) {
		cursor->at++;
		if (json_peek(cursor) == '+' || json_peek(cursor) == '-')
			cursor->at++;
		err = scan_digits(cursor, "a digit in the exponent");
	}
	value->type = JSON_NUMBER;
	value->raw =
		(struct span){ cursor->text.data + start, cursor->at - start };
	return err;
}

static enum err scan_word(struct json_cursor *cursor, struct json_value *value)
{
	struct span word = json_word_at(cursor, cursor->at);

	if (span_equal(word, SPAN("true")) || span_equal(word, SPAN("false")))
		value->type = JSON_BOOLEAN;
	else if (span_equal(word, SPAN("null")))
		value->type = JSON_NULL;
	else
		return json_refuse(cursor,
				   "a value: an object, array, string, number, "
				   "true, false or null");
	value->raw = word;
	cursor->at += word.length;
	return ERR_OK;
}

enum err json_scan_token(struct json_cursor *cursor, struct json_value *value)
{
	int byte = json_peek(cursor);

	*value = (struct json_value){ .fault = JSON_STRING_GOOD };
	if (byte == '"')
		return scan_string(cursor, value);
	if (byte == '-' || is_digit(byte))
		return scan_number(cursor, value);
	return scan_word(cursor, value);
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
		string->fault_at, (int)ESCAPE_BYTES,
		cursor->text.data + string->fault_at);
}
