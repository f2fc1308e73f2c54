/* SPDX-License-Identifier: MIT */
/* Linked with -Wl,--wrap=realloc: the nth allocation fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/form.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int allocations_left = -1; /* below 0: as many as wanted */

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_realloc(void *memory, size_t size)
{
	if (allocations_left == 0)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	return __real_realloc(memory, size);
}

/* All fields as "[name|value]", in order. */
static void write_down(struct buf *out, const struct form *form)
{
	size_t i;

	for (i = 0; i < form->count; i++) {
		buf_append_char(out, '[');
		buf_append_span(out, form->fields[i].name);
		buf_append_char(out, '|');
		buf_append_span(out, form->fields[i].value);
		buf_append_char(out, ']');
	}
}

static const struct {
	const char *comment;
	struct span text;
	struct span fields;
} urlencoded[] = {
	{ "no text at all", { NULL, 0 }, TEXT("") },
	{ "an empty text", TEXT(""), TEXT("") },
	{ "one field", TEXT("a=b"), TEXT("[a|b]") },
	{ "two fields, in order", TEXT("b=1&a=2"), TEXT("[b|1][a|2]") },
	{ "a field twice", TEXT("a=1&a=2"), TEXT("[a|1][a|2]") },
	{ "a name alone", TEXT("a"), TEXT("[a|]") },
	{ "an empty value", TEXT("a="), TEXT("[a|]") },
	{ "an empty name", TEXT("=b"), TEXT("[|b]") },
	{ "an equals sign alone", TEXT("="), TEXT("[|]") },
	{ "an equals sign in a value", TEXT("a=b=c"), TEXT("[a|b=c]") },
	{ "empty pieces", TEXT("&a=1&&b=2&"), TEXT("[a|1][b|2]") },
	{ "only empty pieces", TEXT("&&"), TEXT("") },
	{ "a plus is a space", TEXT("a+b=+c+"), TEXT("[a b| c ]") },
	{ "an escaped plus is none", TEXT("a=%2B%2b"), TEXT("[a|++]") },
	{ "escapes in both cases", TEXT("%61=%c3%A9%4a"),
	  TEXT("[a|\xc3\xa9J]") },
	{ "escaped separators", TEXT("a%3d%26=%3D%26"), TEXT("[a=&|=&]") },
	{ "decoded once alone", TEXT("a=%2541"), TEXT("[a|%41]") },
	{ "NUL and bytes that are not UTF-8", TEXT("a=%00%ff\xfe"),
	  TEXT("[a|\0\xff\xfe]") },
	{ "a semicolon separates nothing", TEXT("a=1;b=2"), TEXT("[a|1;b=2]") },
	{ "raw bytes stay", TEXT("a=jos\xc3\xa9 \r\n"),
	  TEXT("[a|jos\xc3\xa9 \r\n]") },
};

static void urlencoded_fields_are_decoded(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(urlencoded); i++) {
		struct problem problem;
		struct form form;
		struct buf out;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		buf_init(&out, 4096);
		err = form_parse_urlencoded(&form, urlencoded[i].text,
					    &problem);
		write_down(&out, &form);
		if (err != ERR_OK || problem.err != ERR_OK ||
		    !span_equal(buf_span(&out), urlencoded[i].fields))
			fail_msg("%s: %.*s %s", urlencoded[i].comment,
				 (int)out.length, buf_span(&out).data,
				 problem.detail);
		buf_deinit(&out);
		form_deinit(&form);
	}
}

static const struct {
	const char *comment;
	struct span text;
	const char *field;
	const char *detail;
} broken[] = {
	{ "a percent sign at the end", TEXT("a=100%"), "a",
	  "Found '%' at byte offset 5 of the field" },
	{ "one digit at the end", TEXT("a=%4"), "a", "Found '%4' at" },
	{ "letters", TEXT("x=1&ab=1%zz&c=%41"), "ab",
	  "Found '%zz' at byte offset 4 of the field, expected two "
	  "hexadecimal digits after '%' (a percent sign itself is '%25')" },
	{ "one digit and a letter", TEXT("a=%4g5"), "a", "Found '%4g' at" },
	{ "two percent signs", TEXT("a=%%41"), "a", "Found '%%4' at" },
	{ "the next field is not touched", TEXT("a=%4&1=b"), "a",
	  "Found '%4' at" },
	{ "a sign for a digit", TEXT("a=%+1"), "a", "Found '%+1' at" },
	{ "\\x for a digit", TEXT("a=%0x41"), "a", "Found '%0x' at" },
	{ "in the name", TEXT("a%=1"), "a%", "Found '%' at byte offset 1" },
	{ "the name is told decoded", TEXT("%61+b=%"), "a b", "Found '%' at" },
	{ "control characters", TEXT("a\n=%\n\xff"), "a?",
	  "Found '%?\xef\xbf\xbd' at" },
};

