/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http/form.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* All bodies here have the boundary XX. */
#define OPEN "--XX\r\n"
#define NEXT "\r\n--XX\r\n"
#define CLOSE "\r\n--XX--\r\n"
#define NAME(name) "Content-Disposition: form-data; name=" name "\r\n"

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
	struct span body;
	struct span fields;
} accepted[] = {
	{ "one part",
	  TEXT(OPEN NAME("\"a\"") "\r\n"
				  "1" CLOSE),
	  TEXT("[a|1]") },
	{ "two parts, in order",
	  TEXT(OPEN NAME("\"b\"") "\r\n1" NEXT NAME("\"a\"") "\r\n2" CLOSE),
	  TEXT("[b|1][a|2]") },
	{ "a field twice",
	  TEXT(OPEN NAME("\"a\"") "\r\n1" NEXT NAME("\"a\"") "\r\n2" CLOSE),
	  TEXT("[a|1][a|2]") },
	{ "a name that is a token", TEXT(OPEN NAME("From") "\r\n1" CLOSE),
	  TEXT("[From|1]") },
	{ "an empty name", TEXT(OPEN NAME("\"\"") "\r\n1" CLOSE),
	  TEXT("[|1]") },
	{ "a name in UTF-8", TEXT(OPEN NAME("\"\xc3\xa9\"") "\r\n1" CLOSE),
	  TEXT("[\xc3\xa9|1]") },
	{ "a semicolon in a name", TEXT(OPEN NAME("\"a;b\"") "\r\n1" CLOSE),
	  TEXT("[a;b|1]") },
	{ "an empty value", TEXT(OPEN NAME("\"a\"") "\r\n" CLOSE),
	  TEXT("[a|]") },
	{ "headers and no value", TEXT(OPEN NAME("\"a\"") CLOSE),
	  TEXT("[a|]") },
	{ "line ends of all kinds in a value",
	  TEXT(OPEN NAME("\"a\"") "\r\n\r\n1\r2\n3\r\n\r\n" CLOSE),
	  TEXT("[a|\r\n1\r2\n3\r\n\r\n]") },
	{ "NUL and bytes that are not UTF-8",
	  TEXT(OPEN NAME("\"a\"") "\r\n\0\xff\xfe\0" CLOSE),
	  TEXT("[a|\0\xff\xfe\0]") },
	{ "percent signs and pluses stay",
	  TEXT(OPEN NAME("\"a%20b\"") "\r\n%41+" CLOSE), TEXT("[a%20b|%41+]") },
	{ "a file name changes nothing",
	  TEXT(OPEN NAME(
		  "\"a\"; filename=\"b.txt\"") "Content-Type: "
					       "text/plain\r\n\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "a file name first",
	  TEXT(OPEN "Content-Disposition: form-data; filename=\"name=x\"; "
		    "name=\"a\"\r\n\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "header names and the like in any case, no blanks",
	  TEXT(OPEN "CONTENT-disposition:FORM-data;NAME=\"a\"\r\n"
		    "content-TYPE:text/plain;CHARSET=Utf-8\r\n"
		    "content-transfer-ENCODING:8BIT\r\n\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "other headers are passed over",
	  TEXT(OPEN "X-Other: 1\r\n" NAME("\"a\"") "Content-Length: 5\r\n"
						   "\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "a charset in quotes",
	  TEXT(OPEN NAME("a") "Content-Type: text/plain; charset=\"UTF-8\""
			      "\r\n\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "binary",
	  TEXT(OPEN NAME("a") "Content-Transfer-Encoding: binary \r\n"
			      "\r\n1" CLOSE),
	  TEXT("[a|1]") },
	/* Where the boundary stands */
	{ "no CRLF behind the closing boundary",
	  TEXT(OPEN NAME("a") "\r\n1\r\n--XX--"), TEXT("[a|1]") },
	{ "text before and behind",
	  TEXT("one --XX\r\ntwo" NEXT NAME("a") "\r\n1" CLOSE
						"end\r\n--XX\r\n"),
	  TEXT("[a|1]") },
	{ "an empty line before", TEXT(NEXT NAME("a") "\r\n1" CLOSE),
	  TEXT("[a|1]") },
	{ "blanks behind the boundary",
	  TEXT("--XX \t\r\n" NAME("a") "\r\n1\r\n--XX  \r\n" NAME(
		  "b") "\r\n2\r\n--XX-- \t\r\n"),
	  TEXT("[a|1][b|2]") },
	{ "no part at all, as browsers send it", TEXT("--XX--\r\n"), TEXT("") },
	{ "the boundary inside a line",
	  TEXT(OPEN NAME("a") "\r\n1--XX\r\n2 --XX--\r\n" CLOSE),
	  TEXT("[a|1--XX\r\n2 --XX--\r\n]") },
	{ "a boundary behind a bare LF or CR",
	  TEXT(OPEN NAME("a") "\r\n1\n--XX\r\n2\r--XX\r\n" CLOSE),
	  TEXT("[a|1\n--XX\r\n2\r--XX\r\n]") },
	{ "a boundary that goes on",
	  TEXT(OPEN NAME(
		  "a") "\r\n1\r\n--XXX\r\n--XX-\r\n--XX--x\r\n--XX x" CLOSE),
	  TEXT("[a|1\r\n--XXX\r\n--XX-\r\n--XX--x\r\n--XX x]") },
	{ "a boundary with a bare LF behind it",
	  TEXT(OPEN NAME("a") "\r\n1\r\n--XX\n2" CLOSE),
	  TEXT("[a|1\r\n--XX\n2]") },
	{ "half boundaries",
	  TEXT(OPEN NAME("a") "\r\n\r\n--X\r\n--\r\n-" CLOSE),
	  TEXT("[a|\r\n--X\r\n--\r\n-]") },
	{ "a boundary in a header is none",
	  TEXT(OPEN "X: --XX\r\n" NAME("a") "\r\n1" CLOSE), TEXT("[a|1]") },
};

static void parts_are_decoded(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(accepted); i++) {
		struct problem problem;
		struct form form;
		struct buf out;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		buf_init(&out, 4096);
		err = form_parse_multipart(&form, accepted[i].body, SPAN("XX"),
					   &problem);
		write_down(&out, &form);
		if (err != ERR_OK || problem.err != ERR_OK ||
		    !span_equal(buf_span(&out), accepted[i].fields))
			fail_msg("%s: %.*s %s", accepted[i].comment,
				 (int)out.length, buf_span(&out).data,
				 problem.detail);
		buf_deinit(&out);
		form_deinit(&form);
	}
}

static const struct {
	const char *comment;
	struct span body;
	const char *detail;
} refused[] = {
	{ "nothing", TEXT(""), "The body is empty" },
	{ "no boundary", TEXT("a=1"),
	  "no opening boundary, expected a line "
	  "'--XX' with CRLF" },
	{ "another boundary", TEXT("--XY\r\n\r\n--XY--\r\n"), "no opening" },
	{ "bare LF as line end",
	  TEXT("--XX\nContent-Disposition: form-data; name=a\n\n1\n--XX--\n"),
	  "no opening boundary" },
	{ "only the opening boundary", TEXT(OPEN),
	  "no closing boundary, "
	  "expected a line '--XX--'" },
	{ "a part without its end", TEXT(OPEN NAME("a") "\r\n1"),
	  "no closing" },
	{ "a boundary for the closing one", TEXT(OPEN NAME("a") "\r\n1" NEXT),
	  "no closing" },
	{ "a closing boundary with one dash",
	  TEXT(OPEN NAME("a") "\r\n1\r\n--XX-\r\n"), "no closing" },
	{ "a part without anything", TEXT(OPEN "--XX--\r\n"),
	  "Part 1 of the form: found '', expected a Content-Disposition" },
	{ "a part without headers", TEXT(OPEN "\r\n1" CLOSE),
	  "Part 1 of the form: found '', expected a Content-Disposition" },
	{ "the second part without a disposition",
	  TEXT(OPEN NAME("a") "\r\n1" NEXT "X: y\r\n\r\n1" CLOSE),
	  "Part 2 of the form: found '', expected a Content-Disposition" },
	{ "another disposition",
	  TEXT(OPEN "Content-Disposition: attachment; name=a\r\n\r\n1" CLOSE),
	  "found ' attachment; name=a', expected a Content-Disposition" },
	{ "no name",
	  TEXT(OPEN
	       "Content-Disposition: form-data; filename=a\r\n\r\n1" CLOSE),
	  "found ' form-data; filename=a', expected a Content-Disposition" },
	{ "two dispositions", TEXT(OPEN NAME("a") NAME("b") "\r\n1" CLOSE),
	  "expected this header only once" },
	{ "two content types",
	  TEXT(OPEN NAME(
		  "a") "Content-Type: a/b\r\nContent-Type:\r\n\r\n1" CLOSE),
	  "found 'Content-Type:', expected this header only once" },
	{ "no empty line behind the headers", TEXT(OPEN "X: y" CLOSE),
	  "found 'X: y', expected an empty line after the headers" },
	{ "a header without a colon", TEXT(OPEN NAME("a") "X\r\n\r\n1" CLOSE),
	  "found 'X', expected a header 'Name: value'" },
	{ "a header without a name", TEXT(OPEN ": a\r\n\r\n1" CLOSE),
	  "found ': a', expected a header" },
	{ "a blank before the colon",
	  TEXT(OPEN "Content-Disposition : form-data; name=a\r\n\r\n1" CLOSE),
	  "expected a header" },
	{ "a header on two lines",
	  TEXT(OPEN
	       "Content-Disposition: form-data;\r\n name=a\r\n\r\n1" CLOSE),
	  "found ' name=a', expected a header 'Name: value' on one line" },
	{ "a bare LF in a header",
	  TEXT(OPEN "Content-Disposition: form-data; name=a\n\r\n\r\n1" CLOSE),
	  "expected a header" },
	{ "NUL in a header", TEXT(OPEN NAME("\"a\0b\"") "\r\n1" CLOSE),
	  "expected a header" },
};

static void a_malformed_body_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++) {
		struct problem problem;
		struct form form;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		err = form_parse_multipart(&form, refused[i].body, SPAN("XX"),
					   &problem);
		if (err != ERR_INVALID_FORM || problem.err != err ||
		    strstr(problem.detail, refused[i].detail) == NULL)
			fail_msg("%s: %s", refused[i].comment, problem.detail);
		form_deinit(&form);
	}
}

static const struct {
	const char *comment;
	const char *header;
	enum err err;
	const char *detail; /* what is in it */
} encodings[] = {
	{ "no header", "", ERR_OK, "" },
	{ "a type without a charset", "Content-Type: text/plain\r\n", ERR_OK,
	  "" },
	{ "UTF-8 in any case", "Content-Type: text/plain; charset=Utf-8\r\n",
	  ERR_OK, "" },
	{ "UTF-8 in quotes", "Content-Type: text/plain; charset=\"utf-8\"\r\n",
	  ERR_OK, "" },
	{ "8bit", "Content-Transfer-Encoding:8BIT\r\n", ERR_OK, "" },
	{ "binary", "Content-Transfer-Encoding: binary \r\n", ERR_OK, "" },
	{ "Latin-1", "Content-Type: text/plain; charset=iso-8859-1\r\n",
	  ERR_UNSUPPORTED_MEDIA_TYPE,
	  "The field 'a': found the charset 'iso-8859-1', expected utf-8." },
	{ "UTF-16 in quotes",
	  "Content-Type: text/plain; charset=\"utf-16\"\r\n",
	  ERR_UNSUPPORTED_MEDIA_TYPE, "found the charset 'utf-16'" },
	{ "ASCII", "Content-Type: text/plain; charset=us-ascii\r\n",
	  ERR_UNSUPPORTED_MEDIA_TYPE, "expected utf-8" },
	{ "an empty charset", "Content-Type: text/plain; charset=\"\"\r\n",
	  ERR_UNSUPPORTED_MEDIA_TYPE, "expected utf-8" },
	{ "base64", "Content-Transfer-Encoding: base64\r\n", ERR_INVALID_FORM,
	  "The field 'a': found 'base64', expected a Content-Transfer-Encoding "
	  "of 7bit, 8bit or binary." },
	{ "quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n",
	  ERR_INVALID_FORM, "found 'quoted-printable', expected" },
	{ "an empty transfer encoding", "Content-Transfer-Encoding:\r\n",
	  ERR_INVALID_FORM, "found '', expected a Content-Transfer-Encoding" },
};

/* It is for whoever needs the field: nobody may. */
static void a_part_in_another_encoding_is_refused_by_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(encodings); i++) {
		struct problem problem;
		struct form form;
		struct buf body;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		buf_init(&body, 4096);
		buf_appendf(&body, OPEN NAME("a") "%s\r\n1" CLOSE,
			    encodings[i].header);
		assert_int_equal(form_parse_multipart(&form, buf_span(&body),
						      SPAN("XX"), &problem),
				 ERR_OK);
		assert_int_equal(form.count, 1);
		err = form_check_encoding(&form.fields[0], &problem);
		if (err != encodings[i].err || problem.err != err ||
		    strstr(problem.detail, encodings[i].detail) == NULL)
			fail_msg("%s: %s", encodings[i].comment,
				 problem.detail);
		buf_deinit(&body);
		form_deinit(&form);
	}
}

