/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gate/parameters.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PARAMETERS_MAX = 16, PATH_MAX_BYTES = 4096 };

/* What web servers send; only what the program looks at and what misleads. */
static const struct {
	const char *comment;
	const char *parameters[PARAMETERS_MAX];
	enum http_method method;
	const char *target, *path, *query;
	const char *content_type, *content_length; /* NULL: none */
} rows[] = {
	{ "nginx with its fastcgi_params: no PATH_INFO, all else there",
	  { "QUERY_STRING=limit=5", "REQUEST_METHOD=GET",
	    "CONTENT_TYPE=", "CONTENT_LENGTH=", "SCRIPT_NAME=/api/message",
	    "REQUEST_URI=/api/message?limit=5", "DOCUMENT_URI=/api/message",
	    "SERVER_PROTOCOL=HTTP/1.1", "HTTP_HOST=localhost" },
	  HTTP_GET,
	  "/api/message?limit=5",
	  "/api/message",
	  "limit=5",
	  NULL,
	  NULL },
	{ "nginx with a body",
	  { "REQUEST_METHOD=POST", "CONTENT_TYPE=application/json",
	    "CONTENT_LENGTH=12", "SCRIPT_NAME=/api/message",
	    "REQUEST_URI=/api/message", "QUERY_STRING=" },
	  HTTP_POST,
	  "/api/message",
	  "/api/message",
	  "",
	  "application/json",
	  "12" },
	{ "caddy without split: SCRIPT_NAME empty, PATH_INFO the whole path",
	  { "SCRIPT_NAME=", "PATH_INFO=/api/test", "REQUEST_METHOD=HEAD",
	    "REQUEST_URI=/api/test?x", "QUERY_STRING=x" },
	  HTTP_HEAD,
	  "/api/test?x",
	  "/api/test",
	  "x",
	  NULL,
	  NULL },
	{ "caddy 2.6: a body in chunks has the length -1",
	  { "REQUEST_METHOD=POST", "REQUEST_URI=/api/message",
	    "CONTENT_TYPE=application/json", "CONTENT_LENGTH=-1" },
	  HTTP_POST,
	  "/api/message",
	  "/api/message",
	  "",
	  "application/json",
	  NULL },
	{ "haproxy without path-info: SCRIPT_NAME the whole path",
	  { "REQUEST_METHOD=GET", "SCRIPT_NAME=/api/test",
	    "REQUEST_URI=/api/test", "QUERY_STRING=" },
	  HTTP_GET,
	  "/api/test",
	  "/api/test",
	  "",
	  NULL,
	  NULL },
	{ "lighttpd with a prefix: SCRIPT_NAME cut in two",
	  { "SCRIPT_NAME=/api", "PATH_INFO=/test", "REQUEST_METHOD=OPTIONS",
	    "REQUEST_URI=/api/test" },
	  HTTP_OPTIONS,
	  "/api/test",
	  "/api/test",
	  "",
	  NULL,
	  NULL },
	{ "Apache GENERIC: SCRIPT_NAME and PATH_INFO decoded, URI as sent",
	  { "SCRIPT_NAME=/api/test", "PATH_INFO=/api/test",
	    "REQUEST_METHOD=GET", "REQUEST_URI=/api/%74est?a%20b" },
	  HTTP_GET,
	  "/api/%74est?a%20b",
	  "/api/%74est",
	  "a%20b",
	  NULL,
	  NULL },
	{ "a second question mark belongs to the query",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=/a?b?c=d" },
	  HTTP_GET,
	  "/a?b?c=d",
	  "/a",
	  "b?c=d",
	  NULL,
	  NULL },
	{ "a question mark alone",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=/a?" },
	  HTTP_GET,
	  "/a?",
	  "/a",
	  "",
	  NULL,
	  NULL },
	{ "a query alone",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=?a" },
	  HTTP_GET,
	  "?a",
	  "",
	  "a",
	  NULL,
	  NULL },
	{ "the query is REQUEST_URI's, whatever QUERY_STRING says",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=/a", "QUERY_STRING=b" },
	  HTTP_GET,
	  "/a",
	  "/a",
	  "",
	  NULL,
	  NULL },
	{ "no REQUEST_URI: SCRIPT_NAME, PATH_INFO and QUERY_STRING",
	  { "REQUEST_METHOD=GET", "SCRIPT_NAME=/api", "PATH_INFO=/message",
	    "QUERY_STRING=ID=1" },
	  HTTP_GET,
	  "/api/message",
	  "/api/message",
	  "ID=1",
	  NULL,
	  NULL },
	{ "an empty REQUEST_URI: the same",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=", "PATH_INFO=/api/test" },
	  HTTP_GET,
	  "/api/test",
	  "/api/test",
	  "",
	  NULL,
	  NULL },
	{ "nothing at all", { NULL }, HTTP_OTHER, "", "", "", NULL, NULL },
	{ "the first of two parameters of one name counts",
	  { "REQUEST_METHOD=GET", "REQUEST_METHOD=POST", "REQUEST_URI=/a",
	    "REQUEST_URI=/b", "CONTENT_TYPE=text/plain",
	    "CONTENT_TYPE=text/html" },
	  HTTP_GET,
	  "/a",
	  "/a",
	  "",
	  "text/plain",
	  NULL },
	{ "names in lower case, longer and shorter ones are others",
	  { "REQUEST_URI=/a", "request_uri=/b", "REQUEST_URI_=/c",
	    "REQUEST_UR=/d", "REQUEST_METHOD=PUT" },
	  HTTP_OTHER,
	  "/a",
	  "/a",
	  "",
	  NULL,
	  NULL },
	{ "a parameter without an equals sign",
	  { "REQUEST_URI", "REQUEST_METHOD=get", "PATH_INFO=/x" },
	  HTTP_OTHER,
	  "/x",
	  "/x",
	  "",
	  NULL,
	  NULL },
	{ "a value with an equals sign",
	  { "REQUEST_METHOD=GET", "REQUEST_URI=/a=b?c=d=e" },
	  HTTP_GET,
	  "/a=b?c=d=e",
	  "/a=b",
	  "c=d=e",
	  NULL,
	  NULL },
};