static void a_broken_percent_is_refused_by_field(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(broken); i++) {
		const struct problem_fault *fault;
		struct problem problem;
		struct form form;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		err = form_parse_urlencoded(&form, broken[i].text, &problem);
		fault = &problem.faults[0];
		if (err != ERR_INVALID_FORM || problem.err != err ||
		    problem.fault_count != 1)
			fail_msg("%s: error %d, %zu faults", broken[i].comment,
				 err, problem.fault_count);
		if (strcmp(fault->code, "invalid_percent") != 0 ||
		    strcmp(fault->field, broken[i].field) != 0 ||
		    strstr(fault->detail, broken[i].detail) == NULL)
			fail_msg("%s: %s %s", broken[i].comment, fault->field,
				 fault->detail);
		form_deinit(&form);
	}
}

/* A percent sign near the end: what lies behind the text is not looked at. */
static void nothing_behind_the_text_is_read(void **state)
{
	static const char text[] = "a=%41";
	struct problem problem;
	struct form form;
	size_t length;

	(void)state;
	form_init(&form);
	for (length = 3; length < sizeof(text); length++) {
		bool whole = length == sizeof(text) - 1;

		problem_init(&problem);
		assert_int_equal(
			form_parse_urlencoded(
				&form, (struct span){ text, length }, &problem),
			whole ? ERR_OK : ERR_INVALID_FORM);
	}
	form_deinit(&form);
}

static void every_broken_field_is_listed(void **state)
{
	struct problem problem;
	struct form form;

	(void)state;
	problem_init(&problem);
	form_init(&form);
	assert_int_equal(
		form_parse_urlencoded(&form, SPAN("a=%&b=1&c=%g0"), &problem),
		ERR_INVALID_FORM);
	assert_int_equal(problem.fault_count, 2);
	assert_string_equal(problem.faults[0].field, "a");
	assert_string_equal(problem.faults[1].field, "c");
	form_deinit(&form);
}

static void fields_are_counted(void **state)
{
	struct problem problem;
	struct form form;
	struct buf text;
	int i;

	(void)state;
	problem_init(&problem);
	form_init(&form);
	buf_init(&text, 4096);
	for (i = 0; i < FORM_FIELDS_MAX; i++)
		buf_append_text(&text, "&a=1");
	assert_int_equal(
		form_parse_urlencoded(&form, buf_span(&text), &problem),
		ERR_OK);
	assert_int_equal(form.count, FORM_FIELDS_MAX);
	buf_append_text(&text, "&a");
	assert_int_equal(
		form_parse_urlencoded(&form, buf_span(&text), &problem),
		ERR_INVALID_FORM);
	assert_non_null(strstr(problem.detail, "more than 256 fields"));
	buf_deinit(&text);
	form_deinit(&form);
}

static void a_form_may_be_used_again(void **state)
{
	struct problem problem;
	struct form form;
	struct buf out;

	(void)state;
	problem_init(&problem);
	form_init(&form);
	buf_init(&out, 4096);
	assert_int_equal(form_parse_urlencoded(&form, SPAN("a=1"), &problem),
			 ERR_OK);
	assert_int_equal(
		form_parse_urlencoded(&form, SPAN("b=longer+one"), &problem),
		ERR_OK);
	write_down(&out, &form);
	assert_true(span_equal(buf_span(&out), SPAN("[b|longer one]")));
	buf_deinit(&out);
	form_deinit(&form);
}

static void no_memory_is_reported(void **state)
{
	static const struct span text = TEXT("1&2&3&4&5&6&7&8&9&10&11&12");
	struct problem problem;
	struct form form;
	enum err err = ERR_OUT_OF_MEMORY;
	int failed;

	(void)state;
	for (failed = 0; err == ERR_OUT_OF_MEMORY; failed++) {
		problem_init(&problem);
		form_init(&form);
		allocations_left = failed;
		err = form_parse_urlencoded(&form, text, &problem);
		allocations_left = -1;
		form_deinit(&form);
	}
	/* The text, the fields, and more fields; then it went well. */
	assert_int_equal(failed, 4);
	assert_int_equal(err, ERR_OK);
}

static const struct {
	struct span text;
	const char *escaped;
} escapes[] = {
	{ { NULL, 0 }, "" },
	{ TEXT("azAZ09-._~"), "azAZ09-._~" },
	{ TEXT("a b+c&d=e%"), "a+b%2Bc%26d%3De%25" },
	{ TEXT("\0\x7f\xc3\xa9#"), "%00%7F%C3%A9%23" },
	{ TEXT("/?:@!$'()*,;"), "/?:@!$'()*,;" },
	{ TEXT("<>\"[]{}|\\^`"), "%3C%3E%22%5B%5D%7B%7D%7C%5C%5E%60" },
	{ TEXT("\r\n\t"), "%0D%0A%09" },
};

