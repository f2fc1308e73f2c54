/* SPDX-License-Identifier: MIT */
#include "gate/intake.h"

#include <string.h>

enum {
	RECORD_VERSION = 1,
	RECORD_BEGIN_REQUEST = 1,
	RECORD_ABORT_REQUEST = 2,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	ROLE_RESPONDER = 1,
	FLAG_KEEP_CONNECTION = 1,
};

enum part { PART_BEGIN, PART_PARAMETERS, PART_BODY, PART_WHOLE };

void intake_init(struct intake *intake, size_t body_max_bytes)
{
	*intake = (struct intake){ .part = PART_BEGIN };
	buf_init(&intake->parameters, INTAKE_PARAMETERS_MAX_BYTES);
	buf_init(&intake->body, body_max_bytes);
}

void intake_deinit(struct intake *intake)
{
	buf_deinit(&intake->parameters);
	buf_deinit(&intake->body);
}

void intake_reset(struct intake *intake)
{
	buf_clear(&intake->parameters);
	buf_clear(&intake->body);
	intake->parameters_too_large = false;
	intake->body_too_large = false;
	intake->no_room = false;
	intake->begin_length = 0;
	intake->part = PART_BEGIN;
}

void intake_discard(struct intake *intake)
{
	buf_deinit(&intake->parameters);
	buf_deinit(&intake->body);
	intake->no_room = true;
}

bool intake_idle(const struct intake *intake)
{
	return intake->part == PART_BEGIN && intake->header_length == 0;
}

static enum intake_result malformed(struct intake *intake, const char *fault)
{
	intake->fault = fault;
	return INTAKE_MALFORMED;
}

/* A length of a name or value: one byte, or four with the first bit set. */
static bool read_length(struct span pairs, size_t *at, size_t *length_r)
{
	const unsigned char *bytes = (const unsigned char *)pairs.data;

	if (*at >= pairs.length)
		return false;
	if ((bytes[*at] & 0x80) == 0) {
		*length_r = bytes[(*at)++];
		return true;
	}
	if (pairs.length - *at < 4)
		return false;
	*length_r = (size_t)(bytes[*at] & 0x7f) << 24 |
		    (size_t)bytes[*at + 1] << 16 | (size_t)bytes[*at + 2] << 8 |
		    bytes[*at + 3];
	*at += 4;
	return true;
}

/*
 * What is wrong with name-value pairs; NULL where nothing is. libfcgi believes
 * their lengths and makes C strings of what they span, so these must lie within
 * what arrived, and no NUL may hide the end of a value.
 */
static const char *pairs_fault(struct span pairs)
{
	size_t at = 0;

	while (at < pairs.length) {
		size_t name, value;

		if (!read_length(pairs, &at, &name) ||
		    !read_length(pairs, &at, &value) ||
		    name > pairs.length - at ||
		    value > pairs.length - at - name)
			return "PARAMS has lengths beyond its end";
		if (memchr(pairs.data + at, '\0', name + value) != NULL)
			return "PARAMS holds a NUL";
		at += name + value;
	}
	return NULL;
}

static unsigned record_type(const struct intake *intake)
{
	return intake->header[1];
}

static size_t record_length(const struct intake *intake)
{
	return (size_t)intake->header[4] << 8 | intake->header[5];
}

/* A record's header is whole: is this record what may come now? */
static enum intake_result header_done(struct intake *intake)
{
	uint16_t id = (uint16_t)(intake->header[2] << 8 | intake->header[3]);

	if (intake->header[0] != RECORD_VERSION)
		return malformed(intake, "FastCGI version is not 1");
	if (id == 0)
		return malformed(intake, "management records are not served");

	intake->content_left = record_length(intake);
	intake->padding_left = intake->header[6];

	/* Late news of a request that was answered meanwhile is no fault. */
	if (record_type(intake) == RECORD_ABORT_REQUEST &&
	    intake->part == PART_BEGIN)
		return INTAKE_MORE;

