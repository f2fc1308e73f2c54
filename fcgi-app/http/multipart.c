/* SPDX-License-Identifier: MIT */
#include "http/form.h"

#include <stddef.h>
#include <string.h>

#include "http/http.h"

enum {
	BOUNDARY_CHARACTERS_MAX = 70, /* RFC 2046, section 5.1.1 */
	CRLF_BYTES = 2,
	DASHES_BYTES = 2,
	QUOTED_BYTES = 128,
};

struct multipart {
	struct span body;
	struct span delimiter; /* CRLF, two dashes, the boundary */
	struct problem *problem;
	size_t part_number; /* of the part that is read, from 1 on */
};

/* One boundary line: from its leading CRLF to behind its last one. */
struct delimiter_line {
	size_t start;
	size_t end;
	bool closing;
};

/* The headers that mean something here; no data where one was not sent. */
struct part_headers {
	struct span disposition;
	struct span type;
	struct span encoding;
};

static bool starts_with(struct span text, struct span start)
{
	return text.length >= start.length &&
	       memcmp(text.data, start.data, start.length) == 0;
}

/*
 * Looks at what follows a boundary: "--" where it closes the body, blanks, and
 * the end of the line. Anything else makes it content that looks alike.
 */
static bool ends_boundary_line(const struct multipart *multipart, size_t at,
			       struct delimiter_line *line)
{
	struct span rest = span_from(multipart->body, at);

	line->closing = starts_with(rest, SPAN("--"));
	if (line->closing)
		rest = span_from(rest, DASHES_BYTES);
	while (rest.length > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t'))
		rest = span_from(rest, 1);
	if (starts_with(rest, SPAN("\r\n")))
		rest = span_from(rest, CRLF_BYTES);
	else if (!line->closing || rest.length > 0)
		return false;
	line->end = multipart->body.length - rest.length;
	return true;
}

static bool find_delimiter(const struct multipart *multipart, size_t from,
			   struct delimiter_line *line)
{
	struct span body = multipart->body;
	struct span delimiter = multipart->delimiter;

	/* No CR is in a boundary, so what is no delimiter hides none either. */
	for (;;) {
		const char *hit = memmem(body.data + from, body.length - from,
					 delimiter.data, delimiter.length);

		if (hit == NULL)
			return false;
		line->start = (size_t)(hit - body.data);
		from = line->start + delimiter.length;
		if (ends_boundary_line(multipart, from, line))
			return true;
	}
}

/* The first boundary may stand at the very start, without its CRLF. */
static bool find_opening(const struct multipart *multipart,
			 struct delimiter_line *line)
{
	struct span dashed = span_from(multipart->delimiter, CRLF_BYTES);

	line->start = 0;
	if (starts_with(multipart->body, dashed) &&
	    ends_boundary_line(multipart, dashed.length, line))
		return true;
	return find_delimiter(multipart, 0, line);
}

static enum err refuse_boundary(const struct multipart *multipart,
				const char *which, const char *suffix)
{
	char quoted[QUOTED_BYTES];
	struct span dashed = span_from(multipart->delimiter, CRLF_BYTES);

	return problem_set(
		multipart->problem, ERR_INVALID_FORM,
		"The body has no %s boundary, expected a line '%s%s' "
		"with CRLF before and after it.",
		which, problem_quote(dashed, quoted, sizeof(quoted)), suffix);
}

static enum err refuse_part(const struct multipart *multipart,
			    struct span found, const char *expected)
{
	char quoted[QUOTED_BYTES];

	return problem_set(multipart->problem, ERR_INVALID_FORM,
			   "Part %zu of the form: found '%s', expected %s.",
			   multipart->part_number,
			   problem_quote(found, quoted, sizeof(quoted)),
			   expected);
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

static struct span *header_place(struct part_headers *headers, struct span name)
{
	if (http_equal_ignoring_case(name, SPAN("Content-Disposition")))
		return &headers->disposition;
	if (http_equal_ignoring_case(name, SPAN("Content-Type")))
		return &headers->type;
	if (http_equal_ignoring_case(name, SPAN("Content-Transfer-Encoding")))
		return &headers->encoding;
	return NULL;
}

static enum err read_header(const struct multipart *multipart, struct span line,
			    struct part_headers *headers)
{
	const char *colon = memchr(line.data, ':', line.length);
	struct span name = { line.data, 0 };
	struct span *place;

	if (colon != NULL)
		name.length = (size_t)(colon - line.data);
	if (!http_visible_ascii(name, line.length) || has_control(line))
		return refuse_part(multipart, line,
				   "a header 'Name: value' on one line, ended "
				   "by CRLF");
	place = header_place(headers, name);
	if (place == NULL)
		return ERR_OK;
	if (place->data != NULL)
		return refuse_part(multipart, line, "this header only once");
	*place = span_from(line, name.length + 1);
	return ERR_OK;
}

/* Cuts the headers off *part, so that it is the value. */
static enum err read_headers(const struct multipart *multipart,
			     struct span *part, struct part_headers *headers)
{
	enum err err = ERR_OK;

