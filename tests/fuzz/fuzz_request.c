/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "../unit/fcgi_records.h"
#include "answers.h"
#include "fuzz.h"
#include "gate_bench.h"

/*
 * A request as a web server would pass it on, through the whole program: lines
 * "NAME=value" of FastCGI parameters up to an empty line, then the body. It is
 * sent twice over one connection, as a client does that tries again.
 */

enum { STREAM_BYTES_MAX = 64 << 20 };

struct sent {
	struct span method;
	struct span id;
	struct span key;
};

static void note(struct sent *sent, struct span name, struct span value)
{
	struct span *place = NULL;

	if (span_equal(name, SPAN("REQUEST_METHOD")))
		place = &sent->method;
	else if (span_equal(name, SPAN("HTTP_X_REQUEST_ID")))
		place = &sent->id;
	else if (span_equal(name, SPAN("HTTP_IDEMPOTENCY_KEY")))
		place = &sent->key;
	if (place != NULL && place->data == NULL)
		*place = value;
}

/* Appends the pairs; what remains of text is the body. */
static struct span append_pairs(struct buf *pairs, struct span text,
				struct sent *sent)
{
	while (text.length > 0) {
		struct span line = fuzz_line(text, &text);
		struct span name = line;
		const char *equals;

		if (line.length == 0)
			break;
		equals = memchr(line.data, '=', line.length);
		if (equals == NULL)
			continue;
		name.length = (size_t)(equals - line.data);
		line = span_from(line, name.length + 1);
		note(sent, name, line);
		fcgi_append_pair(pairs, name, line);
	}
	return text;
}

/* What was asked twice: stored once with a key, and twice without one. */
static void check_stored(const struct sent *sent, const struct answer *first,
			 const struct answer *second, size_t stored)
{
	bool created = first->status == 201;

	assert(first->status == second->status);
	assert(stored == (created ? sent->key.data != NULL ? 1 : 2 : 0));
	assert(!created || span_equal(sent->method, SPAN("POST")));
	assert((answer_header(second, "Idempotency-Replayed").data != NULL) ==
	       (created && sent->key.data != NULL));
	if (created && sent->key.data != NULL)
		assert(span_equal(first->body, second->body));
}

static void check_id(const struct sent *sent, const struct answer *answer)
{
	struct span id = answer_header(answer, "X-Request-ID");

	if (sent->id.length == 0 || sent->id.length > 128)
		return;
	for (size_t i = 0; i < sent->id.length; i++) {
		if (sent->id.data[i] <= ' ' || sent->id.data[i] > '~')
			return;
	}
	assert(span_equal(id, sent->id));
}

static void check_answers(const struct sent *sent, struct span records,
			  size_t stored)
{
	bool to_head = span_equal(sent->method, SPAN("HEAD"));
	struct answer first, second;

	assert(answer_read(&records, &first));
	assert(answer_read(&records, &second));
	assert(records.length == 0);
	assert(first.request_id == 1 && second.request_id == 2);
	answer_check(&first, to_head);
	answer_check(&second, to_head);
	check_id(sent, &first);
	check_stored(sent, &first, &second, stored);
	answer_deinit(&first);
	answer_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sent sent = { .method = { NULL, 0 } };
	struct buf pairs, stream, out;
	struct span body;
	size_t stored;

	buf_init(&pairs, STREAM_BYTES_MAX);
	buf_init(&stream, STREAM_BYTES_MAX);
	buf_init(&out, STREAM_BYTES_MAX);
	body = append_pairs(&pairs, fuzz_span(data, size), &sent);
	/* A NUL ends the connection: that is for fuzz_gate. */
	if (size == 0 || memchr(data, '\0', size - body.length) == NULL) {
		fcgi_append_request(&stream, 1, buf_span(&pairs), body);
		fcgi_append_request(&stream, 2, buf_span(&pairs), body);
		stored = gate_bench_run(buf_span(&stream), SIZE_MAX, &out);
		check_answers(&sent, buf_span(&out), stored);
	}
	buf_deinit(&pairs);
	buf_deinit(&stream);
	buf_deinit(&out);
	return 0;
}
