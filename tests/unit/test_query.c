/* SPDX-License-Identifier: MIT */
/* Linked with -Wl,--wrap=realloc: a test says when there is no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/query.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool no_memory;

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_realloc(void *memory, size_t size)
{
	return no_memory ? NULL : __real_realloc(memory, size);
}

static void nothing_asked_is_no_filter(void **state)
{
	static const struct span texts[] = {
		{ NULL, 0 },
		{ "", 0 },
		{ "&&", 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct problem problem;
		struct query query;

		problem_init(&problem);
		query_init(&query);
		assert_int_equal(query_parse(&query, texts[i], &problem),
				 ERR_OK);
		assert_int_equal(query.filter.given, 0);
		assert_false(query.filter.ids_only);
		query_deinit(&query);
	}
}

#define TEXT(key, literal)                                                     \
	{                                                                      \
		.given = FILTER_BIT(key), .values[key].text = {                \
			(literal),                                             \
			sizeof(literal) - 1                                    \
		}                                                              \
	}
#define NUMBER(key, value)                                                     \
	{                                                                      \
		.given = FILTER_BIT(key), .values[key].number = (value)        \
	}

static const struct {
	const char *comment;
	const char *text;
	struct filter filter;
} good[] = {
	{ "From", "From=ana", TEXT(FILTER_FROM, "ana") },
	{ "From, escaped", "From=jos%C3%A9+%26%3D%2B",
	  TEXT(FILTER_FROM, "jos\xc3\xa9 &=+") },
	{ "From, an escaped name", "%46rom=a", TEXT(FILTER_FROM, "a") },
	{ "From with blanks at its ends", "From=%20a%20",
	  TEXT(FILTER_FROM, " a ") },
	{ "Content", "Content=hola", TEXT(FILTER_CONTENT, "hola") },
	{ "the smallest ID", "ID=1", NUMBER(FILTER_ID, 1) },
	{ "the largest ID", "ID=9223372036854775807",
	  NUMBER(FILTER_ID, INT64_MAX) },
	{ "an ID with zeros ahead", "ID=0042", NUMBER(FILTER_ID, 42) },
	{ "after 0", "after=0", NUMBER(FILTER_AFTER, 0) },
	{ "after the largest", "after=9223372036854775807",
	  NUMBER(FILTER_AFTER, INT64_MAX) },
	{ "before 0", "before=0", NUMBER(FILTER_BEFORE, 0) },
	{ "before", "before=7", NUMBER(FILTER_BEFORE, 7) },
	{ "order asc is the default", "order=asc", { .given = 0 } },
	{ "order desc", "order=desc", NUMBER(FILTER_ORDER, FILTER_DESCENDING) },
	{ "limit 1", "limit=1", NUMBER(FILTER_LIMIT, 1) },
	{ "limit 1000", "limit=1000", NUMBER(FILTER_LIMIT, 1000) },
	{ "all of them",
	  "limit=3&order=desc&before=9&after=2&ID=5&Content=c&From=f",
	  { .given = FILTER_BIT(FILTER_KEYS) - 1,
	    .values = { [FILTER_FROM] = { .text = { "f", 1 } },
			[FILTER_CONTENT] = { .text = { "c", 1 } },
			[FILTER_ID] = { .number = 5 },
			[FILTER_AFTER] = { .number = 2 },
			[FILTER_BEFORE] = { .number = 9 },
			[FILTER_ORDER] = { .number = FILTER_DESCENDING },
			[FILTER_LIMIT] = { .number = 3 } } } },
};

static bool same_value(enum filter_key key, const union filter_value *a,
		       const union filter_value *b)
{
	return filter_parameters[key].kind == FILTER_TEXT
		       ? span_equal(a->text, b->text)
		       : a->number == b->number;
}

static bool same(const struct filter *a, const struct filter *b)
{
	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		if (filter_has(a, key) &&
		    !same_value(key, &a->values[key], &b->values[key]))
			return false;
	}
	return a->given == b->given && a->ids_only == b->ids_only;
}

static void parameters_become_a_filter(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct problem problem;
		struct query query;

		problem_init(&problem);
		query_init(&query);
		if (query_parse(&query, span_of(good[i].text), &problem) !=
			    ERR_OK ||
		    !same(&query.filter, &good[i].filter))
			fail_msg("%s: %s", good[i].comment, problem.detail);
		query_deinit(&query);
	}
}

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static const struct {
	const char *comment;
	const char *text;
	const char *faults; /* "field code" of each, separated by ", " */
} bad[] = {
	{ "From empty", "From=", "From empty" },
	{ "From without a value", "From", "From empty" },
	{ "From not UTF-8", "From=%ff", "From not_utf8" },
	{ "From with an overlong NUL", "From=%c0%80", "From not_utf8" },
	{ "From with a surrogate", "From=%ed%a0%80", "From not_utf8" },
	{ "From with NUL", "From=a%00b", "From nul_character" },
	{ "From of 256 characters", "From=" A64 A64 A64 A64, "From too_long" },
	{ "Content empty", "Content=", "Content empty" },
	{ "Content not UTF-8", "Content=a%80", "Content not_utf8" },
	{ "Content with NUL", "Content=%00", "Content nul_character" },
	{ "ID 0", "ID=0", "ID out_of_range" },
	{ "ID beyond the largest", "ID=9223372036854775808",
	  "ID out_of_range" },
	{ "ID of 19 nines", "ID=9999999999999999999", "ID out_of_range" },
	{ "ID of 20 digits", "ID=18446744073709551617", "ID out_of_range" },
	{ "ID of 40 digits", "ID=1111111111222222222233333333334444444444",
	  "ID out_of_range" },
	{ "ID negative", "ID=-1", "ID not_a_number" },
	{ "ID with a plus", "ID=%2B1", "ID not_a_number" },
	{ "ID with a blank", "ID=+1", "ID not_a_number" },
	{ "ID hexadecimal", "ID=0x1", "ID not_a_number" },
	{ "ID with a fraction", "ID=1.0", "ID not_a_number" },
	{ "ID empty", "ID=", "ID not_a_number" },
	{ "ID with NUL", "ID=1%00", "ID not_a_number" },
	{ "ID in other digits", "ID=%D9%A1", "ID not_a_number" },
	{ "after no number", "after=x", "after not_a_number" },
	{ "after beyond", "after=9223372036854775808", "after out_of_range" },
	{ "before no number", "before=1e3", "before not_a_number" },
	{ "before beyond", "before=9223372036854775808",
	  "before out_of_range" },
	{ "order in capitals", "order=ASC", "order not_allowed" },
	{ "order empty", "order=", "order not_allowed" },
	{ "order unknown", "order=random", "order not_allowed" },
	{ "limit 0", "limit=0", "limit out_of_range" },
	{ "limit 1001", "limit=1001", "limit out_of_range" },
	{ "limit no number", "limit=all", "limit not_a_number" },
	{ "given twice", "ID=1&ID=1", "ID duplicate" },
	{ "given three times", "order=asc&order=asc&order=desc",
	  "order duplicate, order duplicate" },
	{ "unknown", "page=2", "page unknown" },
	{ "a known name in small letters", "from=a", "from unknown" },
	{ "a known name in capitals", "LIMIT=1", "LIMIT unknown" },
	{ "an empty name", "=a", " unknown" },
	{ "a name not UTF-8", "%ff=1", "\xef\xbf\xbd unknown" },
	{ "a name with NUL", "ID%00=1", "ID? unknown" },
	{ "a broken percent", "From=%4", "From invalid_percent" },
	{ "a broken percent in a name", "%zz=1", NULL },
	{ "several at once",
	  "From=&limit=0&page=1&ID=x&after=1&after=2&order=up&Content=%ff",
	  "From empty, limit out_of_range, page unknown, ID not_a_number, "
	  "after duplicate, order not_allowed, Content not_utf8" },
	{ "two faults in one value", "Content=%ff%00",
	  "Content not_utf8, Content nul_character" },
};