static const struct {
	const char *comment;
	size_t length;
	char filler;
	bool good;
} boundaries[] = {
	{ "none", 0, 'b', false },        { "one character", 1, 'b', true },
	{ "the longest", 70, 'b', true }, { "too long", 71, 'b', false },
	{ "a dash alone", 1, '-', true }, { "a line end", 2, '\n', false },
	{ "NUL", 2, '\0', false },        { "not ASCII", 2, '\xe9', false },
};

static void a_boundary_is_1_to_70_printable_characters(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(boundaries); i++) {
		char boundary[80];
		struct problem problem;
		struct form form;
		struct buf body;
		enum err err;

		problem_init(&problem);
		form_init(&form);
		buf_init(&body, 4096);
		memset(boundary, boundaries[i].filler, sizeof(boundary));
		buf_append_text(&body, "--");
		buf_append(&body, boundary, boundaries[i].length);
		buf_append_text(&body, "\r\n" NAME("a") "\r\n1\r\n--");
		buf_append(&body, boundary, boundaries[i].length);
		buf_append_text(&body, "--");
		err = form_parse_multipart(
			&form, buf_span(&body),
			(struct span){ boundary, boundaries[i].length },
			&problem);
		if (err != (boundaries[i].good ? ERR_OK : ERR_INVALID_FORM))
			fail_msg("%s: %s", boundaries[i].comment,
				 problem.detail);
		if (boundaries[i].good)
			assert_true(
				span_equal(form.fields[0].value, SPAN("1")));
		buf_deinit(&body);
		form_deinit(&form);
	}
}

