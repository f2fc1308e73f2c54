/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "http/http.h"
#include "checks.h"
#include "fuzz.h"

/* The value of a request header, as whichever header it is read. */

enum { HEADER_BYTES_MAX = 8 << 20 };

static bool ends_with_blank(struct span text)
{
	return text.length > 0 &&
	       (text.data[0] == ' ' || text.data[0] == '\t' ||
		text.data[text.length - 1] == ' ' ||
		text.data[text.length - 1] == '\t');
}

static void check_media_type(struct span header)
{
	struct span type = http_media_type(header);

	assert(lies_within(type, header));
	assert(!ends_with_blank(type));
	assert(http_equal_ignoring_case(type, type));
}

static void check_parameter(struct span header, struct span name)
{
	struct span value, again;
	struct buf text;

	if (!http_header_parameter(header, name, &value))
		return;
	assert(lies_within(value, header));
	/* Alone in quotes it is the same, unless quotes are in it. */
	if (memchr(header.data, '"', header.length) != NULL ||
	    memchr(header.data, '\\', header.length) != NULL)
		return;
	assert(!ends_with_blank(value));
	buf_init(&text, HEADER_BYTES_MAX);
	buf_append_text(&text, "a/b ; ");
	buf_append_span(&text, name);
	buf_append_text(&text, " = \"");
	buf_append_span(&text, value);
	buf_append_text(&text, "\" ; z=1");
	assert(http_header_parameter(buf_span(&text), name, &again));
	assert(span_equal(again, value));
	buf_deinit(&text);
}

/* An element ahead that names another type changes nothing. */
static void check_accept(struct span header, struct span type)
{
	bool accepts = http_accepts(header, type);
	struct buf text;

	buf_init(&text, HEADER_BYTES_MAX);
	buf_append_text(&text, "text/html;q=\"0,1\" , ");
	buf_append_span(&text, header);
	assert(http_accepts(buf_span(&text), type) == accepts);
	buf_deinit(&text);
}

static bool is_visible(struct span text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
			return false;
	}
	return text.length > 0;
}

static void check_request_id(struct span header)
{
	char id[HTTP_REQUEST_ID_MAX + 1];

	memset(id, 'x', sizeof(id));
	http_request_id(id, header);
	assert(memchr(id, '\0', sizeof(id)) != NULL);
	assert(is_visible(span_of(id)));
	if (is_visible(header) && header.length <= HTTP_REQUEST_ID_MAX)
		assert(span_equal(span_of(id), header));
	else
		assert(strlen(id) == 32);
	assert(http_visible_ascii(header, 255) ==
	       (is_visible(header) && header.length <= 255));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span header = fuzz_span(data, size);

	check_media_type(header);
	check_parameter(header, SPAN("charset"));
	check_parameter(header, SPAN("boundary"));
	check_parameter(header, SPAN("name"));
	check_accept(header, SPAN("application/x-ndjson"));
	check_request_id(header);
	assert((http_method_of(header) == HTTP_POST) ==
	       span_equal(header, SPAN("POST")));
	return 0;
}