static void write_faults(struct buf *out, const struct problem *problem)
{
	for (size_t i = 0; i < problem->fault_count; i++)
		buf_appendf(out, "%s%s %s", i == 0 ? "" : ", ",
			    problem->faults[i].field, problem->faults[i].code);
}

static void each_fault_is_listed_with_the_known_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct problem problem;
		struct query query;
		struct buf faults;
		enum err err;

		buf_init(&faults, 10000);
		problem_init(&problem);
		query_init(&query);
		err = query_parse(&query, span_of(bad[i].text), &problem);
		write_faults(&faults, &problem);
		if (err != ERR_INVALID_PARAMETER || problem.err != err ||
		    strstr(problem.detail, "From, Content, ID, after, before, "
					   "order and limit") == NULL ||
		    (bad[i].faults != NULL &&
		     !span_equal(buf_span(&faults), span_of(bad[i].faults))))
			fail_msg("%s: %.*s (%s)", bad[i].comment,
				 (int)faults.length, faults.data,
				 problem.detail);
		query_deinit(&query);
		buf_deinit(&faults);
	}
}

static void a_long_name_does_not_push_out_the_known_ones(void **state)
{
	struct problem problem;
	struct query query;
	struct buf text;

	(void)state;
	buf_init(&text, 100000);
	while (text.length < 60000)
		buf_append_text(&text, "\xc3\xa9");
	buf_append_text(&text, "=1");
	problem_init(&problem);
	query_init(&query);
	assert_int_equal(query_parse(&query, buf_span(&text), &problem),
			 ERR_INVALID_PARAMETER);
	assert_non_null(strstr(problem.detail, "order and limit"));
	query_deinit(&query);
	buf_deinit(&text);
}

