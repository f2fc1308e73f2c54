/* SPDX-License-Identifier: MIT */
#ifndef BUZON_HTTP_HTTP_H
#define BUZON_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/problem.h"
#include "text/span.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_OPTIONS,
	HTTP_OTHER,
};

enum { HTTP_REQUEST_ID_MAX = 128 };

/*
 * One request as the handlers see it, whatever web server sent it. All spans
 * belong to whoever made the request and outlive its exchange. A header that
 * was not sent has no data (NULL).
 */
struct http_request {
	enum http_method method;
	struct span method_name;
	struct span target; /* path and query as sent, for the log */
	struct span path;   /* without the query */
	struct span query;  /* raw, without "?"; empty where there was none */
	struct span content_type;
	struct span content_length;
	struct span accept;
	struct span idempotency_key;   /* the first, where it is repeated */
	bool idempotency_key_repeated; /* sent more than once, apart */
	struct span body;
	bool body_too_large; /* there was more than the limit; body is empty */
	bool headers_too_large; /* nothing of the request could be kept */
	bool path_decoded; /* path has no escapes any more: CGI's PATH_INFO */
	bool path_lost;    /* there was no memory for it; path is empty */
	/* X-Request-ID: the client's, or a new one. */
	char id[HTTP_REQUEST_ID_MAX + 1];
};

/* Room for the longest Link; web servers take a head of twice as much. */
enum { HTTP_EXTRA_HEADERS_BYTES = 16 * 1024 };

/*
 * One response. Where `streamed` is set, the body comes in pieces whose sum is
 * not known yet, and there is no Content-Length.
 */
struct http_response {
	int status;
	const char *content_type; /* static text; NULL where there is no body */
	struct buf headers;       /* more header lines, each with its CRLF */
	struct buf body;
	bool streamed;
};

/* The method that a name stands for; HTTP_OTHER where it is none of ours. */
enum http_method http_method_of(struct span name);

/* The name of a method ("GET"); static text, NULL for HTTP_OTHER. */
const char *http_method_name(enum http_method method);

/*
 * Copies the client's request ID where it is 1 to HTTP_REQUEST_ID_MAX visible
 * ASCII characters, else writes a new random one (32 hexadecimal digits).
 */
void http_request_id(char out[HTTP_REQUEST_ID_MAX + 1], struct span sent);

/* True where text is 1 to max characters, all of them visible ASCII. */
bool http_visible_ascii(struct span text, size_t max);

/*
 * The media type of a Content-Type header, without its parameters and the
 * blanks around it. Compare with http_equal_ignoring_case().
 */
struct span http_media_type(struct span header);

bool http_equal_ignoring_case(struct span a, struct span b);

/*
 * Finds a parameter (`charset`, `boundary`) of a header like Content-Type or
 * Content-Disposition. The value is without its quotes; a backslash in a
 * quoted value stays. True where it is there.
 */
bool http_header_parameter(struct span header, struct span name,
			   struct span *value_r);

/*
 * True where an Accept header names this media type itself (not by "*") and
 * does not weigh it with q=0.
 */
bool http_accepts(struct span accept, struct span media_type);

/*
 * bodies_max_bytes: the ceiling of the body. Allocates nothing.
 */
void http_response_init(struct http_response *response, size_t body_max_bytes);
void http_response_deinit(struct http_response *response);

/*
 * Makes response this problem, whatever was in it before: status, type and
 * body, and Retry-After with every 503. Header lines added before are gone.
 */
void http_response_problem(struct http_response *response,
			   const struct problem *problem);

/* The standard phrase of a status ("Created"); static text. */
const char *http_reason(int status);

#endif
