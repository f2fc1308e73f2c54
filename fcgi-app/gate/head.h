/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_HEAD_H
#define BUZON_GATE_HEAD_H

#include "http/http.h"

/*
 * Appends the head of a response as FastCGI and CGI want it (RFC 3875, 6.3:
 * "Status: 200 OK"): the headers that every answer has, those of response,
 * Content-Length where it is known, and the empty line. Where the headers of
 * response are not whole, nothing is appended and out has their error.
 */
void head_append(struct buf *out, const struct http_response *response,
		 const char *request_id);

#endif
