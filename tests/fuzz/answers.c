/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../unit/fcgi_records.h"
#include "checks.h"
#include "reference_json.h"

enum { HEADER_BYTES = 8, TEXT_BYTES_MAX = 8 << 20 };

/* The record at the start of *records; it must be whole. */
static int take_record(struct span *records, struct answer *answer,
		       struct span *content_r)
{
	const unsigned char *header = (const unsigned char *)records->data;
	size_t padding;

	assert(records->length >= HEADER_BYTES);
	assert(header[0] == 1);
	content_r->data = records->data + HEADER_BYTES;
	content_r->length = header[4] * 256u + header[5];
	padding = header[6];
	answer->request_id = (uint16_t)(header[2] * 256 + header[3]);
	assert(records->length >= HEADER_BYTES + content_r->length + padding);
	*records =
		span_from(*records, HEADER_BYTES + content_r->length + padding);
	return header[1];
}

static void split(struct answer *answer)
{
	struct span text = buf_span(&answer->text);
	const char *end =
		text.length > 0 ? memmem(text.data, text.length, "\r\n\r\n", 4)
				: NULL;

	assert(end != NULL);
	/* With the last CRLF, so that each line has its own. */
	answer->head =
		(struct span){ text.data, (size_t)(end - text.data) + 2 };
	answer->body = span_from(text, answer->head.length + 2);
	assert(answer->head.length > 11);
	assert(memcmp(answer->head.data, "Status: ", 8) == 0);
	for (size_t i = 8; i < 11; i++)
		answer->status =
			answer->status * 10 + (answer->head.data[i] - '0');
	assert(answer->status >= 200 && answer->status <= 599);
	assert(answer->head.data[11] == ' ');
}

bool answer_read(struct span *records, struct answer *answer)
{
	bool stdout_ended = false;

	*answer = (struct answer){ .status = 0 };
	buf_init(&answer->text, TEXT_BYTES_MAX);
	while (records->length > 0) {
		struct span content;
		int type = take_record(records, answer, &content);

		if (type == FCGI_END) {
			assert(stdout_ended && content.length == 8);
			split(answer);
			return true;
		}
		assert(type == FCGI_STDOUT && !stdout_ended);
		stdout_ended = content.length == 0;
		buf_append_span(&answer->text, content);
	}
	answer_deinit(answer);
	return false;
}

void answer_deinit(struct answer *answer)
{
	buf_deinit(&answer->text);
}

/* Takes the next line off *rest, without its CRLF. */
static struct span take_line(struct span *rest)
{
	const char *end = memmem(rest->data, rest->length, "\r\n", 2);
	struct span line = *rest;

	assert(end != NULL);
	line.length = (size_t)(end - rest->data);
	*rest = span_from(*rest, line.length + 2);
	return line;
}

struct span answer_header(const struct answer *answer, const char *name)
{
	struct span value = { NULL, 0 };
	struct span rest = answer->head;

	while (rest.length > 0) {
		struct span line = take_line(&rest);

		if (line.length < strlen(name) + 2 ||
		    strncasecmp(line.data, name, strlen(name)) != 0 ||
		    line.data[strlen(name)] != ':')
			continue;
		assert(value.data == NULL); /* only once */
		value = span_from(line, strlen(name) + 2);
	}
	return value;
}

static void check_lines(const struct answer *answer)
{
	struct span rest = answer->head;

	while (rest.length > 0) {
		struct span line = take_line(&rest);
		const char *colon = memmem(line.data, line.length, ": ", 2);

		assert(colon != NULL && colon > line.data);
		for (size_t i = 0; i < line.length; i++)
			assert(line.data[i] >= ' ' && line.data[i] <= '~');
	}
}

static void check_ndjson(struct span body)
{
	while (body.length > 0) {
		const char *end = memchr(body.data, '\n', body.length);
		struct span line = body;

		assert(end != NULL);
		line.length = (size_t)(end - body.data);
		assert(is_json(line));
		body = span_from(body, line.length + 1);
	}
}

static void check_body(const struct answer *answer)
{
	struct span type = answer_header(answer, "Content-Type");

	if (span_equal(type, SPAN("application/json")) ||
	    span_equal(type, SPAN("application/problem+json")))
		assert(is_json(answer->body));
	else if (span_equal(type, SPAN("application/x-ndjson")))
		check_ndjson(answer->body);
	else if (type.data != NULL)
		assert(span_equal(type, SPAN("text/plain; charset=utf-8")));
	else
		assert(answer->status == 204 && answer->body.length == 0);
	if (answer->status >= 400)
		assert(span_equal(type, SPAN("application/problem+json")));
}

void answer_check(const struct answer *answer, bool to_head_request)
{
	struct span length = answer_header(answer, "Content-Length");
	struct span id = answer_header(answer, "X-Request-ID");
	char bytes[24];

	check_lines(answer);
	assert(id.length >= 1 && id.length <= 128);
	assert(span_equal(answer_header(answer, "X-Content-Type-Options"),
			  SPAN("nosniff")));
	assert(span_equal(answer_header(answer, "Cache-Control"),
			  SPAN("no-store")));
	assert((answer_header(answer, "Retry-After").data != NULL) ==
	       (answer->status == 503));
	if (to_head_request) {
		assert(answer->body.length == 0);
		return;
	}
	if (length.data != NULL) {
		snprintf(bytes, sizeof(bytes), "%zu", answer->body.length);
		assert(span_equal(length, span_of(bytes)));
	}
	check_body(answer);
}
