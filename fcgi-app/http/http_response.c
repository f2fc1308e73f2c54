/* SPDX-License-Identifier: MIT */
#include "http/http.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

const char *http_reason(int status)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

void http_response_init(struct http_response *response, size_t body_max_bytes)
{
	*response = (struct http_response){ .status = 200 };
	buf_init(&response->headers, HTTP_EXTRA_HEADERS_BYTES);
	buf_init(&response->body, body_max_bytes);
}

void http_response_deinit(struct http_response *response)
{
	buf_deinit(&response->headers);
	buf_deinit(&response->body);
}

void http_response_problem(struct http_response *response,
			   const struct problem *problem)
{
	response->status = err_http_status(problem->err);
	response->content_type = "application/problem+json";
	response->streamed = false;

	buf_clear(&response->headers);
	if (response->status == 503)
		buf_append_text(&response->headers, "Retry-After: 1\r\n");

	buf_clear(&response->body);
	problem_append_json(&response->body, problem);
	if (buf_error(&response->body) != ERR_OK) {
		/* No room for the text: the status alone says enough. */
		buf_clear(&response->body);
		response->content_type = NULL;
	}
}
