/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate/head.h"

static void assert_head(const struct http_response *response, const char *want)
{
	struct buf head;

	buf_init(&head, 4096);
	head_append(&head, response, "id-1");
	assert_int_equal(buf_error(&head), ERR_OK);
	assert_int_equal(head.length, strlen(want));
	assert_memory_equal(head.data, want, head.length);
	buf_deinit(&head);
}

static void writes_the_head_of_a_response(void **state)
{
	struct http_response response;

	(void)state;
	http_response_init(&response, 100);
	response.status = 201;
	response.content_type = "application/json";
	buf_append_text(&response.headers, "Location: /api/message?ID=1\r\n");
	buf_append_text(&response.body, "{}");
	assert_head(&response, "Status: 201 Created\r\n"
			       "Content-Type: application/json\r\n"
			       "Location: /api/message?ID=1\r\n"
			       "X-Request-ID: id-1\r\n"
			       "X-Content-Type-Options: nosniff\r\n"
			       "Cache-Control: no-store\r\n"
			       "Content-Length: 2\r\n"
			       "\r\n");
	http_response_deinit(&response);
}

static void gives_an_empty_body_its_length(void **state)
{
	struct http_response response;

	(void)state;
	http_response_init(&response, 100);
	response.content_type = "text/plain; charset=utf-8";
	assert_head(&response, "Status: 200 OK\r\n"
			       "Content-Type: text/plain; charset=utf-8\r\n"
			       "X-Request-ID: id-1\r\n"
			       "X-Content-Type-Options: nosniff\r\n"
			       "Cache-Control: no-store\r\n"
			       "Content-Length: 0\r\n"
			       "\r\n");
	http_response_deinit(&response);
}

static void gives_no_length_to_what_is_streamed(void **state)
{
	struct http_response response;

	(void)state;
	http_response_init(&response, 100);
	response.content_type = "application/x-ndjson";
	response.streamed = true;
	buf_append_text(&response.body, "{}\n");
	assert_head(&response, "Status: 200 OK\r\n"
			       "Content-Type: application/x-ndjson\r\n"
			       "X-Request-ID: id-1\r\n"
			       "X-Content-Type-Options: nosniff\r\n"
			       "Cache-Control: no-store\r\n"
			       "\r\n");
	http_response_deinit(&response);
}

static void gives_neither_type_nor_length_to_no_body(void **state)
{
	struct http_response response;

	(void)state;
	http_response_init(&response, 100);
	response.status = 204;
	buf_append_text(&response.headers, "Allow: GET, HEAD\r\n");
	assert_head(&response, "Status: 204 No Content\r\n"
			       "Allow: GET, HEAD\r\n"
			       "X-Request-ID: id-1\r\n"
			       "X-Content-Type-Options: nosniff\r\n"
			       "Cache-Control: no-store\r\n"
			       "\r\n");
	http_response_deinit(&response);
}

static void writes_no_head_whose_lines_may_be_cut(void **state)
{
	struct http_response response;
	struct buf head;

	(void)state;
	http_response_init(&response, 100);
	buf_append_text(&response.headers, "Link: <");
	assert_null(buf_reserve(&response.headers, HTTP_EXTRA_HEADERS_BYTES));
	buf_init(&head, 4096);
	head_append(&head, &response, "id-1");
	assert_int_equal(buf_error(&head), ERR_FULL);
	assert_int_equal(head.length, 0);
	buf_deinit(&head);
	http_response_deinit(&response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_head_of_a_response),
		cmocka_unit_test(gives_an_empty_body_its_length),
		cmocka_unit_test(gives_no_length_to_what_is_streamed),
		cmocka_unit_test(gives_neither_type_nor_length_to_no_body),
		cmocka_unit_test(writes_no_head_whose_lines_may_be_cut),
	};

	return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