static void what_a_query_may_not_hold_is_escaped(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(escapes); i++) {
		struct buf out;

		buf_init(&out, 4096);
		form_append_escaped(&out, escapes[i].text);
		assert_true(span_equal(buf_span(&out),
				       span_of(escapes[i].escaped)));
		buf_deinit(&out);
	}
}

static void each_byte_comes_back_from_its_escape(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		const char c = (char)byte;
		struct problem problem;
		struct form form;
		struct buf out;

		problem_init(&problem);
		form_init(&form);
		buf_init(&out, 4096);
		buf_append_text(&out, "a=");
		form_append_escaped(&out, (struct span){ &c, 1 });
		assert_int_equal(
			form_parse_urlencoded(&form, buf_span(&out), &problem),
			ERR_OK);
		if (form.count != 1 ||
		    !span_equal(form.fields[0].value, (struct span){ &c, 1 }))
			fail_msg("byte %u: %.*s", byte, (int)out.length,
				 out.data);
		buf_deinit(&out);
		form_deinit(&form);
	}
}

static const struct {
	const char *comment;
	struct span path;
	const char *detail; /* part of it; NULL where the path is good */
} paths[] = {
	{ "nothing to decode", TEXT("/api/message"), NULL },
	{ "an empty path", TEXT(""), NULL },
	{ "escapes", TEXT("/%61pi/m%C3%a9"), NULL },
	{ "an escaped percent sign", TEXT("/%2561"), NULL },
	{ "a broken escape", TEXT("/a%g1"),
	  "Found '%g1' at byte offset 2 of the path" },
	{ "an escape cut short", TEXT("/%4"), "Found '%4'" },
	{ "a percent sign at the end", TEXT("/api%"),
	  "Found '%' at byte offset 4 of the path" },
	{ "NUL", TEXT("/api%00"), "Found '%00' at byte offset 4 of the path" },
	{ "a bare NUL", TEXT("/a\0b"), "Found '?b' at byte offset 2" },
	{ "a fault behind good escapes", TEXT("/%61%62%zz"),
	  "Found '%zz' at byte offset 7 of the path" },
};

static void broken_escapes_in_a_path_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct problem problem;
		enum err err;

		problem_init(&problem);
		err = form_check_path(paths[i].path, &problem);
		if (err != problem.err ||
		    err != (paths[i].detail == NULL ? ERR_OK
						    : ERR_INVALID_PATH) ||
		    (paths[i].detail != NULL &&
		     strstr(problem.detail, paths[i].detail) == NULL))
			fail_msg("%s: %s", paths[i].comment, problem.detail);
	}
}

static const struct {
	const char *comment;
	struct span sent;
	bool want; /* whether it is /api/t+st */
} equals[] = {
	{ "as it is", TEXT("/api/t+st"), true },
	{ "an escaped letter", TEXT("/%61pi/t+st"), true },
	{ "an escaped plus, in either case", TEXT("/api/t%2Bs%74"), true },
	{ "the plus in small letters", TEXT("/api/t%2bst"), true },
	{ "a blank is no plus", TEXT("/api/t%20st"), false },
	{ "an escaped slash is no separator", TEXT("/api%2Ft+st"), false },
	{ "the same in small letters", TEXT("%2fapi/t+st"), false },
	{ "decoded once alone", TEXT("/%2561pi/t+st"), false },
	{ "shorter", TEXT("/api/t+s"), false },
	{ "longer", TEXT("/api/t+stt"), false },
	{ "longer by an escape", TEXT("/api/t+st%74"), false },
	{ "another letter", TEXT("/api/t+sT"), false },
	{ "empty", TEXT(""), false },
};

static void paths_are_compared_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(equals); i++) {
		if (form_path_equal(equals[i].sent, SPAN("/api/t+st")) !=
		    equals[i].want)
			fail_msg("%s", equals[i].comment);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urlencoded_fields_are_decoded),
		cmocka_unit_test(a_broken_percent_is_refused_by_field),
		cmocka_unit_test(nothing_behind_the_text_is_read),
		cmocka_unit_test(every_broken_field_is_listed),
		cmocka_unit_test(fields_are_counted),
		cmocka_unit_test(a_form_may_be_used_again),
		cmocka_unit_test(no_memory_is_reported),
		cmocka_unit_test(what_a_query_may_not_hold_is_escaped),
		cmocka_unit_test(each_byte_comes_back_from_its_escape),
		cmocka_unit_test(broken_escapes_in_a_path_are_refused),
		cmocka_unit_test(paths_are_compared_decoded),
	};

	return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
