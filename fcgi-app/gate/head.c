/* SPDX-License-Identifier: MIT */
#include "gate/head.h"

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
	if (response->content_type != NULL) {
		buf_append_text(out, "\r\nContent-Type: ");
		buf_append_text(out, response->content_type);
	}
	buf_append_text(out, "\r\n");
	buf_append_span(out, buf_span(&response->headers));
	buf_append_text(out, "X-Request-ID: ");
	buf_append_text(out, request_id);
	buf_append_text(out, "\r\nX-Content-Type-Options: nosniff\r\n"
			     "Cache-Control: no-store\r\n");
	if (response->content_type != NULL && !response->streamed) {
		buf_append_text(out, "Content-Length: ");
		buf_append_u64(out, response->body.length);
		buf_append_text(out, "\r\n");
	}
	buf_append_text(out, "\r\n");
}
