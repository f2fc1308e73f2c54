/* SPDX-License-Identifier: MIT */
#include "gate/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "gate/intake.h"

enum {
	RECORD_HEADER_BYTES = 8,
	RECORD_CONTENT_MAX_BYTES = 65535,
	TYPE_BEGIN_REQUEST = 1,
	TYPE_END_REQUEST = 3,
	TYPE_PARAMS = 4,
	TYPE_STDIN = 5,
	TYPE_STDOUT = 6,
	ROLE_RESPONDER = 1,
	FLAG_KEEP = 1,
	/* The parameters that the intake lets through, and records around. */
	INPUT_BYTES = 160 * 1024,
	/* How much of an answer libfcgi encodes before it is taken over. */
	SLICE_BYTES = 64 * 1024,
	/* A slice of the head, one of the body, and the records around them. */
	ROOM_BYTES = 3 * SLICE_BYTES,
	/* Answers go one behind the other, which saves to rewind for each. */
	OUTPUT_BYTES = 2 * ROOM_BYTES,
};

/* A file in memory, seen as such and as memory. */
struct memory_file {
	int descriptor;
	unsigned char *bytes;
};

struct codec {
	struct memory_file input;
	struct memory_file output;
	size_t output_at; /* the position of its descriptor */
};

struct codec_request {
	FCGX_Request fcgx;
	size_t pending; /* bytes that were put and not taken over yet */
};

static bool open_file(struct memory_file *file, size_t length)
{
	void *bytes;

	file->descriptor = memfd_create("buzon", MFD_CLOEXEC);
	if (file->descriptor < 0 || ftruncate(file->descriptor, (off_t)length))
		return false;
	bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED,
		     file->descriptor, 0);
	if (bytes == MAP_FAILED)
		return false;
	file->bytes = bytes;
	return true;
}

static void close_file(struct memory_file *file, size_t length)
{
	if (file->bytes != NULL)
		munmap(file->bytes, length);
	if (file->descriptor >= 0)
		close(file->descriptor);
	*file = (struct memory_file){ .descriptor = -1 };
}

struct codec *codec_new(void)
{
	struct codec *codec = calloc(1, sizeof(*codec));

	if (codec == NULL)
		return NULL;
	codec->input.descriptor = codec->output.descriptor = -1;
	if (!open_file(&codec->input, INPUT_BYTES) ||
	    !open_file(&codec->output, OUTPUT_BYTES) || FCGX_Init() != 0)
		codec_free(&codec);
	return codec;
}

void codec_free(struct codec **codec)
{
	if (*codec == NULL)
		return;
	close_file(&(*codec)->input, INPUT_BYTES);
	close_file(&(*codec)->output, OUTPUT_BYTES);
	free(*codec);
	*codec = NULL;
}

static unsigned char *put_record(unsigned char *at, int type,
				 uint16_t request_id, const void *content,
				 size_t length)
{
	const unsigned char header[RECORD_HEADER_BYTES] = {
		1,
		(unsigned char)type,
		(unsigned char)(request_id >> 8),
		(unsigned char)(request_id & 0xff),
		(unsigned char)(length >> 8),
		(unsigned char)(length & 0xff),
	};

	memcpy(at, header, sizeof(header));
	if (length > 0)
		memcpy(at + sizeof(header), content, length);
	return at + sizeof(header) + length;
}

/* The request once more, as short and plain as it can be said. */
static void compose(unsigned char *at, uint16_t request_id, struct span pairs)
{
	const unsigned char begin[8] = { 0, ROLE_RESPONDER, FLAG_KEEP };

	at = put_record(at, TYPE_BEGIN_REQUEST, request_id, begin,
			sizeof(begin));
	while (pairs.length > 0) {
		size_t piece = pairs.length < RECORD_CONTENT_MAX_BYTES
				       ? pairs.length
				       : RECORD_CONTENT_MAX_BYTES;

		at = put_record(at, TYPE_PARAMS, request_id, pairs.data, piece);
		pairs = span_from(pairs, piece);
	}
	at = put_record(at, TYPE_PARAMS, request_id, NULL, 0);
	at = put_record(at, TYPE_STDIN, request_id, NULL, 0);
	/* Were libfcgi ever to read on, it would meet a header it refuses. */
	memset(at, 0, RECORD_HEADER_BYTES);
}

/* libfcgi has closed a file as it would close a connection. */
static bool reopen(struct memory_file *file, size_t length)
{
	file->descriptor = -1;
	close_file(file, length);
	return open_file(file, length);
}

struct codec_request *codec_decode(struct codec *codec, uint16_t request_id,
				   struct span pairs)
{
	struct codec_request *request = calloc(1, sizeof(*request));

