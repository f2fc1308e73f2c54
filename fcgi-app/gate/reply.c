/* SPDX-License-Identifier: MIT */
#include "gate/reply.h"

#include "gate/codec.h"
#include "gate/head.h"

static enum err encode_pieces(struct reply *reply,
			      const struct http_response *response,
			      const struct http_request *request, bool last,
			      struct buf *head, struct buf *out)
{
	struct span body = buf_span(&response->body);
	enum err err;

	if (!reply->head_sent)
		head_append(head, response, request->id);
	if (request->method == HTTP_HEAD)
		body.length = 0;
	err = buf_error(head);
	if (err == ERR_OK)
		err = codec_encode(reply->request_id, buf_span(head), body,
				   last, out);
	if (err == ERR_OK && last && reply->tell_nginx)
		err = codec_encode_surplus(reply->request_id, out);
	if (err == ERR_OK)
		reply->body_bytes += body.length;
	return err;
}

enum err reply_encode(struct reply *reply, const struct http_response *response,
		      const struct http_request *request, bool last,
		      struct spares *spares, struct buf *out)
{
	enum err err = buf_error(&response->body);
	struct buf head;

	if (err != ERR_OK)
		return err;
	buf_init(&head, 2 * HTTP_EXTRA_HEADERS_BYTES);
	spares_lend(spares, &head);
	spares_lend(spares, out);
	err = encode_pieces(reply, response, request, last, &head, out);
	spares_take(spares, &head);
	if (err == ERR_OK) {
		reply->head_sent = true;
		reply->finished = last;
	}
	return err;
}
