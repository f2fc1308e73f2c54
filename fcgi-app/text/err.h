/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_ERR_H
#define BUZON_TEXT_ERR_H

/* Every caller of such a function looks at what it returns. */
#define MUST_CHECK __attribute__((warn_unused_result))

/*
 * The one list of what can go wrong: name, HTTP status, the stable code that
 * clients may test for, the title of the problem (RFC 9457).
 */
#define ERR_LIST(ERR)                                                          \
	ERR(INVALID_PATH, 400, "invalid_path", "Invalid path")                 \
	ERR(INVALID_PARAMETER, 400, "invalid_parameter", "Invalid parameter")  \
	ERR(INVALID_HEADER, 400, "invalid_header", "Invalid header")           \
	ERR(INVALID_JSON, 400, "invalid_json", "Invalid JSON")                 \
	ERR(INVALID_FORM, 400, "invalid_form", "Invalid form")                 \
	ERR(INVALID_MESSAGE, 400, "invalid_message", "Invalid message")        \
	ERR(TRUNCATED_BODY, 400, "truncated_body", "Truncated body")           \
	ERR(NOT_FOUND, 404, "not_found", "Not found")                          \
	ERR(METHOD_NOT_ALLOWED, 405, "method_not_allowed",                     \
	    "Method not allowed")                                              \
	ERR(BODY_TOO_LARGE, 413, "body_too_large", "Body too large")           \
	ERR(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type",             \
	    "Unsupported media type")                                          \
	ERR(KEY_REUSED, 422, "idempotency_key_reused",                         \
	    "Idempotency key reused")                                          \
	ERR(HEADERS_TOO_LARGE, 431, "headers_too_large", "Headers too large")  \
	ERR(INTERNAL, 500, "internal", "Internal error")                       \
	ERR(FULL, 500, "internal", "Internal error")                           \
	ERR(DATABASE_UNAVAILABLE, 503, "database_unavailable",                 \
	    "Database unavailable")                                            \
	ERR(DATABASE_REFUSES, 503, "database_refuses", "Database refuses")     \
	ERR(OVERLOADED, 503, "overloaded", "Overloaded")                       \
	ERR(OUT_OF_MEMORY, 503, "overloaded", "Overloaded")                    \
	ERR(WRITE_UNCERTAIN, 503, "write_uncertain", "Write uncertain")

enum err {
	ERR_OK = 0,
#define ERR(name, status, code, title) ERR_##name,
	ERR_LIST(ERR)
#undef ERR
		ERR__MAX
};

/* The HTTP status of an error; 200 for ERR_OK. */
int err_http_status(enum err err);

/* The stable code of an error ("ok" for ERR_OK); static text. */
const char *err_code(enum err err);

/* The title of an error ("OK" for ERR_OK); static text. */
const char *err_title(enum err err);

#endif