	assert(pairs.length <= INTAKE_PARAMETERS_MAX_BYTES);
	if (request == NULL)
		return NULL;
	if (codec->input.bytes == NULL ||
	    lseek(codec->input.descriptor, 0, SEEK_SET) != 0 ||
	    FCGX_InitRequest(&request->fcgx, -1, 0) != 0) {
		free(request);
		return NULL;
	}
	compose(codec->input.bytes, request_id, pairs);
	request->fcgx.ipcFd = codec->input.descriptor;
	request->fcgx.keepConnection = 1;
	if (FCGX_Accept_r(&request->fcgx) != 0) {
		(void)reopen(&codec->input, INPUT_BYTES);
		free(request);
		return NULL;
	}
	request->fcgx.ipcFd = codec->output.descriptor;
	return request;
}

char *const *codec_parameters(const struct codec_request *request)
{
	return request->fcgx.envp;
}

/*
 * How many bytes the records take that libfcgi has written: those that hold
 * `content` bytes of the answer and, with last, those up to its end. 0 where
 * they are not what they should be.
 */
static size_t measure(const unsigned char *bytes, size_t length, size_t content,
		      bool last)
{
	size_t at = 0;
	bool ended = !last;

	while (content > 0 || !ended) {
		const unsigned char *header = bytes + at;
		size_t record;

		if (length - at < RECORD_HEADER_BYTES)
			return 0;
		record = (size_t)header[4] << 8 | header[5];
		if (header[1] == TYPE_END_REQUEST)
			ended = true;
		else if (header[1] != TYPE_STDOUT || record > content)
			return 0;
		else
			content -= record;
		at += RECORD_HEADER_BYTES + record + header[6];
		if (at > length || (ended && content > 0 && last))
			return 0;
	}
	return at;
}

/* Moves what libfcgi has written to out. */
static enum err take_output(struct codec *codec, struct codec_request *request,
			    bool last, struct buf *out)
{
	const unsigned char *from = codec->output.bytes + codec->output_at;
	size_t length = measure(from, OUTPUT_BYTES - codec->output_at,
				request->pending, last);

	if (length == 0 && (last || request->pending > 0))
		return ERR_INTERNAL;
	buf_append(out, from, length);
	request->pending = 0;
	codec->output_at += length;
	return buf_error(out);
}

static bool rewind_output(struct codec *codec)
{
	codec->output_at = 0;
	return lseek(codec->output.descriptor, 0, SEEK_SET) == 0;
}

/* Room for all that may be written until it is taken. */
static bool make_room(struct codec *codec, const struct codec_request *request)
{
	if (codec->output.bytes == NULL)
		return false;
	if (request->pending > 0 ||
	    OUTPUT_BYTES - codec->output_at >= ROOM_BYTES)
		return true;
	return rewind_output(codec);
}

static enum err encode_span(struct codec *codec, struct codec_request *request,
			    struct span text, struct buf *out)
{
	FCGX_Stream *stream = request->fcgx.out;

	while (text.length > 0) {
		size_t piece =
			text.length < SLICE_BYTES ? text.length : SLICE_BYTES;
		enum err err;

		if (!make_room(codec, request) ||
		    FCGX_PutStr(text.data, (int)piece, stream) != (int)piece)
			return ERR_INTERNAL;
		request->pending += piece;
		text = span_from(text, piece);
		if (text.length == 0)
			break; /* what follows may share the record */
		if (FCGX_FFlush(stream) != 0)
			return ERR_INTERNAL;
		err = take_output(codec, request, false, out);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/*
 * Has libfcgi write the end of the answer, as FCGX_Finish_r() does before it
 * frees the parameters: the log still wants them.
 */
static bool finish(struct codec_request *request)
{
	return FCGX_FClose(request->fcgx.err) == 0 &&
	       FCGX_FClose(request->fcgx.out) == 0;
}

static enum err encode(struct codec *codec, struct codec_request *request,
		       struct span head, struct span body, bool last,
		       struct buf *out)
{
	enum err err = encode_span(codec, request, head, out);

	if (err == ERR_OK)
		err = encode_span(codec, request, body, out);
	if (err == ERR_OK && !make_room(codec, request))
		err = ERR_INTERNAL;
	if (err != ERR_OK)
		return err;
	if (last ? !finish(request) : FCGX_FFlush(request->fcgx.out) != 0)
		return ERR_INTERNAL;
	return take_output(codec, request, last, out);
}

enum err codec_encode(struct codec *codec, struct codec_request *request,
		      struct span head, struct span body, bool last,
		      struct buf *out)
{
	enum err err = encode(codec, request, head, body, last, out);

	/* What was written in vain must not be taken for the next answer. */
	if (err != ERR_OK && !rewind_output(codec))
		(void)reopen(&codec->output, OUTPUT_BYTES);
	return err;
}

void codec_request_free(struct codec_request **request)
{
	if (*request == NULL)
		return;
	FCGX_Free(&(*request)->fcgx, 0);
	free(*request);
	*request = NULL;
}