static void more_parameters_than_a_form_holds_are_refused(void **state)
{
	struct problem problem;
	struct query query;
	struct buf text;

	(void)state;
	buf_init(&text, 100000);
	for (size_t i = 0; i <= FORM_FIELDS_MAX; i++)
		buf_append_text(&text, "ID=1&");
	problem_init(&problem);
	query_init(&query);
	assert_int_equal(query_parse(&query, buf_span(&text), &problem),
			 ERR_INVALID_PARAMETER);
	assert_int_equal(problem.err, ERR_INVALID_PARAMETER);
	query_deinit(&query);
	buf_deinit(&text);
}

static const struct {
	const char *comment;
	const char *text;
	const char *link;
} links[] = {
	{ "nothing asked", "", "after=42" },
	{ "a limit", "limit=5", "limit=5&after=42" },
	{ "order asc is the default", "order=asc&limit=5", "limit=5&after=42" },
	{ "the cursor moves on", "after=7", "after=42" },
	{ "a lower end stays", "after=7&order=desc",
	  "after=7&order=desc&before=42" },
	{ "the cursor moves on, descending", "before=99&order=desc",
	  "order=desc&before=42" },
	{ "an upper end stays", "before=99", "before=99&after=42" },
	{ "both ends", "after=7&before=99", "before=99&after=42" },
	{ "filters stay", "From=ana&Content=hola",
	  "From=ana&Content=hola&after=42" },
	{ "filters are escaped",
	  "From=%3Ca%3E%22%2C%3B+%26%3D%2B%25%23&Content=jos%C3%A9%0D%0A",
	  "From=%3Ca%3E%22,;+%26%3D%2B%25%23&Content=jos%C3%A9%0D%0A&"
	  "after=42" },
	{ "what needs no escape has none", "From=aZ09-._~/?:@!$'()*,;",
	  "From=aZ09-._~/?:@!$'()*,;&after=42" },
	{ "all of them, descending",
	  "From=a&Content=b&ID=3&order=desc&limit=2&after=1&before=9",
	  "From=a&Content=b&ID=3&after=1&order=desc&limit=2&before=42" },
};

static void the_link_keeps_the_filters_and_moves_the_cursor(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(links); i++) {
		struct problem problem;
		struct query query, next;
		struct buf link, want;

		buf_init(&link, 10000);
		buf_init(&want, 10000);
		problem_init(&problem);
		query_init(&query);
		assert_int_equal(
			query_parse(&query, span_of(links[i].text), &problem),
			ERR_OK);
		query_append_next(&link, &query, 42);
		buf_appendf(&want, "Link: </api/message?%s>; rel=\"next\"\r\n",
			    links[i].link);
		if (!span_equal(buf_span(&link), buf_span(&want)))
			fail_msg("%s: %.*s", links[i].comment, (int)link.length,
				 link.data);

		/* Followed, it asks for the same, from there on. */
		query_init(&next);
		assert_int_equal(
			query_parse(&next, span_of(links[i].link), &problem),
			ERR_OK);
		filter_set_number(&query.filter, filter_cursor(&query.filter),
				  42);
		assert_true(same(&next.filter, &query.filter));
		query_deinit(&query);
		query_deinit(&next);
		buf_deinit(&link);
		buf_deinit(&want);
	}
}

