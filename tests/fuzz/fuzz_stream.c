/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "fuzz.h"
#include "gate/codec.h"
#include "gate/intake.h"
#include "gate/parameters.h"
#include "reference_records.h"

/*
 * What a web server sends on its FastCGI connection. The intake comes to the
 * same verdict however the bytes are cut, and it is that of the specification;
 * libfcgi reads what the intake lets through, and sees the same pairs.
 */

enum { BODY_MAX_BYTES = 300, PATH_BYTES_MAX = 128 * 1024 };

static struct codec *get_codec(void)
{
	static struct codec *codec;

	if (codec == NULL)
		codec = codec_new();
	assert(codec != NULL);
	return codec;
}

static void check_limits(const struct intake *intake)
{
	assert(intake->parameters.capacity <= INTAKE_PARAMETERS_MAX_BYTES);
	assert(intake->body.capacity <= BODY_MAX_BYTES);
	assert(intake->begin_length <= sizeof(intake->begin));
	assert(intake->header_length <= sizeof(intake->header));
}

static void check_request(char *const *parameters)
{
	struct http_request request;
	struct buf path;

	buf_init(&path, PATH_BYTES_MAX);
	parameters_to_request(parameters, &request, &path);
	assert(request.id[0] != '\0' &&
	       strlen(request.id) <= HTTP_REQUEST_ID_MAX);
	assert(request.query.data != NULL);
	assert(buf_error(&path) == ERR_OK);
	assert(lies_within(request.path, request.target));
	assert(request.method == http_method_of(request.method_name));
	buf_deinit(&path);
}

/* libfcgi has the same parameters, behind the one that it adds itself. */
static void check_codec(const struct intake *intake)
{
	struct span rest = buf_span(&intake->parameters), name, value;
	struct codec_request *request = codec_decode(get_codec(), rest);
	char *const *parameter;

	assert(request != NULL);
	parameter = codec_parameters(request);
	assert(strcmp(*parameter, "FCGI_ROLE=RESPONDER") == 0);
	parameter++;
	while (read_pair(&rest, &name, &value)) {
		assert(*parameter != NULL);
		assert(strlen(*parameter) == name.length + 1 + value.length);
		assert(memcmp(*parameter, name.data, name.length) == 0);
		assert((*parameter)[name.length] == '=');
		assert(memcmp(*parameter + name.length + 1, value.data,
			      value.length) == 0);
		parameter++;
	}
	assert(*parameter == NULL);
	check_request(codec_parameters(request));
	codec_request_free(&request);
}

static void request_done(struct intake *intake, bool decode,
			 struct buf *transcript)
{
	const struct stream_request request = {
		.id = intake->request_id,
		.keep = intake->keep_connection,
		.parameters_too_large = intake->parameters_too_large,
		.body_too_large = intake->body_too_large,
		.parameters = buf_span(&intake->parameters),
		.body = buf_span(&intake->body),
	};

	append_request(transcript, &request);
	if (decode)
		check_codec(intake);
	intake_reset(intake);
	assert(intake_idle(intake));
}

/* A copy of its own, so that the sanitizer sees a byte read beyond it. */
static enum intake_result feed(struct intake *intake, struct span bytes,
			       size_t *used)
{
	char *copy = malloc(bytes.length);
	enum intake_result result;

	assert(copy != NULL);
	memcpy(copy, bytes.data, bytes.length);
	result = intake_feed(intake, copy, bytes.length, used);
	free(copy);
	assert(*used <= bytes.length);
	assert(*used == bytes.length || result != INTAKE_MORE);
	return result;
}

/* Feeds the stream in pieces, and tells what came of it as read_stream(). */
static enum stream_end feed_stream(struct span stream, size_t piece,
				   struct buf *transcript)
{
	enum intake_result result = INTAKE_MORE;
	struct intake intake;

	intake_init(&intake, BODY_MAX_BYTES);
	while (stream.length > 0 && result != INTAKE_MALFORMED) {
		struct span bytes = { stream.data, stream.length < piece
							   ? stream.length
							   : piece };
		size_t used;

		result = feed(&intake, bytes, &used);
		check_limits(&intake);
		if (result == INTAKE_WHOLE)
			request_done(&intake, piece == SIZE_MAX, transcript);
		stream = span_from(stream, used);
	}
	assert(result != INTAKE_MALFORMED || intake.fault != NULL);
	intake_deinit(&intake);
	return result == INTAKE_MALFORMED ? STREAM_MALFORMED : STREAM_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t pieces[] = { SIZE_MAX, 1, 1 + size % 23 };
	struct span stream = fuzz_span(data, size);
	enum stream_end want_end;
	struct buf want;

	buf_init(&want, SIZE_MAX / 2);
	want_end = read_stream(stream, BODY_MAX_BYTES, &want);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct buf transcript;

		buf_init(&transcript, SIZE_MAX / 2);
		assert(feed_stream(stream, pieces[i], &transcript) == want_end);
		assert(span_equal(buf_span(&transcript), buf_span(&want)));
		buf_deinit(&transcript);
	}
	buf_deinit(&want);
	return 0;
}
