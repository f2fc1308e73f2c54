/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "text/hex.h"
#include "checks.h"
#include "fuzz.h"
#include "inbox/message_draft.h"

/* A urlencoded body, as handle_message_post() has it read; and a path. */

enum { TEXT_BYTES_MAX = 8 << 20 };

/* The text with "%XX" and "+" undone, once more; false for a "%" alone. */
static bool unescape(struct span text, bool plus_is_space, struct buf *out)
{
	for (size_t i = 0; i < text.length; i++) {
		int byte = (unsigned char)text.data[i];

		if (byte == '+' && plus_is_space)
			byte = ' ';
		if (byte == '%') {
			if (text.length - i < 3 ||
			    hex_value(text.data[i + 1]) < 0 ||
			    hex_value(text.data[i + 2]) < 0)
				return false;
			byte = hex_value(text.data[i + 1]) * 16 +
			       hex_value(text.data[i + 2]);
			i += 2;
		}
		buf_append_char(out, (char)byte);
	}
	return true;
}

static void check_part(struct span sent, struct span decoded)
{
	struct buf want;

	buf_init(&want, TEXT_BYTES_MAX);
	assert(unescape(sent, true, &want));
	assert(span_equal(buf_span(&want), decoded));
	buf_deinit(&want);
}

/* Each piece between two "&" is the field that it stands for. */
static void check_fields(const struct form *form, struct span text)
{
	size_t at = 0, count = 0;

	while (at < text.length) {
		struct span piece = span_from(text, at);
		const char *end = memchr(piece.data, '&', piece.length);
		const char *equals;
		struct span name, value;

		if (end != NULL)
			piece.length = (size_t)(end - piece.data);
		at += piece.length + 1;
		if (piece.length == 0)
			continue;
		equals = memchr(piece.data, '=', piece.length);
		name = value = piece;
		value.length = 0;
		if (equals != NULL) {
			name.length = (size_t)(equals - piece.data);
			value = span_from(piece, name.length + 1);
		}
		assert(count < form->count);
		check_part(name, form->fields[count].name);
		check_part(value, form->fields[count].value);
		count++;
	}
	assert(count == form->count && count <= FORM_FIELDS_MAX);
}

/* Encoded and decoded again, the fields are the same. */
static void check_round_trip(const struct form *form)
{
	struct problem problem;
	struct form again;
	struct buf text;

	problem_init(&problem);
	buf_init(&text, TEXT_BYTES_MAX);
	form_init(&again);
	for (size_t i = 0; i < form->count; i++) {
		form_append_escaped(&text, form->fields[i].name);
		buf_append_char(&text, '=');
		form_append_escaped(&text, form->fields[i].value);
		buf_append_char(&text, '&');
	}
	assert(buf_error(&text) == ERR_OK);
	assert(form_parse_urlencoded(&again, buf_span(&text), &problem) ==
	       ERR_OK);
	assert(again.count == form->count);
	for (size_t i = 0; i < form->count; i++) {
		assert(span_equal(again.fields[i].name, form->fields[i].name));
		assert(span_equal(again.fields[i].value,
				  form->fields[i].value));
	}
	form_deinit(&again);
	buf_deinit(&text);
}

static void check_draft(const struct form *form)
{
	struct message_draft draft;
	struct problem problem;
	enum err err;

	problem_init(&problem);
	message_draft_init(&draft);
	err = message_draft_from_form(&draft, form, &problem);
	if (err == ERR_OK)
		check_message(draft.from, draft.content);
	else
		check_problem(&problem, err);
	message_draft_deinit(&draft);
}

static bool has_escaped_slash(struct span path)
{
	for (size_t i = 0; i + 2 < path.length; i++) {
		if (memcmp(path.data + i, "%2F", 3) == 0 ||
		    memcmp(path.data + i, "%2f", 3) == 0)
			return true;
	}
	return false;
}

/* A path that has no escaped slash equals what it is decoded to. */
static void check_path(struct span path)
{
	struct problem problem;
	struct buf want;
	bool good;
	enum err err;

	problem_init(&problem);
	buf_init(&want, path.length);
	good = unescape(path, false, &want) &&
	       (want.length == 0 ||
		memchr(want.data, '\0', want.length) == NULL);
	err = form_check_path(path, &problem);
	assert((err == ERR_OK) == good);
	if (good) {
		assert(form_path_equal(path, buf_span(&want)) ==
		       !has_escaped_slash(path));
		assert(!form_path_equal(path, SPAN("/api/message")) ||
		       span_equal(buf_span(&want), SPAN("/api/message")));
	} else {
		check_problem(&problem, err);
	}
	buf_deinit(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_span(data, size);
	struct problem problem;
	struct form form;
	enum err err;

	problem_init(&problem);
	form_init(&form);
	err = form_parse_urlencoded(&form, text, &problem);
	if (err == ERR_OK) {
		check_fields(&form, text);
		check_round_trip(&form);
		check_draft(&form);
	} else {
		assert(err == ERR_INVALID_FORM);
		check_problem(&problem, err);
	}
	form_deinit(&form);
	check_path(text);
	return 0;
}