static bool same(struct span value, const char *want)
{
	if (want == NULL)
		return value.data == NULL;
	return value.data != NULL && span_equal(value, span_of(want));
}

static void each_web_server_is_understood(void **state)
{
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_request request;

		parameters_to_request((char *const *)rows[i].parameters,
				      &request, &path);
		if (request.method != rows[i].method ||
		    !span_equal(request.target, span_of(rows[i].target)) ||
		    !span_equal(request.path, span_of(rows[i].path)) ||
		    !same(request.query, rows[i].query) ||
		    !same(request.content_type, rows[i].content_type) ||
		    !same(request.content_length, rows[i].content_length))
			fail_msg("%s", rows[i].comment);
		assert_false(request.body_too_large);
		assert_false(request.headers_too_large);
		assert_int_equal(request.body.length, 0);
	}
	buf_deinit(&path);
}

static void headers_that_were_not_sent_have_no_data(void **state)
{
	char *none[] = { "REQUEST_URI=/a", NULL };
	char *empty[] = { "REQUEST_URI=/a", "HTTP_IDEMPOTENCY_KEY=",
			  "HTTP_ACCEPT=application/x-ndjson", NULL };
	struct http_request request;
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	parameters_to_request(none, &request, &path);
	assert_null(request.idempotency_key.data);
	assert_false(request.idempotency_key_repeated);
	assert_null(request.accept.data);
	assert_null(request.content_type.data);

	/* An empty key was sent: it is to be refused, not passed over. */
	parameters_to_request(empty, &request, &path);
	assert_non_null(request.idempotency_key.data);
	assert_int_equal(request.idempotency_key.length, 0);
	assert_true(same(request.accept, "application/x-ndjson"));
	buf_deinit(&path);
}

static void a_second_idempotency_key_is_known_as_such(void **state)
{
	static const struct {
		const char *parameters[PARAMETERS_MAX];
		bool repeated;
	} keys[] = {
		{ { "HTTP_IDEMPOTENCY_KEY=a" }, false },
		{ { "HTTP_IDEMPOTENCY_KEY=a", "HTTP_ACCEPT=b" }, false },
		{ { "HTTP_IDEMPOTENCY_KEY=a", "HTTP_IDEMPOTENCY_KEY=a" },
		  true },
		{ { "HTTP_IDEMPOTENCY_KEY=", "HTTP_ACCEPT=b",
		    "HTTP_IDEMPOTENCY_KEY=a" },
		  true },
		{ { "HTTP_ACCEPT=a", "HTTP_ACCEPT=b" }, false },
	};
	struct http_request request;
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	for (size_t i = 0; i < COUNT(keys); i++) {
		parameters_to_request((char *const *)keys[i].parameters,
				      &request, &path);
		if (request.idempotency_key_repeated != keys[i].repeated)
			fail_msg("row %zu", i);
	}
	buf_deinit(&path);
}

static void the_path_is_put_together_anew_each_time(void **state)
{
	char *first[] = { "SCRIPT_NAME=/a/long/path", "PATH_INFO=/more", NULL };
	char *second[] = { "SCRIPT_NAME=/b", NULL };
	struct http_request request;
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	parameters_to_request(first, &request, &path);
	assert_true(same(request.path, "/a/long/path/more"));
	parameters_to_request(second, &request, &path);
	assert_true(same(request.path, "/b"));
	buf_deinit(&path);
}

