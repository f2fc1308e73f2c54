/* SPDX-License-Identifier: MIT */
#include "fcgi_records.h"

void fcgi_append_record(struct buf *out, int type, uint16_t id,
			struct span content, size_t padding)
{
	const char header[8] = {
		1,
		(char)type,
		(char)(id >> 8),
		(char)(id & 0xff),
		(char)(content.length >> 8),
		(char)(content.length & 0xff),
		(char)padding,
		0,
	};

	buf_append(out, header, sizeof(header));
	buf_append_span(out, content);
	for (size_t i = 0; i < padding; i++)
		buf_append_char(out, '\xff');
}

void fcgi_append_begin(struct buf *out, uint16_t id, int role, int flags)
{
	const char body[8] = { (char)(role >> 8), (char)role, (char)flags };

	fcgi_append_record(out, FCGI_BEGIN, id,
			   (struct span){ body, sizeof(body) }, 0);
}

void fcgi_append_stream(struct buf *out, int type, uint16_t id,
			struct span text, size_t piece, size_t padding)
{
	while (text.length > 0) {
		struct span content = { text.data, text.length < piece
							   ? text.length
							   : piece };

		fcgi_append_record(out, type, id, content, padding);
		text = span_from(text, content.length);
	}
	fcgi_append_record(out, type, id, (struct span){ NULL, 0 }, padding);
}

static void append_length(struct buf *out, size_t length)
{
	if (length > 127) {
		buf_append_char(out, (char)(length >> 24 | 0x80));
		buf_append_char(out, (char)(length >> 16));
		buf_append_char(out, (char)(length >> 8));
	}
	buf_append_char(out, (char)length);
}

void fcgi_append_pair(struct buf *out, struct span name, struct span value)
{
	append_length(out, name.length);
	append_length(out, value.length);
	buf_append_span(out, name);
	buf_append_span(out, value);
}

void fcgi_append_request(struct buf *out, uint16_t id, struct span pairs,
			 struct span body)
{
	fcgi_append_begin(out, id, 1, 1);
	fcgi_append_stream(out, FCGI_PARAMS, id, pairs, FCGI_RECORD_MAX, 0);
	fcgi_append_stream(out, FCGI_STDIN, id, body, FCGI_RECORD_MAX, 0);
}
