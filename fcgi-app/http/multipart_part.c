/* SPDX-License-Identifier: MIT */
#include "http/multipart_part.h"

#include <string.h>

#include "http/http.h"

enum { CRLF_BYTES = 2, QUOTED_BYTES = 128 };

struct part {
	size_t number;
	struct form_field *field;
	struct span disposition; /* no data where it was not sent */
	struct problem *problem;
};

static enum err refuse(const struct part *part, struct span found,
		       const char *expected)
{
	char quoted[QUOTED_BYTES];

	return problem_set(
		part->problem, ERR_INVALID_FORM,
		"Part %zu of the form: found '%s', expected %s.", part->number,
		problem_quote(found, quoted, sizeof(quoted)), expected);
}

static bool has_control(struct span text)
{
	size_t i;

	for (i = 0; i < text.length; i++) {
		if ((unsigned char)text.data[i] < 0x20 && text.data[i] != '\t')
			return true;
	}
	return false;
}

/* Where the value of a header is kept; NULL where it means nothing here. */
static struct span *header_place(struct part *part, struct span name)
{
	if (http_equal_ignoring_case(name, SPAN("Content-Disposition")))
		return &part->disposition;
	if (http_equal_ignoring_case(name, SPAN("Content-Type")))
		return &part->field->content_type;
	if (http_equal_ignoring_case(name, SPAN("Content-Transfer-Encoding")))
		return &part->field->transfer_encoding;
	return NULL;
}

static enum err read_header(struct part *part, struct span line)
{
	const char *colon = memchr(line.data, ':', line.length);
	struct span name = { line.data, 0 };
	struct span *place;

	if (colon != NULL)
		name.length = (size_t)(colon - line.data);
	if (!http_visible_ascii(name, line.length) || has_control(line))
		return refuse(part, line,
			      "a header 'Name: value' on one line, ended by "
			      "CRLF");
	place = header_place(part, name);
	if (place == NULL)
		return ERR_OK;
	if (place->data != NULL)
		return refuse(part, line, "this header only once");
	*place = span_from(line, name.length + 1);
	return ERR_OK;
}

/* Cuts the headers off *text, so that it is the value. */
static enum err read_headers(struct part *part, struct span *text)
{
	enum err err = ERR_OK;

	/* A part may end with its headers: its value is then empty. */
	while (err == ERR_OK && text->length > 0) {
		const char *end =
			memmem(text->data, text->length, "\r\n", CRLF_BYTES);
		struct span line = *text;

		if (end == NULL)
			return refuse(part, line,
				      "an empty line after the headers");
		line.length = (size_t)(end - text->data);
		*text = span_from(*text, line.length + CRLF_BYTES);
		if (line.length == 0)
			break;
		err = read_header(part, line);
	}
	return err;
}

enum err multipart_read_part(struct span text, size_t number,
			     struct form_field *field, struct problem *problem)
{
	struct part part = { .number = number,
			     .field = field,
			     .problem = problem };
	enum err err;

	*field = (struct form_field){ .name = { NULL, 0 } };
	err = read_headers(&part, &text);
	if (err != ERR_OK)
		return err;
	field->value = text;
	if (!http_equal_ignoring_case(http_media_type(part.disposition),
				      SPAN("form-data")) ||
	    !http_header_parameter(part.disposition, SPAN("name"),
				   &field->name))
		return refuse(&part, part.disposition,
			      "a Content-Disposition like 'form-data; "
			      "name=\"field\"'");
	return ERR_OK;
}

static bool keeps_bytes(struct span transfer_encoding)
{
	static const char *const harmless[] = { "7bit", "8bit", "binary" };
	struct span encoding = http_media_type(transfer_encoding);
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (http_equal_ignoring_case(encoding, span_of(harmless[i])))
			return true;
	}
	return false;
}

enum err form_check_encoding(const struct form_field *field,
			     struct problem *problem)
{
	char name[QUOTED_BYTES];
	char quoted[QUOTED_BYTES];
	struct span charset;

	problem_quote(field->name, name, sizeof(name));
	if (field->transfer_encoding.data != NULL &&
	    !keeps_bytes(field->transfer_encoding))
		return problem_set(
			problem, ERR_INVALID_FORM,
			"The field '%s': found '%s', expected a "
			"Content-Transfer-Encoding of 7bit, 8bit or binary.",
			name,
			problem_quote(http_media_type(field->transfer_encoding),
				      quoted, sizeof(quoted)));
	if (http_header_parameter(field->content_type, SPAN("charset"),
				  &charset) &&
	    !http_equal_ignoring_case(charset, SPAN("utf-8")))
		return problem_set(
			problem, ERR_UNSUPPORTED_MEDIA_TYPE,
			"The field '%s': found the charset '%s', expected "
			"utf-8.",
			name, problem_quote(charset, quoted, sizeof(quoted)));
	return ERR_OK;
}
