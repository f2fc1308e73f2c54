/* SPDX-License-Identifier: MIT */
#include "http/form.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/hex.h"

enum { FIRST_CAPACITY_FIELDS = 8, ESCAPE_BYTES = 3 /* %XX */ };

void form_init(struct form *form)
{
	*form = (struct form){ .fields = NULL };
	buf_init(&form->storage, 0);
}

void form_deinit(struct form *form)
{
	free(form->fields);
	buf_deinit(&form->storage);
	form_init(form);
}

enum err form_add_field(struct form *form, struct form_field field,
			struct problem *problem)
{
	if (form->count == FORM_FIELDS_MAX)
		return problem_set(problem, ERR_INVALID_FORM,
				   "There are more than %d fields, expected at "
				   "most that many.",
				   (int)FORM_FIELDS_MAX);
	if (form->count == form->capacity) {
		size_t capacity = form->capacity == 0 ? FIRST_CAPACITY_FIELDS
						      : 2 * form->capacity;
		struct form_field *fields;

		fields = realloc(form->fields, capacity * sizeof(*fields));
		if (fields == NULL)
			return ERR_OUT_OF_MEMORY;
		form->fields = fields;
		form->capacity = capacity;
	}
	form->fields[form->count++] = field;
	return ERR_OK;
}

/*
 * The byte that text begins with, decoded, and how many of text it takes; -1
 * for a "%" that two hexadecimal digits do not follow.
 */
static int first_byte(struct span text, size_t *taken_r)
{
	int high;
	int low;

	*taken_r = text.data[0] == '%' ? ESCAPE_BYTES : 1;
	if (text.data[0] != '%')
		return (unsigned char)text.data[0];
	if (text.length < ESCAPE_BYTES)
		return -1;
	high = hex_value((unsigned char)text.data[1]);
	low = hex_value((unsigned char)text.data[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/*
 * Decodes text into out, which has room for text.length bytes, and returns how
 * many it wrote. Stops at a "%" that is none of ours: *rest_r is the text from
 * there on, else empty.
 */
static size_t unescape(struct span text, char *out, struct span *rest_r)
{
	size_t length = 0;
	size_t taken;

	for (; text.length > 0; text = span_from(text, taken)) {
		int byte = first_byte(text, &taken);

		if (byte < 0)
			break;
		out[length++] = text.data[0] == '+' ? ' ' : (char)byte;
	}
	*rest_r = text;
	return length;
}

/* What stands where "%XX" was expected, fit for a message. */
static const char *quote_escape(struct span rest, char *out, size_t size)
{
	if (rest.length > ESCAPE_BYTES)
		rest.length = ESCAPE_BYTES;
	return problem_quote(rest, out, size);
}

/* Appends the decoded text to storage, which has room for it already. */
static bool decode(struct span text, struct buf *storage, struct span *out_r,
		   struct span *rest_r)
{
	char *room = buf_reserve(storage, text.length);

	assert(room != NULL);
	out_r->data = room;
	out_r->length = unescape(text, room, rest_r);
	storage->length += out_r->length;
	return rest_r->length == 0;
}

/* Decodes "name=value"; false where it could not, the fault then added. */
static bool decode_field(struct span piece, struct buf *storage,
			 struct form_field *field, struct problem *problem)
{
	const char *equals = memchr(piece.data, '=', piece.length);
	struct span name = piece;
	struct span value = span_from(piece, piece.length);
	struct span rest;
	char quoted[16];

	if (equals != NULL) {
		name.length = (size_t)(equals - piece.data);
		value = span_from(piece, name.length + 1);
	}
	if (decode(name, storage, &field->name, &rest)) {
		name = field->name;
		if (decode(value, storage, &field->value, &rest))
			return true;
	}
	problem_add_fault(problem, name, "invalid_percent",
			  "Found '%s' at byte offset %zu of the field, "
			  "expected two hexadecimal digits after '%%' (a "
			  "percent sign itself is '%%25')",
			  quote_escape(rest, quoted, sizeof(quoted)),
			  (size_t)(rest.data - piece.data));
	return false;
}

/* Cuts what stands before the next "&" off *rest. */
static struct span next_piece(struct span *rest)
{
	const char *end = memchr(rest->data, '&', rest->length);
	struct span piece = *rest;

	if (end == NULL) {
		*rest = span_from(*rest, rest->length);
	} else {
		piece.length = (size_t)(end - rest->data);
		*rest = span_from(*rest, piece.length + 1);
	}
	return piece;
}

enum err form_parse_urlencoded(struct form *form, struct span text,
			       struct problem *problem)
{
	struct buf *storage = &form->storage;
	bool faulty = false;

	/* All the room at once, so that no span moves while it grows. */
	form->count = 0;
	buf_deinit(storage);
	buf_init(storage, text.length);
	if (buf_reserve(storage, text.length) == NULL)
		return buf_error(storage);

	while (text.length > 0) {
		struct span piece = next_piece(&text);
		struct form_field field = { .name = { NULL, 0 } };
		enum err err;

		if (piece.length == 0)
			continue;
		if (!decode_field(piece, storage, &field, problem)) {
			faulty = true;
			continue;
		}
		err = form_add_field(form, field, problem);
		if (err != ERR_OK)
			return err;
	}
	if (faulty)
		return problem_set(problem, ERR_INVALID_FORM,
				   "A '%%' is not followed by two hexadecimal "
				   "digits.");
	return ERR_OK;
}

/*
 * What RFC 3986 lets a query hold, but for "&", "=" and "+", which a form gives
 * a meaning of its own.
 */
static bool stands_for_itself(char c)
{
	static const char others[] = "-._~/?:@!$'()*,;";

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       memchr(others, c, sizeof(others) - 1) != NULL;
}

void form_append_escaped(struct buf *out, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < text.length; i++) {
		unsigned char byte = (unsigned char)text.data[i];

		if (stands_for_itself(text.data[i]))
			buf_append_char(out, text.data[i]);
		else if (byte == ' ')
			buf_append_char(out, '+');
		else
			buf_append(out,
				   (char[]){ '%', digits[byte >> 4],
					     digits[byte & 0x0f] },
				   ESCAPE_BYTES);
	}
}

static bool holds(struct span text, char c)
{
	/* memchr() may not be given NULL, which an empty one may have. */
	return text.length > 0 && memchr(text.data, c, text.length) != NULL;
}

enum err form_check_path(struct span path, struct problem *problem)
{
	struct span rest = path;
	char quoted[16];
	size_t taken;

	/* As nearly all are sent. */
	if (!holds(path, '%') && !holds(path, '\0'))
		return ERR_OK;
	for (; rest.length > 0; rest = span_from(rest, taken)) {
		if (first_byte(rest, &taken) > 0)
			continue;
		return problem_set(problem, ERR_INVALID_PATH,
				   "Found '%s' at byte offset %zu of the path, "
				   "expected no NUL and two hexadecimal digits "
				   "after '%%' (a percent sign itself is "
				   "'%%25').",
				   quote_escape(rest, quoted, sizeof(quoted)),
				   path.length - rest.length);
	}
	return ERR_OK;
}

bool form_path_equal(struct span sent, struct span plain)
{
	size_t taken;

	if (!holds(sent, '%'))
		return span_equal(sent, plain);
	while (sent.length > 0 && plain.length > 0) {
		int byte = first_byte(sent, &taken);

		if (byte != (unsigned char)plain.data[0] ||
		    (byte == '/' && sent.data[0] != '/'))
			return false;
		sent = span_from(sent, taken);
		plain = span_from(plain, 1);
	}
	return sent.length == plain.length;
}
