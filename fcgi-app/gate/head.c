/* SPDX-License-Identifier: MIT */
#include "gate/head.h"

static void append_header(struct buf *out, const char *name, const char *value)
{
	buf_append_text(out, name);
	buf_append_text(out, ": ");
	buf_append_text(out, value);
	buf_append_text(out, "\r\n");
}

void head_append(struct buf *out, const struct http_response *response,
		 const char *request_id)
{
	/* Lines may be cut short there: nobody is to be sent such a head. */
	if (buf_error(&response->headers) != ERR_OK) {
		if (buf_error(out) == ERR_OK)
			out->error = buf_error(&response->headers);
		return;
	}

	buf_append_text(out, "Status: ");
	buf_append_u64(out, (uint64_t)response->status);
	buf_append_char(out, ' ');
	buf_append_text(out, http_reason(response->status));
	buf_append_text(out, "\r\n");
	if (response->content_type != NULL)
		append_header(out, "Content-Type", response->content_type);
	buf_append_span(out, buf_span(&response->headers));
	append_header(out, "X-Request-ID", request_id);
	append_header(out, "X-Content-Type-Options", "nosniff");
	append_header(out, "Cache-Control", "no-store");
	if (response->content_type != NULL && !response->streamed) {
		buf_append_text(out, "Content-Length: ");
		buf_append_u64(out, response->body.length);
		buf_append_text(out, "\r\n");
	}
	buf_append_text(out, "\r\n");
}
