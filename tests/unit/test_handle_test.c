/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange_helper.h"

static void it_is_alive_by_name_and_asks_no_database(void **state)
{
	struct bench *bench = bench_new();
	struct answer answer;

	(void)state;
	/* The probe asks once by itself at its start. */
	assert_true(store_fake_await_calls(bench->fake, STORE_FAKE_PING, 1));
	for (int i = 0; i < 3; i++) {
		bench_serve(bench,
			    &(struct ask){ .target = "/api/test",
					   .without_store = true },
			    &answer);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer_text(&answer), "ALIVE host-1\n");
		assert_true(span_equal(answer_header(&answer, "Content-Type"),
				       SPAN("text/plain; charset=utf-8")));
		assert_true(span_equal(answer_header(&answer, "Content-Length"),
				       SPAN("13")));
		answer_deinit(&answer);
	}
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_PING), 1);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_READ), 0);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_FIND), 0);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_APPEND), 0);
	bench_free(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_alive_by_name_and_asks_no_database),
	};

	return cmocka_run_group_tests_name("handle_test", tests, NULL, NULL);
}
