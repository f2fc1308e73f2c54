/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_REPLY_H
#define BUZON_GATE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "gate/spares.h"
#include "http/http.h"
#include "text/err.h"

/*
 * One answer on its way into FastCGI records: its head once, before the first
 * piece of its body, and its end behind the last.
 */
struct reply {
	uint16_t request_id;
	/* Behind the last piece: how the web server learns that no answer
	 * follows this one on a connection that it wanted kept. */
	bool tell_nginx;
	bool head_sent;
	bool finished; /* encoded to its end */
	uint64_t body_bytes;
};

/*
 * Appends what there is of the answer to out; last: it ends here. The head goes
 * with the first piece that is encoded without an error. ERR_OK, or the error
 * of a buffer; out is then of no use.
 */
enum err reply_encode(struct reply *reply, const struct http_response *response,
		      const struct http_request *request, bool last,
		      struct spares *spares, struct buf *out) MUST_CHECK;

#endif
