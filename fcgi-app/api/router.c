/* SPDX-License-Identifier: MIT */
#include "api/router.h"

#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "http/form.h"

struct route {
	const char *path;
	exchange_step_fn *get; /* serves HEAD too */
	exchange_step_fn *post;
};

static const struct route routes[] = {
	{ "/api/test", .get = handle_test },
	{ "/api/health", .get = handle_health },
	{ "/api/message", .get = handle_message_get,
	  .post = handle_message_post },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static const struct route *find_route(struct span path)
{
	for (size_t i = 0; i < ROUTES; i++) {
		if (span_equal(path, span_of(routes[i].path)))
			return &routes[i];
	}
	return NULL;
}

static exchange_step_fn *find_handler(const struct route *route,
				      enum http_method method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return route->get;
	case HTTP_POST:
		return route->post;
	case HTTP_OPTIONS:
	case HTTP_OTHER:
		break;
	}
	return NULL;
}

static void append_allow(struct exchange *exchange, const struct route *route)
{
	buf_appendf(&exchange->response.headers, "Allow: %s%sOPTIONS\r\n",
		    route->get != NULL ? "GET, HEAD, " : "",
		    route->post != NULL ? "POST, " : "");
}

static enum exchange_outcome not_found(struct exchange *exchange)
{
	struct problem problem;
	char quoted[128];

	problem_init(&problem);
	(void)problem_set(
		&problem, ERR_NOT_FOUND,
		"There is nothing at \"%s\"; there is /api/test, /api/health "
		"and /api/message.",
		problem_quote(exchange->request.path, quoted, sizeof(quoted)));
	return answer_problem(exchange, &problem);
}

static enum exchange_outcome not_allowed(struct exchange *exchange,
					 const struct route *route)
{
	struct problem problem;
	char quoted[64];

	problem_init(&problem);
	(void)problem_set(&problem, ERR_METHOD_NOT_ALLOWED,
			  "The method \"%s\" is not served at %s; the header "
			  "Allow lists those that are.",
			  problem_quote(exchange->request.method_name, quoted,
					sizeof(quoted)),
			  route->path);
	(void)answer_problem(exchange, &problem);
	append_allow(exchange, route);
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

static enum exchange_outcome serve(struct exchange *exchange, struct span path)
{
	const struct route *route = find_route(path);
	enum http_method method = exchange->request.method;
	exchange_step_fn *handler;

	if (route == NULL)
		return not_found(exchange);
	handler = find_handler(route, method);
	if (handler != NULL && exchange->request.body_too_large)
		return too_large(exchange);
	if (handler != NULL) {
		exchange->step = handler;
		return EXCHANGE_NEXT;
	}
	if (method == HTTP_OPTIONS) {
		exchange->response.status = 204;
		append_allow(exchange, route);
		return EXCHANGE_DONE;
	}
	return not_allowed(exchange, route);
}

/* The first step of every exchange. */
static enum exchange_outcome route(struct exchange *exchange,
				   struct store *store)
{
	const struct http_request *request = &exchange->request;
	enum exchange_outcome outcome;
	struct problem problem;
	struct buf decoded;

	(void)store;
	if (request->headers_too_large)
		return headers_too_large(exchange);
	if (request->path.length == 0 ||
	    memchr(request->path.data, '%', request->path.length) == NULL)
		return serve(exchange, request->path);

	problem_init(&problem);
	buf_init(&decoded, request->path.length);
	if (form_decode_path(request->path, &decoded, &problem) != ERR_OK)
		outcome = answer_problem(exchange, &problem);
	else if (buf_error(&decoded) != ERR_OK)
		outcome = answer_error(exchange, buf_error(&decoded));
	else
		outcome = serve(exchange, buf_span(&decoded));
	buf_deinit(&decoded);
	return outcome;
}

void router_dispatch(struct exchange *exchange)
{
	exchange->step = route;
	exchange->place = EXCHANGE_AT_GATE;
}
