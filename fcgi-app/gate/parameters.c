/* SPDX-License-Identifier: MIT */
#include "gate/parameters.h"

#include <string.h>

enum parameter {
	METHOD,
	URI,
	SCRIPT,
	PATH,
	QUERY,
	CONTENT_TYPE,
	CONTENT_LENGTH,
	ACCEPT,
	IDEMPOTENCY_KEY,
	REQUEST_ID,
	PARAMETER__MAX
};

static const struct span names[PARAMETER__MAX] = {
	[METHOD] = { "REQUEST_METHOD", 14 },
	[URI] = { "REQUEST_URI", 11 },
	[SCRIPT] = { "SCRIPT_NAME", 11 },
	[PATH] = { "PATH_INFO", 9 },
	[QUERY] = { "QUERY_STRING", 12 },
	[CONTENT_TYPE] = { "CONTENT_TYPE", 12 },
	[CONTENT_LENGTH] = { "CONTENT_LENGTH", 14 },
	[ACCEPT] = { "HTTP_ACCEPT", 11 },
	[IDEMPOTENCY_KEY] = { "HTTP_IDEMPOTENCY_KEY", 20 },
	[REQUEST_ID] = { "HTTP_X_REQUEST_ID", 17 },
};

/* What was sent: of each parameter the first, and whether there were more. */
struct values {
	struct span first[PARAMETER__MAX];
	bool repeated[PARAMETER__MAX];
};

static void keep(struct values *values, const char *parameter)
{
	const char *equals = strchr(parameter, '=');
	struct span name;

	if (equals == NULL)
		return;
	name = (struct span){ parameter, (size_t)(equals - parameter) };
	for (int i = 0; i < PARAMETER__MAX; i++) {
		if (!span_equal(name, names[i]))
			continue;
		values->repeated[i] = values->first[i].data != NULL;
		if (!values->repeated[i])
			values->first[i] = span_of(equals + 1);
		return;
	}
}

static void split_target(struct http_request *request)
{
	const char *mark =
		memchr(request->target.data, '?', request->target.length);
	size_t length;

	if (mark == NULL) {
		request->path = request->target;
		return;
	}
	length = (size_t)(mark - request->target.data);
	request->path = (struct span){ request->target.data, length };
	request->query = span_from(request->target, length + 1);
}

/*
 * Web servers that send no CONTENT_TYPE or CONTENT_LENGTH for a request that
 * has none, and those that send them empty, mean the same.
 */
static struct span unless_empty(struct span value)
{
	return value.length > 0 ? value : (struct span){ NULL, 0 };
}

/* Of a body in chunks Caddy 2.6 says that it has -1 bytes. */
static struct span length_if_known(struct span value)
{
	return span_equal(value, SPAN("-1")) ? (struct span){ NULL, 0 }
					     : unless_empty(value);
}

bool parameters_from_nginx(char *const *parameters)
{
	static const char beginning[] = "SERVER_SOFTWARE=nginx";

	for (; *parameters != NULL; parameters++) {
		if (strncmp(*parameters, beginning, strlen(beginning)) == 0)
			return true;
	}
	return false;
}

void parameters_to_request(char *const *parameters,
			   struct http_request *request, struct buf *path)
{
	struct values sent = { .first = { { NULL, 0 } } };
	const struct span *values = sent.first;

	for (; *parameters != NULL; parameters++)
		keep(&sent, *parameters);

	*request = (struct http_request){
		.method = http_method_of(values[METHOD]),
		.method_name = values[METHOD],
		.content_type = unless_empty(values[CONTENT_TYPE]),
		.content_length = length_if_known(values[CONTENT_LENGTH]),
		.accept = values[ACCEPT],
		.idempotency_key = values[IDEMPOTENCY_KEY],
		.idempotency_key_repeated = sent.repeated[IDEMPOTENCY_KEY],
		.query = SPAN(""),
	};
	http_request_id(request->id, values[REQUEST_ID]);

	if (values[URI].length > 0) {
		request->target = values[URI];
		split_target(request);
		return;
	}
	/* CGI decodes both (RFC 3875, 4.1.5 and 4.1.13). */
	request->path_decoded = true;
	buf_clear(path);
	buf_append_span(path, values[SCRIPT]);
	buf_append_span(path, values[PATH]);
	request->path_lost = buf_error(path) != ERR_OK;
	request->path = request->path_lost ? SPAN("") : buf_span(path);
	request->target = request->path;
	request->query = values[QUERY].data != NULL ? values[QUERY] : SPAN("");
}
