/* SPDX-License-Identifier: MIT */
#include "text/json.h"

#include <string.h>

#include "text/json_token.h"

/*
 * A strict scanner by recursive descent, one function for each rule of
 * RFC 8259. It looks at every byte a bounded number of times, keeps nothing
 * but spans of the text, and is bounded in depth by JSON_DEPTH_MAX.
 */

struct scanner {
	struct json_cursor cursor;
	unsigned int depth;
	json_visit_fn *visit;
	void *context;
};

typedef enum err scan_fn(struct scanner *scanner);

static enum err scan_value(struct scanner *scanner, struct json_value *value);

static enum err scan_element(struct scanner *scanner)
{
	struct json_value value;
	enum err err;

	err = scan_value(scanner, &value);
	if (err == ERR_OK && value.fault != JSON_STRING_GOOD)
		err = json_refuse_string(&scanner->cursor, &value);
	return err;
}

static enum err scan_name(struct json_cursor *cursor, struct span *name_r)
{
	struct json_value name;
	enum err err;

	if (json_peek(cursor) != '"')
		return json_refuse(cursor, "the name of a member in '\"'");
	err = json_scan_token(cursor, &name);
	if (err == ERR_OK && name.fault != JSON_STRING_GOOD)
		err = json_refuse_string(cursor, &name);
	*name_r = name.raw;
	return err;
}

static enum err scan_member(struct scanner *scanner)
{
	struct json_cursor *cursor = &scanner->cursor;
	struct json_value value;
	struct span name;
	enum err err;

	err = scan_name(cursor, &name);
	if (err != ERR_OK)
		return err;
	json_skip_blanks(cursor);
	if (json_peek(cursor) != ':')
		return json_refuse(cursor, "':' after the name");
	cursor->at++;
	json_skip_blanks(cursor);
	if (scanner->depth > 1)
		return scan_element(scanner);

	err = scan_value(scanner, &value);
	if (err != ERR_OK)
		return err;
	return scanner->visit(&(struct json_member){ .name = name,
						     .value = value.raw,
						     .type = value.type,
						     .fault = value.fault },
			      scanner->context);
}

/* What stands in a pair of brackets, and the words for it. */
struct container {
	char close;
	scan_fn *scan_item;
	const char *separator_expected;
	const char *item_expected;
};

static const struct container object = {
	.close = '}',
	.scan_item = scan_member,
	.separator_expected = "',' or '}' after the member",
	.item_expected = "one more member, or no ',' before the '}'",
};

static const struct container array = {
	.close = ']',
	.scan_item = scan_element,
	.separator_expected = "',' or ']' after the element",
	.item_expected = "one more element, or no ',' before the ']'",
};

/* Scans "{…}" or "[…]", standing at its first byte. */
static enum err scan_container(struct scanner *scanner,
			       const struct container *container)
{
	struct json_cursor *cursor = &scanner->cursor;
	enum err err;

	_Static_assert(JSON_DEPTH_MAX == 32, "the text below says 32");
	if (scanner->depth == JSON_DEPTH_MAX)
		return json_refuse(cursor,
				   "objects and arrays at most 32 deep");
	scanner->depth++;
	cursor->at++;
	json_skip_blanks(cursor);
	while (json_peek(cursor) != container->close) {
		err = container->scan_item(scanner);
		if (err != ERR_OK)
			return err;
		json_skip_blanks(cursor);
		if (json_peek(cursor) == container->close)
			break;
		if (json_peek(cursor) != ',')
			return json_refuse(cursor,
					   container->separator_expected);
		cursor->at++;
		json_skip_blanks(cursor);
		if (json_peek(cursor) == container->close)
			return json_refuse(cursor, container->item_expected);
	}
	cursor->at++;
	scanner->depth--;
	return ERR_OK;
}

static enum err scan_value(struct scanner *scanner, struct json_value *value)
{
	struct json_cursor *cursor = &scanner->cursor;
	size_t start = cursor->at;
	enum err err;

	*value = (struct json_value){ .fault = JSON_STRING_GOOD };
	switch (json_peek(cursor)) {
	case '{':
		value->type = JSON_OBJECT;
		err = scan_container(scanner, &object);
		break;
	case '[':
		value->type = JSON_ARRAY;
		err = scan_container(scanner, &array);
		break;
	default:
		return json_scan_token(cursor, value);
	}
	value->raw =
		(struct span){ cursor->text.data + start, cursor->at - start };
	return err;
}

static enum err check_start(const struct json_cursor *cursor)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };

	if (cursor->text.length >= sizeof(mark) &&
	    memcmp(cursor->text.data, mark, sizeof(mark)) == 0)
		return problem_set(cursor->problem, ERR_INVALID_JSON,
				   "The body begins with a byte order mark "
				   "(bytes EF BB BF), expected UTF-8 without "
				   "one.");
	if (json_peek(cursor) == JSON_END)
		return problem_set(cursor->problem, ERR_INVALID_JSON,
				   "The body is empty, expected a JSON object "
				   "like {\"name\": \"value\"}.");
	if (json_peek(cursor) != '{')
		return json_refuse(cursor, "'{': the body must be a JSON "
					   "object like {\"name\": \"value\"}");
	return ERR_OK;
}

enum err json_scan_object(struct span text, json_visit_fn *visit, void *context,
			  struct problem *problem)
{
	struct scanner scanner = { .cursor = { .text = text,
					       .problem = problem },
				   .visit = visit,
				   .context = context };
	struct json_cursor *cursor = &scanner.cursor;
	struct json_value value;
	enum err err;

	json_skip_blanks(cursor);
	err = check_start(cursor);
	if (err != ERR_OK)
		return err;
	err = scan_value(&scanner, &value);
	if (err != ERR_OK)
		return err;
	json_skip_blanks(cursor);
	if (json_peek(cursor) != JSON_END)
		return json_refuse(cursor, "nothing more after the object");
	return ERR_OK;
}
