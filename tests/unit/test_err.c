/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/err.h"

static void names_status_code_and_title(void **state)
{
	static const struct {
		enum err err;
		int http_status;
		const char *code;
		const char *title;
	} rows[] = {
		/* no error at all */
		{ ERR_OK, 200, "ok", "OK" },
		/* the first of the list */
		{ ERR_INVALID_PATH, 400, "invalid_path", "Invalid path" },
		/* one whose code is not its name */
		{ ERR_KEY_REUSED, 422, "idempotency_key_reused",
		  "Idempotency key reused" },
		/* two that a client cannot tell apart */
		{ ERR_INTERNAL, 500, "internal", "Internal error" },
		{ ERR_FULL, 500, "internal", "Internal error" },
		/* and two more: both are over if one tries again */
		{ ERR_OUT_OF_MEMORY, 503, "overloaded", "Overloaded" },
		{ ERR_OVERLOADED, 503, "overloaded", "Overloaded" },
		/* the last of the list */
		{ ERR_WRITE_UNCERTAIN, 503, "write_uncertain",
		  "Write uncertain" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(err_http_status(rows[i].err),
				 rows[i].http_status);
		assert_string_equal(err_code(rows[i].err), rows[i].code);
		assert_string_equal(err_title(rows[i].err), rows[i].title);
	}
}

/* What the API promises of every error, those to come included. */
static void describes_every_error(void **state)
{
	int err;

	(void)state;
	for (err = ERR_OK + 1; err < ERR__MAX; err++) {
		const char *code = err_code((enum err)err);

		assert_in_range(err_http_status((enum err)err), 400, 599);
		assert_true(strlen(code) > 0);
		assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(code));
		assert_true(strlen(err_title((enum err)err)) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_status_code_and_title),
		cmocka_unit_test(describes_every_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