static void a_path_that_cgi_decoded_is_known_as_such(void **state)
{
	char *as_sent[] = { "REQUEST_URI=/a%41", "PATH_INFO=/aA", NULL };
	char *decoded[] = { "PATH_INFO=/a%41", NULL };
	struct http_request request;
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	parameters_to_request(as_sent, &request, &path);
	assert_false(request.path_decoded);
	parameters_to_request(decoded, &request, &path);
	assert_true(request.path_decoded);
	assert_false(request.path_lost);
	assert_true(same(request.path, "/a%41"));
	buf_deinit(&path);
}

/* Any failure will do: that of memory is of the same kind. */
static void a_path_that_found_no_room_is_known_as_such(void **state)
{
	char *parameters[] = { "SCRIPT_NAME=/api", "PATH_INFO=/message", NULL };
	struct http_request request;
	struct buf path;

	(void)state;
	buf_init(&path, 8);
	parameters_to_request(parameters, &request, &path);
	assert_true(request.path_lost);
	assert_int_equal(request.path.length, 0);
	buf_deinit(&path);
}

#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *comment;
	const char *parameter;
	bool kept;
} request_ids[] = {
	{ "none", "HTTP_HOST=localhost", false },
	{ "empty", "HTTP_X_REQUEST_ID=", false },
	{ "one character", "HTTP_X_REQUEST_ID=!", true },
	{ "punctuation", "HTTP_X_REQUEST_ID=~a=b,c;\"d\\", true },
	{ "128 characters", "HTTP_X_REQUEST_ID=" X32 X32 X32 X32, true },
	{ "129 characters", "HTTP_X_REQUEST_ID=" X32 X32 X32 X32 "x", false },
	{ "a blank", "HTTP_X_REQUEST_ID=a b", false },
	{ "a line's end", "HTTP_X_REQUEST_ID=a\r\nSet-Cookie: b", false },
	{ "not ASCII", "HTTP_X_REQUEST_ID=jos\xc3\xa9", false },
};

static void a_request_id_is_the_clients_or_a_new_one(void **state)
{
	char previous[HTTP_REQUEST_ID_MAX + 1] = "";
	struct buf path;

	(void)state;
	buf_init(&path, PATH_MAX_BYTES);
	for (size_t i = 0; i < COUNT(request_ids); i++) {
		const char *parameters[] = { request_ids[i].parameter, NULL };
		const char *sent = strchr(request_ids[i].parameter, '=') + 1;
		struct http_request request;
		bool good;

		parameters_to_request((char *const *)parameters, &request,
				      &path);
		if (request_ids[i].kept)
			good = strcmp(request.id, sent) == 0;
		else
			good = strlen(request.id) == 32 &&
			       strspn(request.id, "0123456789abcdef") == 32 &&
			       strcmp(request.id, previous) != 0;
		if (!good)
			fail_msg("%s: %s", request_ids[i].comment, request.id);
		memcpy(previous, request.id, sizeof(previous));
	}
	buf_deinit(&path);
}

static const struct {
	const char *parameter;
	bool nginx;
} servers[] = {
	{ "SERVER_SOFTWARE=nginx", true },
	{ "SERVER_SOFTWARE=nginx/1.22.1", true },
	{ "SERVER_SOFTWARE=Apache/2.4.62 (Debian)", false },
	{ "SERVER_SOFTWARE=", false },
	{ "SERVER_SOFTWARE=not nginx", false },
	{ "HTTP_SERVER_SOFTWARE=nginx", false },
	{ "HTTP_HOST=nginx", false },
};

static void nginx_is_known_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(servers); i++) {
		const char *parameters[] = { "REQUEST_METHOD=GET",
					     servers[i].parameter, NULL };

		if (parameters_from_nginx((char *const *)parameters) !=
		    servers[i].nginx)
			fail_msg("%s", servers[i].parameter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_web_server_is_understood),
		cmocka_unit_test(headers_that_were_not_sent_have_no_data),
		cmocka_unit_test(a_second_idempotency_key_is_known_as_such),
		cmocka_unit_test(the_path_is_put_together_anew_each_time),
		cmocka_unit_test(a_path_that_cgi_decoded_is_known_as_such),
		cmocka_unit_test(a_path_that_found_no_room_is_known_as_such),
		cmocka_unit_test(a_request_id_is_the_clients_or_a_new_one),
		cmocka_unit_test(nginx_is_known_by_its_name),
	};

	return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
