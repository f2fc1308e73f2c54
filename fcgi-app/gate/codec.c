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
	BEGIN_BYTES = 8, /* of a BEGIN_REQUEST, without its header */
	RECORD_CONTENT_MAX_BYTES = 65535,
	TYPE_BEGIN_REQUEST = 1,
	TYPE_END_REQUEST = 3,
	TYPE_PARAMS = 4,
	TYPE_STDIN = 5,
	TYPE_STDOUT = 6,
	ROLE_RESPONDER = 1,
	ANY_REQUEST_ID = 1, /* libfcgi wants one, whichever */
	FLAG_KEEP = 1,
	/* What one answer record of ours holds at most: a multiple of 8. */
	PIECE_MAX_BYTES = 65528,
	/* The parameters that the intake lets through, and records around. */
	INPUT_BYTES = 160 * 1024,
};

/* The file in memory that libfcgi reads, seen as such and as memory. */
struct codec {
	int descriptor;
	unsigned char *bytes;
};

struct codec_request {
	FCGX_Request fcgx;
};

static void close_file(struct codec *codec)
{
	if (codec->bytes != NULL)
		munmap(codec->bytes, INPUT_BYTES);
	if (codec->descriptor >= 0)
		close(codec->descriptor);
	*codec = (struct codec){ .descriptor = -1 };
}

/* Does nothing where it is open; what failed once is tried again. */
static bool open_file(struct codec *codec)
{
	void *bytes = MAP_FAILED;

	if (codec->bytes != NULL)
		return true;
	codec->descriptor = memfd_create("buzon", MFD_CLOEXEC);
	if (codec->descriptor >= 0 &&
	    ftruncate(codec->descriptor, INPUT_BYTES) == 0)
		bytes = mmap(NULL, INPUT_BYTES, PROT_READ | PROT_WRITE,
			     MAP_SHARED, codec->descriptor, 0);
	if (bytes != MAP_FAILED)
		codec->bytes = bytes;
	else
		close_file(codec);
	return codec->bytes != NULL;
}

struct codec *codec_new(void)
{
	struct codec *codec = calloc(1, sizeof(*codec));

	if (codec == NULL)
		return NULL;
	codec->descriptor = -1;
	if (!open_file(codec) || FCGX_Init() != 0)
		codec_free(&codec);
	return codec;
}

void codec_free(struct codec **codec)
{
	if (*codec == NULL)
		return;
	close_file(*codec);
	free(*codec);
	*codec = NULL;
}

static void put_header(unsigned char at[RECORD_HEADER_BYTES], int type,
		       uint16_t request_id, size_t length)
{
	at[0] = 1;
	at[1] = (unsigned char)type;
	at[2] = (unsigned char)(request_id >> 8);
	at[3] = (unsigned char)(request_id & 0xff);
	at[4] = (unsigned char)(length >> 8);
	at[5] = (unsigned char)(length & 0xff);
	at[6] = at[7] = 0;
}

static unsigned char *put_record(unsigned char *at, int type,
				 uint16_t request_id, const void *content,
				 size_t length)
{
	put_header(at, type, request_id, length);
	at += RECORD_HEADER_BYTES;
	if (length > 0)
		memcpy(at, content, length);
	return at + length;
}

/* How long compose() makes it. */
static size_t composed_length(struct span pairs)
{
	size_t records = 3 + (pairs.length + RECORD_CONTENT_MAX_BYTES - 1) /
				     RECORD_CONTENT_MAX_BYTES;

	return records * RECORD_HEADER_BYTES + BEGIN_BYTES + pairs.length;
}

/* The request once more, as short and plain as it can be said. */
static void compose(unsigned char *at, struct span pairs)
{
	const uint16_t request_id = ANY_REQUEST_ID;
	const unsigned char begin[BEGIN_BYTES] = { 0, ROLE_RESPONDER,
						   FLAG_KEEP };

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
	(void)put_record(at, TYPE_STDIN, request_id, NULL, 0);
}

/* Puts the request where libfcgi is going to read it. */
static bool write_file(struct codec *codec, struct span pairs)
{
	/* At the file's end: libfcgi reads 8 KiB where there is more. */
	off_t start = (off_t)(INPUT_BYTES - composed_length(pairs));

	assert(pairs.length <= INTAKE_PARAMETERS_MAX_BYTES);
	if (!open_file(codec) ||
	    lseek(codec->descriptor, start, SEEK_SET) != start)
		return false;
	compose(codec->bytes + start, pairs);
	return true;
}

struct codec_request *codec_decode(struct codec *codec, struct span pairs)
{
	struct codec_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	if (!write_file(codec, pairs) ||
	    FCGX_InitRequest(&request->fcgx, -1, 0) != 0) {
		free(request);
		return NULL;
	}
	request->fcgx.ipcFd = codec->descriptor;
	request->fcgx.keepConnection = 1;
	if (FCGX_Accept_r(&request->fcgx) != 0) {
		/* It has closed the file as it would close a connection. */
		codec->descriptor = -1;
		close_file(codec);
		free(request);
		return NULL;
	}
	/* Their buffers take 24 KiB, and only the parameters are needed. */
	FCGX_FreeStream(&request->fcgx.in);
	FCGX_FreeStream(&request->fcgx.out);
	FCGX_FreeStream(&request->fcgx.err);
	return request;
}

char *const *codec_parameters(const struct codec_request *request)
{
	return request->fcgx.envp;
}

static void append_record(struct buf *out, int type, uint16_t request_id,
			  struct span first, struct span second)
{
	unsigned char header[RECORD_HEADER_BYTES];

	put_header(header, type, request_id, first.length + second.length);
	buf_append(out, header, sizeof(header));
	buf_append_span(out, first);
	buf_append_span(out, second);
}

/* The next piece of what is still to be sent of a text. */
static struct span cut_piece(struct span *text, size_t length)
{
	struct span piece = { text->data, text->length };

	if (piece.length > length)
		piece.length = length;
	*text = span_from(*text, piece.length);
	return piece;
}

enum err codec_encode(uint16_t request_id, struct span head, struct span body,
		      bool last, struct buf *out)
{
	static const char complete[8] = { 0 };

	while (head.length > 0 || body.length > 0) {
		struct span first = cut_piece(&head, PIECE_MAX_BYTES);
		struct span second =
			cut_piece(&body, PIECE_MAX_BYTES - first.length);

		append_record(out, TYPE_STDOUT, request_id, first, second);
	}
	if (last) {
		append_record(out, TYPE_STDOUT, request_id, SPAN(""), SPAN(""));
		append_record(out, TYPE_END_REQUEST, request_id,
			      (struct span){ complete, sizeof(complete) },
			      SPAN(""));
	}
	return buf_error(out);
}

enum err codec_encode_surplus(uint16_t request_id, struct buf *out)
{
	append_record(out, TYPE_STDOUT, request_id, SPAN(""), SPAN(""));
	return buf_error(out);
}

void codec_request_free(struct codec_request **request)
{
	if (*request == NULL)
		return;
	FCGX_Free(&(*request)->fcgx, 0);
	free(*request);
	*request = NULL;
}