	switch (record_type(intake)) {
	case RECORD_BEGIN_REQUEST:
		if (intake->part != PART_BEGIN)
			return malformed(intake, "requests are multiplexed");
		if (intake->content_left != sizeof(intake->begin))
			return malformed(intake,
					 "BEGIN_REQUEST's length is not 8");
		intake->request_id = id;
		intake->begin_length = 0;
		return INTAKE_MORE;
	case RECORD_PARAMS:
		if (intake->part != PART_PARAMETERS)
			return malformed(intake, "PARAMS out of order");
		break;
	case RECORD_STDIN:
		if (intake->part != PART_BODY)
			return malformed(intake, "STDIN out of order");
		break;
	case RECORD_ABORT_REQUEST:
		return malformed(intake, "the web server aborted the request");
	default:
		return malformed(intake, "unknown record type");
	}
	if (id != intake->request_id)
		return malformed(intake, "record of another request");
	return INTAKE_MORE;
}

static void keep_content(struct intake *intake, struct buf *buf,
			 const char *bytes, size_t length)
{
	if (intake->no_room)
		return;
	buf_append(buf, bytes, length);
	if (buf_error(buf) == ERR_OUT_OF_MEMORY)
		intake_discard(intake);
}

static void take_content(struct intake *intake, const char *bytes,
			 size_t length)
{
	switch (record_type(intake)) {
	case RECORD_BEGIN_REQUEST:
		memcpy(intake->begin + intake->begin_length, bytes, length);
		intake->begin_length += length;
		break;
	case RECORD_PARAMS:
		keep_content(intake, &intake->parameters, bytes, length);
		break;
	case RECORD_STDIN:
		keep_content(intake, &intake->body, bytes, length);
		break;
	default:
		break;
	}
}

static enum intake_result begin_done(struct intake *intake)
{
	if ((intake->begin[0] << 8 | intake->begin[1]) != ROLE_RESPONDER)
		return malformed(intake, "the role is not RESPONDER");
	intake->keep_connection = intake->begin[2] & FLAG_KEEP_CONNECTION;
	intake->part = PART_PARAMETERS;
	return INTAKE_MORE;
}

/* Whether there was more than its ceiling; it is empty then. */
static bool is_too_large(struct buf *buf)
{
	if (buf_error(buf) == ERR_OK)
		return false;
	buf_deinit(buf);
	return true;
}

static enum intake_result parameters_done(struct intake *intake)
{
	const char *fault;

	intake->parameters_too_large = is_too_large(&intake->parameters);
	fault = pairs_fault(buf_span(&intake->parameters));
	if (fault != NULL)
		return malformed(intake, fault);
	intake->part = PART_BODY;
	return INTAKE_MORE;
}

static enum intake_result body_done(struct intake *intake)
{
	intake->body_too_large = is_too_large(&intake->body);
	intake->part = PART_WHOLE;
	return INTAKE_WHOLE;
}

/* A record has arrived to its last byte: what does it end? */
static enum intake_result record_done(struct intake *intake)
{
	intake->header_length = 0;
	switch (record_type(intake)) {
	case RECORD_BEGIN_REQUEST:
		return begin_done(intake);
	case RECORD_PARAMS:
		if (record_length(intake) == 0)
			return parameters_done(intake);
		break;
	case RECORD_STDIN:
		if (record_length(intake) == 0)
			return body_done(intake);
		break;
	default:
		break;
	}
	return INTAKE_MORE;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

enum intake_result intake_feed(struct intake *intake, const char *bytes,
			       size_t length, size_t *used_r)
{
	const size_t header_size = sizeof(intake->header);
	enum intake_result result = INTAKE_MORE;
	size_t at = 0;

	while (at < length && result == INTAKE_MORE) {
		size_t piece;

		if (intake->header_length < header_size) {
			piece = smaller(header_size - intake->header_length,
					length - at);
			memcpy(intake->header + intake->header_length,
			       bytes + at, piece);
			intake->header_length += piece;
			at += piece;
			if (intake->header_length < header_size)
				break;
			result = header_done(intake);
			if (result != INTAKE_MORE)
				break;
		} else if (intake->content_left > 0) {
			piece = smaller(intake->content_left, length - at);
			take_content(intake, bytes + at, piece);
			intake->content_left -= piece;
			at += piece;
		} else {
			piece = smaller(intake->padding_left, length - at);
			intake->padding_left -= piece;
			at += piece;
		}
		if (intake->content_left == 0 && intake->padding_left == 0)
			result = record_done(intake);
	}
	*used_r = at;
	return result;
}
