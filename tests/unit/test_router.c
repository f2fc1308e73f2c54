/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "exchange_helper.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int set_up(void **state)
{
	*state = bench_new();
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	bench_free(&bench);
	return 0;
}

static const struct {
	const char *comment;
	const char *method, *target;
	int status;
	const char *allow; /* NULL: no such header */
	const char *body;  /* what is in it */
} rows[] = {
	{ "a plain path", "GET", "/api/test", 200, NULL, "ALIVE host-1\n" },
	{ "with a query", "GET", "/api/test?a=b", 200, NULL, "ALIVE" },
	{ "HEAD is served as GET is", "HEAD", "/api/test", 200, NULL, "ALIVE" },
	{ "an escaped letter", "GET", "/api/%74est", 200, NULL, "ALIVE" },
	{ "an escaped slash separates nothing", "GET", "/api%2ftest", 404, NULL,
	  "\"not_found\"" },
	{ "an escaped slash in capitals", "GET", "/api%2Fmessage", 404, NULL,
	  "There is nothing at \\\"/api%2Fmessage\\\"" },
	{ "an escaped slash, whatever the method", "OPTIONS", "/api%2Fmessage",
	  404, NULL, "\"not_found\"" },
	{ "all letters escaped", "GET", "/%61%70%69/%74%65%73%74", 200, NULL,
	  "ALIVE" },
	{ "escaped twice is another path", "GET", "/api/%2574est", 404, NULL,
	  "\"not_found\"" },
	{ "another path", "GET", "/", 404, NULL, "\"not_found\"" },
	{ "the path is named", "GET", "/a/b", 404, NULL,
	  "There is nothing at \\\"/a/b\\\"; there is /api/test, "
	  "/api/health, /api/message." },
	{ "an empty path", "GET", "", 404, NULL, "\"not_found\"" },
	{ "a query alone", "GET", "?a", 404, NULL, "\"not_found\"" },
	{ "a slash at the end", "GET", "/api/test/", 404, NULL,
	  "\"not_found\"" },
	{ "two slashes", "GET", "/api//test", 404, NULL, "\"not_found\"" },
	{ "other capitals", "GET", "/API/test", 404, NULL, "\"not_found\"" },
	{ "only the beginning", "GET", "/api/tes", 404, NULL, "\"not_found\"" },
	{ "OPTIONS of everything", "OPTIONS", "*", 404, NULL, "\"not_found\"" },
	{ "another path, whatever the method", "BREW", "/pot", 404, NULL,
	  "\"not_found\"" },
	{ "OPTIONS", "OPTIONS", "/api/test", 204, "GET, HEAD, OPTIONS", "" },
	{ "OPTIONS of what takes POST", "OPTIONS", "/api/message", 204,
	  "GET, HEAD, POST, OPTIONS", "" },
	{ "OPTIONS of an escaped path", "OPTIONS", "/api/%6Dessage", 204,
	  "GET, HEAD, POST, OPTIONS", "" },
	{ "POST where there is none", "POST", "/api/test", 405,
	  "GET, HEAD, OPTIONS", "\"method_not_allowed\"" },
	{ "DELETE", "DELETE", "/api/message", 405, "GET, HEAD, POST, OPTIONS",
	  "The method \\\"DELETE\\\" is not served at /api/message" },
	{ "PUT", "PUT", "/api/health", 405, "GET, HEAD, OPTIONS",
	  "\"method_not_allowed\"" },
	{ "a method in small letters is another", "get", "/api/test", 405,
	  "GET, HEAD, OPTIONS", "\"method_not_allowed\"" },
	{ "no method", "", "/api/test", 405, "GET, HEAD, OPTIONS",
	  "\"method_not_allowed\"" },
	{ "a percent without digits", "GET", "/api/test%", 400, NULL,
	  "\"invalid_path\"" },
	{ "a percent with one digit", "GET", "/api/test%7", 400, NULL,
	  "\"invalid_path\"" },
	{ "a percent with other letters", "GET", "/api/%zzest", 400, NULL,
	  "\"invalid_path\"" },
	{ "an escaped NUL", "GET", "/api/test%00", 400, NULL,
	  "\"invalid_path\"" },
	{ "a broken path comes before the method", "BREW", "/%", 400, NULL,
	  "\"invalid_path\"" },
	{ "an escaped path that is not UTF-8", "GET", "/%ff%fe", 404, NULL,
	  "\"not_found\"" },
};