static void parts_are_counted(void **state)
{
	struct problem problem;
	struct form form;
	struct buf body;
	int parts;

	(void)state;
	for (parts = FORM_FIELDS_MAX; parts <= FORM_FIELDS_MAX + 1; parts++) {
		int i;

		problem_init(&problem);
		form_init(&form);
		buf_init(&body, 65536);
		for (i = 0; i < parts; i++)
			buf_append_text(&body, NEXT NAME("a") "\r\n1");
		buf_append_text(&body, CLOSE);
		assert_int_equal(form_parse_multipart(&form, buf_span(&body),
						      SPAN("XX"), &problem),
				 parts <= FORM_FIELDS_MAX ? ERR_OK
							  : ERR_INVALID_FORM);
		assert_int_equal(form.count, FORM_FIELDS_MAX);
		buf_deinit(&body);
		form_deinit(&form);
	}
}

/* Cut anywhere before its closing boundary, a body is refused. */
static void every_beginning_is_refused(void **state)
{
	static const char body[] = OPEN NAME(
		"\"a\"") "Content-Type: text/plain; charset=utf-8\r\n\r\n1" NEXT
		NAME("b") "\r\n2\r\n--XX--";
	struct problem problem;
	struct form form;
	size_t length;

	(void)state;
	problem_init(&problem);
	form_init(&form);
	for (length = 0; length < sizeof(body) - 1; length++) {
		/* A copy without room behind it, for the sanitizers. */
		char *copy = malloc(length + (length == 0));

		assert_non_null(copy);
		memcpy(copy, body, length);
		assert_int_equal(form_parse_multipart(
					 &form, (struct span){ copy, length },
					 SPAN("XX"), &problem),
				 ERR_INVALID_FORM);
		free(copy);
	}
	form_deinit(&form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_decoded),
		cmocka_unit_test(a_malformed_body_is_refused),
		cmocka_unit_test(
			a_part_in_another_encoding_is_refused_by_field),
		cmocka_unit_test(a_boundary_is_1_to_70_printable_characters),
		cmocka_unit_test(parts_are_counted),
		cmocka_unit_test(every_beginning_is_refused),
	};

	return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