static const struct {
	const char *comment;
	const char *piece; /* of Content, as often as fits into bytes */
	size_t bytes;      /* of Content, before it is decoded */
	const char *rest;  /* of the query */
	size_t over;       /* bytes that the whole line has above its limit */
	const char *next;  /* what stands in place of a Link; NULL: a Link */
} lengths[] = {
	{ "short", "a", 1, "", 0, NULL },
	{ "as long as it may be", "a", 0, "", 0, NULL },
	{ "one byte too long", "a", 0, "", 1, "Continue-After: 42\r\n" },
	{ "as long as it may be, descending", "a", 0, "&order=desc", 0, NULL },
	{ "one byte too long, descending", "a", 0, "&order=desc", 1,
	  "Continue-Before: 42\r\n" },
	{ "too long by its escapes", "%22", 9000, "", 0,
	  "Continue-After: 42\r\n" },
	{ "many that need no escape", "/", 7900, "", 0, NULL },
	{ "many spaces", "%20", 23700, "", 0, NULL },
	{ "far too long", "a", 65000, "", 0, "Continue-After: 42\r\n" },
};

/* A query whose Link has this many bytes, where bytes is 0. */
static void write_long_query(struct buf *out, size_t i)
{
	bool descending = lengths[i].rest[0] != '\0';
	size_t around = strlen("Link: </api/message?Content=&after=42>; "
			       "rel=\"next\"") +
			(descending ? strlen("&order=desc") + 1 : 0);
	size_t bytes = lengths[i].bytes > 0 ? lengths[i].bytes
					    : QUERY_LINK_BYTES_MAX - around;

	buf_append_text(out, "Content=");
	for (size_t length = 0; length < bytes + lengths[i].over;
	     length += strlen(lengths[i].piece))
		buf_append_text(out, lengths[i].piece);
	buf_append_text(out, lengths[i].rest);
}

static void a_link_too_long_is_replaced_by_where_to_go_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct problem problem;
		struct query query;
		struct buf text, next;
		bool is_link;

		buf_init(&text, 100000);
		buf_init(&next, 100000);
		write_long_query(&text, i);
		problem_init(&problem);
		query_init(&query);
		assert_int_equal(query_parse(&query, buf_span(&text), &problem),
				 ERR_OK);
		query_append_next(&next, &query, 42);
		assert_int_equal(buf_error(&next), ERR_OK);
		is_link = memcmp(next.data, "Link: <", 7) == 0 &&
			  memcmp(next.data + next.length - 2, "\r\n", 2) == 0 &&
			  next.length <= QUERY_LINK_BYTES_MAX + 2 &&
			  (lengths[i].bytes > 0 ||
			   next.length == QUERY_LINK_BYTES_MAX + 2);
		if (lengths[i].next == NULL
			    ? !is_link
			    : !span_equal(buf_span(&next),
					  span_of(lengths[i].next)))
			fail_msg("%s: %zu bytes, %.200s", lengths[i].comment,
				 next.length, next.data);
		query_deinit(&query);
		buf_deinit(&text);
		buf_deinit(&next);
	}
}

/* Also where the head has room itself. */
static void without_memory_for_a_link_there_is_no_head(void **state)
{
	struct query query;
	struct buf next;

	(void)state;
	query_init(&query);
	buf_init(&next, 100000);
	assert_non_null(buf_reserve(&next, 10000));
	no_memory = true;
	query_append_next(&next, &query, 42);
	no_memory = false;
	assert_int_equal(buf_error(&next), ERR_OUT_OF_MEMORY);
	query_deinit(&query);
	buf_deinit(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_is_no_filter),
		cmocka_unit_test(parameters_become_a_filter),
		cmocka_unit_test(
			each_fault_is_listed_with_the_known_parameters),
		cmocka_unit_test(a_long_name_does_not_push_out_the_known_ones),
		cmocka_unit_test(more_parameters_than_a_form_holds_are_refused),
		cmocka_unit_test(
			the_link_keeps_the_filters_and_moves_the_cursor),
		cmocka_unit_test(a_link_too_long_is_replaced_by_where_to_go_on),
		cmocka_unit_test(without_memory_for_a_link_there_is_no_head),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
