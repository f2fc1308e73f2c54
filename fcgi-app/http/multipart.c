/* SPDX-License-Identifier: MIT */
#include "http/form.h"

#include <stddef.h>
#include <string.h>

#include "http/multipart_part.h"

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
};

/* One boundary line: from its leading CRLF to behind its last one. */
struct delimiter_line {
	size_t start;
	size_t end;
	bool closing;
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

static enum err read_parts(const struct multipart *multipart, struct form *form)
{
	struct delimiter_line line;
	struct delimiter_line next;
	struct form_field field;
	size_t number;
	enum err err;

	if (!find_opening(multipart, &line))
		return refuse_boundary(multipart, "opening", "");
	for (number = 1; !line.closing; number++, line = next) {
		struct span part = span_from(multipart->body, line.end);

		/* One CRLF may end this boundary line and begin the next. */
		if (!find_delimiter(multipart, line.end - CRLF_BYTES, &next))
			return refuse_boundary(multipart, "closing", "--");
		part.length = next.start < line.end ? 0 : next.start - line.end;
		err = multipart_read_part(part, number, &field,
					  multipart->problem);
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
