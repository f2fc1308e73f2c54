/* SPDX-License-Identifier: MIT */
#include "reference_records.h"

#include <string.h>

enum {
	BEGIN = 1,
	ABORT = 2,
	PARAMS = 4,
	STDIN = 5,
	HEADER_BYTES = 8,
	BEGIN_BYTES = 8,
	PARAMETERS_MAX_BYTES = 128 * 1024,
};

struct record {
	int type;
	uint16_t id;
	struct span content;
	bool whole; /* its content and padding are all there */
	size_t bytes;
};

/* What may come next: also the type of record that is awaited. */
struct reading {
	int expected;
	struct stream_request request;
	struct buf parameters, body;
};

void append_request(struct buf *transcript,
		    const struct stream_request *request)
{
	buf_appendf(transcript, "%u %d %d %d %zu %zu\n", request->id,
		    request->keep, request->parameters_too_large,
		    request->body_too_large, request->parameters.length,
		    request->body.length);
	buf_append_span(transcript, request->parameters);
	buf_append_span(transcript, request->body);
}

static bool read_length(struct span *rest, size_t *length_r)
{
	const unsigned char *bytes = (const unsigned char *)rest->data;
	size_t size = rest->length > 0 && bytes[0] >= 0x80 ? 4 : 1;

	if (rest->length < size)
		return false;
	*length_r = size == 1 ? bytes[0]
			      : (bytes[0] - 0x80ul) << 24 |
					(size_t)bytes[1] << 16 |
					(size_t)bytes[2] << 8 | bytes[3];
	*rest = span_from(*rest, size);
	return true;
}

static bool cut(struct span *rest, size_t length, struct span *piece_r)
{
	if (length > rest->length)
		return false;
	*piece_r = (struct span){ rest->data, length };
	*rest = span_from(*rest, length);
	return true;
}

bool read_pair(struct span *rest, struct span *name_r, struct span *value_r)
{
	size_t name, value;

	return rest->length > 0 && read_length(rest, &name) &&
	       read_length(rest, &value) && cut(rest, name, name_r) &&
	       cut(rest, value, value_r);
}

static bool has_nul(struct span text)
{
	return text.length > 0 && memchr(text.data, '\0', text.length) != NULL;
}

static bool pairs_are_good(struct span pairs)
{
	struct span name, value;

	while (pairs.length > 0) {
		if (!read_pair(&pairs, &name, &value) || has_nul(name) ||
		    has_nul(value))
			return false;
	}
	return true;
}

/* False where not even the header is there. */
static bool read_record(struct span rest, struct record *record)
{
	const unsigned char *header = (const unsigned char *)rest.data;
	size_t content, padding;

	if (rest.length < HEADER_BYTES)
		return false;
	content = header[4] * 256u + header[5];
	padding = header[6];
	*record = (struct record){
		.type = header[0] == 1 ? header[1] : -1,
		.id = (uint16_t)(header[2] * 256 + header[3]),
		.content = { rest.data + HEADER_BYTES, content },
		.bytes = HEADER_BYTES + content + padding,
	};
	record->whole = record->bytes <= rest.length;
	return true;
}

/* Is this what may come now? By its header alone. */
static bool is_expected(const struct reading *reading,
			const struct record *record)
{
	if (record->id == 0)
		return false;
	if (reading->expected == BEGIN)
		return record->type == ABORT ||
		       (record->type == BEGIN &&
			record->content.length == BEGIN_BYTES);
	return record->type == reading->expected &&
	       record->id == reading->request.id;
}

static bool take_begin(struct reading *reading, const struct record *record)
{
	const unsigned char *begin =
		(const unsigned char *)record->content.data;

	reading->request = (struct stream_request){
		.id = record->id,
		.keep = begin[2] % 2 == 1,
	};
	buf_clear(&reading->parameters);
	buf_clear(&reading->body);
	reading->expected = PARAMS;
	return begin[0] == 0 && begin[1] == 1;
}

static bool end_parameters(struct reading *reading)
{
	reading->expected = STDIN;
	if (reading->parameters.length > PARAMETERS_MAX_BYTES) {
		reading->request.parameters_too_large = true;
		buf_clear(&reading->parameters);
	}
	return pairs_are_good(buf_span(&reading->parameters));
}

static void end_body(struct reading *reading, size_t body_max,
		     struct buf *transcript)
{
	if (reading->body.length > body_max) {
		reading->request.body_too_large = true;
		buf_clear(&reading->body);
	}
	reading->request.parameters = buf_span(&reading->parameters);
	reading->request.body = buf_span(&reading->body);
	append_request(transcript, &reading->request);
	reading->expected = BEGIN;
}

static bool take(struct reading *reading, const struct record *record,
		 size_t body_max, struct buf *transcript)
{
	switch (record->type) {
	case BEGIN:
		return take_begin(reading, record);
	case PARAMS:
		buf_append_span(&reading->parameters, record->content);
		return record->content.length > 0 || end_parameters(reading);
	case STDIN:
		buf_append_span(&reading->body, record->content);
		if (record->content.length == 0)
			end_body(reading, body_max, transcript);
		return true;
	default:
		return true;
	}
}

enum stream_end read_stream(struct span stream, size_t body_max,
			    struct buf *transcript)
{
	struct reading reading = { .expected = BEGIN };
	enum stream_end end = STREAM_MORE;
	struct record record;

	buf_init(&reading.parameters, stream.length);
	buf_init(&reading.body, stream.length);
	while (end == STREAM_MORE && read_record(stream, &record)) {
		if (!is_expected(&reading, &record))
			end = STREAM_MALFORMED;
		else if (!record.whole)
			break;
		else if (!take(&reading, &record, body_max, transcript))
			end = STREAM_MALFORMED;
		else
			stream = span_from(stream, record.bytes);
	}
	buf_deinit(&reading.parameters);
	buf_deinit(&reading.body);
	return end;
}