	*headers = (struct part_headers){ .disposition = { NULL, 0 } };
	/* A part may end with its headers: its value is then empty. */
	while (err == ERR_OK && part->length > 0) {
		const char *end =
			memmem(part->data, part->length, "\r\n", CRLF_BYTES);
		struct span line = *part;

		if (end == NULL)
			return refuse_part(multipart, line,
					   "an empty line after the headers");
		line.length = (size_t)(end - part->data);
		*part = span_from(*part, line.length + CRLF_BYTES);
		if (line.length == 0)
			break;
		err = read_header(multipart, line, headers);
	}
	return err;
}

static enum err check_encoding(const struct multipart *multipart,
			       struct span header)
{
	static const char *const harmless[] = { "7bit", "8bit", "binary" };
	struct span encoding = http_media_type(header);
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (http_equal_ignoring_case(encoding, span_of(harmless[i])))
			return ERR_OK;
	}
	return refuse_part(multipart, encoding,
			   "a Content-Transfer-Encoding of 7bit, 8bit or "
			   "binary");
}

static enum err check_charset(const struct multipart *multipart,
			      struct span header)
{
	char quoted[QUOTED_BYTES];
	struct span charset;

	if (!http_header_parameter(header, SPAN("charset"), &charset) ||
	    http_equal_ignoring_case(charset, SPAN("utf-8")))
		return ERR_OK;
	return problem_set(multipart->problem, ERR_UNSUPPORTED_MEDIA_TYPE,
			   "Part %zu of the form: found the charset '%s', "
			   "expected utf-8.",
			   multipart->part_number,
			   problem_quote(charset, quoted, sizeof(quoted)));
}

static enum err read_part(const struct multipart *multipart, struct span part,
			  struct form_field *field)
{
	struct part_headers headers;
	enum err err;

	err = read_headers(multipart, &part, &headers);
	if (err != ERR_OK)
		return err;
	*field = (struct form_field){ .value = part };
	if (!http_equal_ignoring_case(http_media_type(headers.disposition),
				      SPAN("form-data")) ||
	    !http_header_parameter(headers.disposition, SPAN("name"),
				   &field->name))
		return refuse_part(multipart, headers.disposition,
				   "a Content-Disposition like 'form-data; "
				   "name=\"field\"'");
	if (headers.encoding.data != NULL)
		err = check_encoding(multipart, headers.encoding);
	if (err == ERR_OK && headers.type.data != NULL)
		err = check_charset(multipart, headers.type);
	return err;
}

static enum err read_parts(struct multipart *multipart, struct form *form)
{
	struct delimiter_line line;
	struct delimiter_line next;
	struct form_field field;
	enum err err;

	if (!find_opening(multipart, &line))
		return refuse_boundary(multipart, "opening", "");
	for (; !line.closing; line = next) {
		struct span part = span_from(multipart->body, line.end);

		/* One CRLF may end this boundary line and begin the next. */
		if (!find_delimiter(multipart, line.end - CRLF_BYTES, &next))
			return refuse_boundary(multipart, "closing", "--");
		part.length = next.start < line.end ? 0 : next.start - line.end;
		multipart->part_number++;
		err = read_part(multipart, part, &field);
		if (err == ERR_OK)
			err = form_add_field(form, field, multipart->problem);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* Printable ASCII: RFC 2046 allows less, clients do not always care. */
static bool is_boundary(struct span boundary)
{
	size_t i;

	if (boundary.length == 0 || boundary.length > BOUNDARY_CHARACTERS_MAX)
		return false;
	for (i = 0; i < boundary.length; i++) {
		if (boundary.data[i] < ' ' || boundary.data[i] > '~')
			return false;
	}
	return true;
}

enum err form_parse_multipart(struct form *form, struct span body,
			      struct span boundary, struct problem *problem)
{
	char delimiter[CRLF_BYTES + DASHES_BYTES + BOUNDARY_CHARACTERS_MAX] =
		"\r\n--";
	struct multipart multipart = { .body = body, .problem = problem };
	char quoted[QUOTED_BYTES];

	form->count = 0;
	if (!is_boundary(boundary))
		return problem_set(
			problem, ERR_INVALID_FORM,
			"Found the boundary '%s', expected 1 to %d "
			"printable ASCII characters.",
			problem_quote(boundary, quoted, sizeof(quoted)),
			(int)BOUNDARY_CHARACTERS_MAX);
	if (body.length == 0)
		return problem_set(problem, ERR_INVALID_FORM,
				   "The body is empty, expected a part for "
				   "each field.");
	memcpy(delimiter + CRLF_BYTES + DASHES_BYTES, boundary.data,
	       boundary.length);
	multipart.delimiter =
		(struct span){ delimiter,
			       CRLF_BYTES + DASHES_BYTES + boundary.length };
	return read_parts(&multipart, form);
}
