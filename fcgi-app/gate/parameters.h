/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_PARAMETERS_H
#define BUZON_GATE_PARAMETERS_H

#include "http/http.h"

/*
 * Fills request from FastCGI parameters ("NAME=value", ending with NULL), as
 * nginx, caddy, haproxy, lighttpd and Apache send them: the target is
 * REQUEST_URI, which all of them pass on as it came; SCRIPT_NAME, PATH_INFO and
 * QUERY_STRING, which each fills in its own way, serve where it is missing: the
 * path is then decoded already.
 *
 * Its spans point into the parameters; request->id is filled, body is not.
 * path is memory for a path that has to be put together.
 */
void parameters_to_request(char *const *parameters,
			   struct http_request *request, struct buf *path);

/*
 * Whether the web server calls itself nginx, or after it, as OpenResty does, in
 * SERVER_SOFTWARE (RFC 3875, 4.1.17).
 */
bool parameters_from_nginx(char *const *parameters);

#endif
