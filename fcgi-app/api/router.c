/* SPDX-License-Identifier: MIT */
#include "api/router.h"

#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "http/form.h"

/* The rows of one path stand together. HEAD is served as GET is. */
static const struct route {
	enum http_method method;
	const char *path;
	exchange_step_fn *handler;
} routes[] = {
	{ HTTP_GET, "/api/test", handle_test },
	{ HTTP_GET, "/api/health", handle_health },
	{ HTTP_GET, "/api/message", handle_message_get },
	{ HTTP_POST, "/api/message", handle_message_post },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]), PATHS_BYTES = 256 };

/* The path in the table that the request asks for; NULL where it has none. */
static const char *find_path(const struct http_request *request)
{
	for (size_t i = 0; i < ROUTES; i++) {
		struct span path = span_of(routes[i].path);

		if (request->path_decoded
			    ? span_equal(request->path, path)
			    : form_path_equal(request->path, path))
			return routes[i].path;
	}
	return NULL;
}

static exchange_step_fn *find_handler(const char *path, enum http_method method)
{
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < ROUTES; i++) {
		if (routes[i].method == method &&
		    strcmp(routes[i].path, path) == 0)
			return routes[i].handler;
	}
	return NULL;
}

static void append_allow(struct exchange *exchange, const char *path)
{
	struct buf *headers = &exchange->response.headers;

	buf_append_text(headers, "Allow: ");
	for (size_t i = 0; i < ROUTES; i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		buf_append_text(headers, http_method_name(routes[i].method));
		buf_append_text(headers, routes[i].method == HTTP_GET
						 ? ", HEAD, "
						 : ", ");
	}
	buf_append_text(headers, "OPTIONS\r\n");
}

/* "/api/test, /api/health, …": each path once. */
static const char *list_paths(char out[PATHS_BYTES])
{
	const char *previous = "";
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ROUTES; i++) {
		size_t room = PATHS_BYTES - length;
		int added;

		if (strcmp(routes[i].path, previous) == 0)
			continue;
		added = snprintf(out + length, room, "%s%s", i == 0 ? "" : ", ",
				 routes[i].path);
		if (added < 0 || (size_t)added >= room)
			break;
		length += (size_t)added;
		previous = routes[i].path;
	}
	return out;
}

static enum exchange_outcome not_found(struct exchange *exchange)
{
	struct problem problem;
	char quoted[128];
	char paths[PATHS_BYTES];

	problem_init(&problem);
	(void)problem_set(
		&problem, ERR_NOT_FOUND,
		"There is nothing at \"%s\"; there is %s.",
		problem_quote(exchange->request.path, quoted, sizeof(quoted)),
		list_paths(paths));
	return answer_problem(exchange, &problem);
}

static enum exchange_outcome not_allowed(struct exchange *exchange,
					 const char *path)
{
	struct problem problem;
	char quoted[64];

	problem_init(&problem);
	(void)problem_set(&problem, ERR_METHOD_NOT_ALLOWED,
			  "The method \"%s\" is not served at %s; the header "
			  "Allow lists those that are.",
			  problem_quote(exchange->request.method_name, quoted,
					sizeof(quoted)),
			  path);
	(void)answer_problem(exchange, &problem);
	append_allow(exchange, path);
	return EXCHANGE_DONE;
}

static enum exchange_outcome too_large(struct exchange *exchange)
{
	struct problem problem;

	problem_init(&problem);
	(void)problem_set(&problem, ERR_BODY_TOO_LARGE,
			  "The body is larger than %zu bytes, the limit here.",
			  exchange->service->body_limit_bytes);
	return answer_problem(exchange, &problem);
}

static enum exchange_outcome headers_too_large(struct exchange *exchange)
{
	struct problem problem;

	problem_init(&problem);
	(void)problem_set(&problem, ERR_HEADERS_TOO_LARGE,
			  "The request's headers, its target included, are "
			  "larger than 128 KiB in all.");
	return answer_problem(exchange, &problem);
}

/* The first step of every exchange. */
static enum exchange_outcome route(struct exchange *exchange,
				   struct store *store)
{
	const struct http_request *request = &exchange->request;
	exchange_step_fn *handler;
	struct problem problem;
	const char *path;

	(void)store;
	if (request->headers_too_large)
		return headers_too_large(exchange);
	if (request->path_lost)
		return answer_error(exchange, ERR_OUT_OF_MEMORY);
	problem_init(&problem);
	if (!request->path_decoded &&
	    form_check_path(request->path, &problem) != ERR_OK)
		return answer_problem(exchange, &problem);

	path = find_path(request);
	if (path == NULL)
		return not_found(exchange);
	handler = find_handler(path, request->method);
	if (handler != NULL && request->body_too_large)
		return too_large(exchange);
	if (handler != NULL) {
		exchange->step = handler;
		return EXCHANGE_NEXT;
	}
	if (request->method != HTTP_OPTIONS)
		return not_allowed(exchange, path);
	exchange->response.status = 204;
	append_allow(exchange, path);
	return EXCHANGE_DONE;
}

void router_dispatch(struct exchange *exchange)
{
	exchange->step = route;
	exchange->place = EXCHANGE_AT_GATE;
}
