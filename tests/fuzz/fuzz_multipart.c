/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/form.h"
#include "http/http.h"
#include "checks.h"
#include "fuzz.h"
#include "inbox/message_draft.h"

/*
 * A multipart/form-data body, as handle_message_post() has it read: the first
 * line is the Content-Type with the boundary, and the body follows.
 */

enum { TEXT_BYTES_MAX = 8 << 20 };

static void append_part(struct buf *out, const char *boundary, size_t number,
			const struct form_field *field)
{
	struct span name = field->name;

	buf_appendf(out, "--%s\r\nContent-Disposition: form-data; name=\"",
		    boundary);
	/* What a quoted name cannot hold is not the program's to escape. */
	if (name.length == 0 || (memchr(name.data, '"', name.length) == NULL &&
				 memchr(name.data, '\\', name.length) == NULL))
		buf_append_span(out, name);
	else
		buf_append_u64(out, number);
	buf_append_text(out, "\"\r\n\r\n");
	buf_append_span(out, field->value);
	buf_append_text(out, "\r\n");
}

/* Written out with another boundary and read again, it is the same. */
static void check_round_trip(const struct form *form, struct span body)
{
	char boundary[32] = "again-0";
	struct problem problem;
	struct form again;
	struct buf text;

	for (int i = 1;
	     memmem(body.data, body.length, boundary, strlen(boundary)) != NULL;
	     i++)
		snprintf(boundary, sizeof(boundary), "again-%d", i);
	problem_init(&problem);
	buf_init(&text, TEXT_BYTES_MAX);
	form_init(&again);
	for (size_t i = 0; i < form->count; i++)
		append_part(&text, boundary, i, &form->fields[i]);
	buf_appendf(&text, "--%s--\r\n", boundary);
	assert(buf_error(&text) == ERR_OK);
	assert(form_parse_multipart(&again, buf_span(&text), span_of(boundary),
				    &problem) == ERR_OK);
	assert(again.count == form->count);
	for (size_t i = 0; i < form->count; i++)
		assert(span_equal(again.fields[i].value,
				  form->fields[i].value));
	form_deinit(&again);
	buf_deinit(&text);
}

/* What follows the closing boundary changes nothing. */
static void check_epilogue(const struct form *form, struct span body,
			   struct span boundary)
{
	struct problem problem;
	struct form again;
	struct buf text;

	problem_init(&problem);
	buf_init(&text, TEXT_BYTES_MAX);
	form_init(&again);
	buf_append_span(&text, body);
	buf_append_text(&text, "\r\nsome more");
	assert(form_parse_multipart(&again, buf_span(&text), boundary,
				    &problem) == ERR_OK);
	assert(again.count == form->count);
	form_deinit(&again);
	buf_deinit(&text);
}

static void check_form(const struct form *form, struct span body,
		       struct span boundary)
{
	struct message_draft draft;
	struct problem problem;
	enum err err;

	assert(form->count <= FORM_FIELDS_MAX);
	for (size_t i = 0; i < form->count; i++) {
		assert(lies_within(form->fields[i].name, body));
		assert(lies_within(form->fields[i].value, body));
	}
	check_round_trip(form, body);
	check_epilogue(form, body, boundary);
	problem_init(&problem);
	message_draft_init(&draft);
	err = message_draft_from_form(&draft, form, &problem);
	if (err == ERR_OK)
		check_message(draft.from, draft.content);
	else
		check_problem(&problem, err);
	message_draft_deinit(&draft);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body, boundary;
	struct span type = fuzz_line(fuzz_span(data, size), &body);
	struct problem problem;
	struct form form;
	enum err err;

	if (!http_header_parameter(type, SPAN("boundary"), &boundary))
		return 0;
	assert(lies_within(boundary, type));
	problem_init(&problem);
	form_init(&form);
	err = form_parse_multipart(&form, body, boundary, &problem);
	if (err == ERR_OK) {
		check_form(&form, body, boundary);
	} else {
		assert(err == ERR_INVALID_FORM ||
		       err == ERR_UNSUPPORTED_MEDIA_TYPE);
		check_problem(&problem, err);
	}
	form_deinit(&form);
	return 0;
}