static void assert_header(const struct answer *answer, const char *name,
			  const char *want, const char *comment)
{
	struct span value = answer_header(answer, name);

	if (want == NULL ? value.data != NULL
			 : !span_equal(value, span_of(want)))
		fail_msg("%s: %s: %.*s", comment, name, (int)value.length,
			 value.data != NULL ? value.data : "");
}

static void paths_and_methods_lead_to_their_answers(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .method = rows[i].method,
					   .target = rows[i].target },
			    &answer);
		if (answer.status != rows[i].status ||
		    strstr(answer_text(&answer), rows[i].body) == NULL)
			fail_msg("%s: %d %s", rows[i].comment, answer.status,
				 answer_text(&answer));
		assert_header(&answer, "Allow", rows[i].allow, rows[i].comment);
		if (rows[i].status >= 400)
			assert_header(&answer, "Content-Type",
				      "application/problem+json",
				      rows[i].comment);
		if (rows[i].status == 204) {
			assert_int_equal(answer.body.length, 0);
			assert_header(&answer, "Content-Type", NULL,
				      rows[i].comment);
			assert_header(&answer, "Content-Length", NULL,
				      rows[i].comment);
		}
		assert_header(&answer, "X-Request-ID", "request-1",
			      rows[i].comment);
		assert_header(&answer, "X-Content-Type-Options", "nosniff",
			      rows[i].comment);
		assert_header(&answer, "Cache-Control", "no-store",
			      rows[i].comment);
		answer_deinit(&answer);
	}
}

static const struct {
	const char *comment;
	const char *method, *target;
	bool body_too_large, headers_too_large;
	int status;
	const char *code;
} large[] = {
	{ "a body beyond the limit", "POST", "/api/message", true, false, 413,
	  "\"body_too_large\"" },
	{ "a body that nobody asked for", "GET", "/api/test", true, false, 413,
	  "\"body_too_large\"" },
	{ "the limit is named", "POST", "/api/message", true, false, 413,
	  "131072 bytes" },
	{ "another path with such a body", "POST", "/", true, false, 404,
	  "\"not_found\"" },
	{ "another method with such a body", "PUT", "/api/message", true, false,
	  405, "\"method_not_allowed\"" },
	{ "OPTIONS with such a body", "OPTIONS", "/api/message", true, false,
	  204, "" },
	{ "headers beyond their limit", "", "", false, true, 431,
	  "\"headers_too_large\"" },
	{ "headers and body", "", "", true, true, 431,
	  "\"headers_too_large\"" },
};

static void what_came_in_too_large_is_refused(void **state)
{
	for (size_t i = 0; i < COUNT(large); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .method = large[i].method,
					   .target = large[i].target,
					   .body_too_large =
						   large[i].body_too_large,
					   .headers_too_large =
						   large[i].headers_too_large },
			    &answer);
		if (answer.status != large[i].status ||
		    strstr(answer_text(&answer), large[i].code) == NULL)
			fail_msg("%s: %d %s", large[i].comment, answer.status,
				 answer_text(&answer));
		answer_deinit(&answer);
	}
}

static const struct {
	const char *comment;
	const char *target;
	bool path_decoded, path_lost;
	int status;
	const char *body;
} kept[] = {
	{ "a path that the web server has decoded", "/api/test", true, false,
	  200, "ALIVE" },
	{ "a path is decoded only once", "/api/%74est", true, false, 404,
	  "\"not_found\"" },
	{ "a percent sign that was escaped", "/api/%", true, false, 404,
	  "\"not_found\"" },
	{ "no memory for the path", "", true, true, 503, "\"overloaded\"" },
};

static void a_path_is_taken_as_the_gate_has_it(void **state)
{
	for (size_t i = 0; i < COUNT(kept); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = kept[i].target,
					   .path_decoded = kept[i].path_decoded,
					   .path_lost = kept[i].path_lost },
			    &answer);
		if (answer.status != kept[i].status ||
		    strstr(answer_text(&answer), kept[i].body) == NULL)
			fail_msg("%s: %d %s", kept[i].comment, answer.status,
				 answer_text(&answer));
		answer_deinit(&answer);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(paths_and_methods_lead_to_their_answers),
		TEST(what_came_in_too_large_is_refused),
		TEST(a_path_is_taken_as_the_gate_has_it),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
