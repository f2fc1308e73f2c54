/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_helper.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NDJSON "application/x-ndjson"

enum {
	PIECE_BYTES = 256 * 1024, /* what the handler streams at once */
	LONG_BYTES = 60000,
	MESSAGE_JSON_REST = 100, /* a message's JSON without its content */
	EXPECTED_MAX = 64 * 1024 * 1024,
};

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

/* Odd IDs are from ana, even ones from bea; each third says "three". */
static struct span from_of(uint64_t id)
{
	return id % 2 == 1 ? SPAN("ana") : SPAN("bea");
}

static struct span content_of(uint64_t id)
{
	return id % 3 == 0 ? SPAN("three") : SPAN("other");
}

static void add_short(struct bench *bench, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t id = store_fake_count(bench->fake) + 1;

		assert_int_equal(store_fake_add(bench->fake, from_of(id),
						content_of(id)),
				 id);
	}
}

static void add_sized(struct bench *bench, size_t count, size_t bytes)
{
	char *content = malloc(bytes);

	assert_non_null(content);
	memset(content, 'c', bytes);
	for (size_t i = 0; i < count; i++)
		(void)store_fake_add(bench->fake, SPAN("ana"),
				     (struct span){ content, bytes });
	free(content);
}

static void append_expected(struct buf *out, uint64_t id, struct span from,
			    struct span content)
{
	buf_appendf(out, "{\"ID\":%" PRIu64 ",\"From\":\"", id);
	buf_append_span(out, from);
	buf_append_text(out, "\",\"Content\":\"");
	buf_append_span(out, content);
	buf_appendf(out, "\",\"Date\":\"2026-11-21T17:15:39.%06" PRIu64 "Z\"}",
		    id % 1000000);
}

/* Whether the body is these messages, first to last, up or down. */
static bool body_is(const struct answer *answer, bool ndjson, uint64_t first,
		    uint64_t last, size_t sized)
{
	int64_t step = first <= last ? 1 : -1;
	bool some = first > 0, same;
	char *content = calloc(1, sized + 1);
	struct buf want;

	assert_non_null(content);
	memset(content, 'c', sized);
	buf_init(&want, EXPECTED_MAX);
	buf_append_text(&want, ndjson ? "" : "[");
	for (uint64_t id = first; some; id += (uint64_t)step) {
		if (!ndjson && id != first)
			buf_append_char(&want, ',');
		append_expected(&want, id,
				sized > 0 ? SPAN("ana") : from_of(id),
				sized > 0 ? (struct span){ content, sized }
					  : content_of(id));
		if (ndjson)
			buf_append_char(&want, '\n');
		some = id != last;
	}
	buf_append_text(&want, ndjson ? "" : "]");
	assert_int_equal(buf_error(&want), ERR_OK);
	same = span_equal(buf_span(&answer->body), buf_span(&want));
	buf_deinit(&want);
	free(content);
	return same;
}

static bool header_is(const struct answer *answer, const char *name,
		      const char *want)
{
	struct span value = answer_header(answer, name);

	return want == NULL ? value.data == NULL
			    : span_equal(value, span_of(want));
}

/* Asked of ten messages. ids: those of the answer, as "1,2,3". */
static const struct {
	const char *comment;
	const char *query;
	const char *ids;
	const char *link; /* NULL: none */
} pages[] = {
	{ "all", "", "1,2,3,4,5,6,7,8,9,10", NULL },
	{ "newest first", "?order=desc", "10,9,8,7,6,5,4,3,2,1", NULL },
	{ "a page", "?limit=3", "1,2,3", "limit=3&after=3" },
	{ "the page after", "?limit=3&after=3", "4,5,6", "limit=3&after=6" },
	{ "the last page, full", "?limit=5&after=5", "6,7,8,9,10", NULL },
	{ "the last page", "?limit=7&after=5", "6,7,8,9,10", NULL },
	{ "as many as there are", "?limit=10", "1,2,3,4,5,6,7,8,9,10", NULL },
	{ "a page downwards", "?order=desc&limit=4", "10,9,8,7",
	  "order=desc&limit=4&before=7" },
	{ "the last page downwards", "?order=desc&limit=4&before=3", "2,1",
	  NULL },
	{ "between two IDs", "?after=3&before=6", "4,5", NULL },
	{ "between two IDs, a page", "?after=3&before=9&limit=2", "4,5",
	  "before=9&limit=2&after=5" },
	{ "by From", "?From=bea", "2,4,6,8,10", NULL },
	{ "by From, a page", "?From=bea&limit=2", "2,4",
	  "From=bea&limit=2&after=4" },
	{ "by Content", "?Content=three", "3,6,9", NULL },
	{ "by both", "?Content=three&From=bea", "6", NULL },
	{ "by From in other letters", "?From=Bea", "", NULL },
	{ "by From with a blank more", "?From=bea+", "", NULL },
	{ "by ID and From that agree", "?ID=3&From=ana", "3", NULL },
	{ "by ID and From that do not", "?ID=3&From=bea", "", NULL },
	{ "by ID within an end", "?ID=3&after=2", "3", NULL },
	{ "by ID beyond an end", "?ID=3&after=3", "", NULL },
	{ "by ID", "?ID=7", "7", NULL },
	{ "by ID with order and limit", "?ID=7&order=desc&limit=1", "7", NULL },
	{ "by an ID that is not there", "?ID=11", "", NULL },
	{ "after the last", "?after=10", "", NULL },
	{ "before the first", "?before=1", "", NULL },
};

static void append_ids(struct buf *out, const char *ids, bool ndjson)
{
	if (!ndjson)
		buf_append_char(out, '[');
	while (*ids != '\0') {
		char *end;
		uint64_t id = strtoul(ids, &end, 10);

		append_expected(out, id, from_of(id), content_of(id));
		if (ndjson)
			buf_append_char(out, '\n');
		else if (*end == ',')
			buf_append_char(out, ',');
		ids = *end == ',' ? end + 1 : end;
	}
	if (!ndjson)
		buf_append_char(out, ']');
}

static void check_page(struct bench *bench, size_t i, bool ndjson)
{
	struct answer answer;
	struct buf target, want, link, length;

	buf_init(&target, 1000);
	buf_init(&want, 10000);
	buf_init(&link, 1000);
	buf_init(&length, 100);
	buf_appendf(&target, "/api/message%s", pages[i].query);
	buf_append_char(&target, '\0');
	append_ids(&want, pages[i].ids, ndjson);
	buf_appendf(&length, "%zu", want.length);
	buf_append_char(&length, '\0');
	buf_appendf(&link, "</api/message?%s>; rel=\"next\"",
		    pages[i].link != NULL ? pages[i].link : "");
	buf_append_char(&link, '\0');

	bench_serve(bench,
		    &(struct ask){ .target = target.data,
				   .accept = ndjson ? NDJSON : "*/*" },
		    &answer);
	if (answer.status != 200 ||
	    !span_equal(buf_span(&answer.body), buf_span(&want)))
		fail_msg("%s: %d %s", pages[i].comment, answer.status,
			 answer_text(&answer));
	if (!header_is(&answer, "Link",
		       pages[i].link != NULL ? link.data : NULL))
		fail_msg("%s: %s", pages[i].comment, answer.head.data);
	assert_true(header_is(&answer, "Content-Type",
			      ndjson ? NDJSON : "application/json"));
	assert_true(header_is(&answer, "Content-Length", length.data));
	assert_int_equal(answer.pieces, 1);
	answer_deinit(&answer);
	buf_deinit(&target);
	buf_deinit(&want);
	buf_deinit(&link);
	buf_deinit(&length);
}

static void a_page_has_what_the_parameters_name(void **state)
{
	add_short(*state, 10);
	for (size_t i = 0; i < COUNT(pages); i++) {
		check_page(*state, i, false);
		check_page(*state, i, true);
	}
}

/* The store has then seen all that there is. */
static void read_all(struct bench *bench)
{
	struct answer answer;

	bench_serve(bench, &(struct ask){ .target = "/api/message" }, &answer);
	assert_int_equal(answer.status, 200);
	answer_deinit(&answer);
}

static void an_empty_inbox_is_an_empty_list(void **state)
{
	static const struct {
		const char *target, *accept, *body;
	} rows[] = {
		{ "/api/message", NULL, "[]" },
		{ "/api/message?ID=1", NULL, "[]" },
		{ "/api/message?order=desc&limit=1", NULL, "[]" },
		{ "/api/message", NDJSON, "" },
		{ "/api/message?limit=5", NDJSON, "" },
		{ "/api/message?ID=1", NDJSON, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = rows[i].target,
					   .accept = rows[i].accept },
			    &answer);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer_text(&answer), rows[i].body);
		assert_true(header_is(&answer, "Link", NULL));
		answer_deinit(&answer);
	}
}

static void a_page_has_a_hundred_unless_asked_for_more(void **state)
{
	struct answer answer;

	add_short(*state, 1001);
	bench_serve(*state, &(struct ask){ .target = "/api/message" }, &answer);
	assert_true(body_is(&answer, false, 1, 100, 0));
	assert_true(header_is(&answer, "Link",
			      "</api/message?after=100>; rel=\"next\""));
	answer_deinit(&answer);

	bench_serve(*state,
		    &(struct ask){ .target = "/api/message?limit=1000" },
		    &answer);
	assert_true(body_is(&answer, false, 1, 1000, 0));
	assert_true(header_is(
		&answer, "Link",
		"</api/message?limit=1000&after=1000>; rel=\"next\""));
	answer_deinit(&answer);
}

static void links_lead_through_all_messages(void **state)
{
	struct buf target, all, want;
	struct answer answer;
	bool more = true;
	int pages_read = 0;

	add_short(*state, 50);
	buf_init(&target, 1000);
	buf_init(&all, 100000);
	buf_init(&want, 100000);
	buf_append_text(&target, "/api/message?From=ana&limit=4&order=desc");
	while (more) {
		const char *end;
		struct span link;

		buf_append_char(&target, '\0');
		bench_serve(*state, &(struct ask){ .target = target.data },
			    &answer);
		assert_int_equal(answer.status, 200);
		buf_append(&all, answer.body.data + 1, answer.body.length - 2);
		buf_append_char(&all, ',');
		link = answer_header(&answer, "Link");
		more = link.data != NULL;
		if (more) {
			end = memchr(link.data, '>', link.length);
			assert_non_null(end);
			buf_clear(&target);
			buf_append(&target, link.data + 1,
				   (size_t)(end - link.data - 1));
		}
		answer_deinit(&answer);
		assert_true(++pages_read <= 7);
	}
	for (uint64_t id = 49; id > 0; id -= id > 1 ? 2 : 1) {
		append_expected(&want, id, from_of(id), content_of(id));
		buf_append_char(&want, ',');
	}
	assert_int_equal(pages_read, 7);
	assert_true(span_equal(buf_span(&all), buf_span(&want)));
	buf_deinit(&target);
	buf_deinit(&all);
	buf_deinit(&want);
}

static const struct {
	const char *comment;
	const char *target;
	const char *accept;
	uint64_t first, last;
	const char *link;
} long_pages[] = {
	{ "a page of many", "/api/message?limit=20", NULL, 1, 20,
	  "</api/message?limit=20&after=20>; rel=\"next\"" },
	{ "a page of many, newest first", "/api/message?limit=20&order=desc",
	  NULL, 25, 6,
	  "</api/message?order=desc&limit=20&before=6>; rel=\"next\"" },
	{ "one more than a piece holds", "/api/message?limit=6&after=3", NULL,
	  4, 9, "</api/message?limit=6&after=9>; rel=\"next\"" },
	{ "as many as there are", "/api/message?limit=25", NULL, 1, 25, NULL },
	{ "fewer than allowed", "/api/message", NULL, 1, 25, NULL },
	{ "to an upper end", "/api/message?before=15", NULL, 1, 14, NULL },
	{ "lines with a limit", "/api/message?limit=20", NDJSON, 1, 20,
	  "</api/message?limit=20&after=20>; rel=\"next\"" },
	{ "lines", "/api/message", NDJSON, 1, 25, NULL },
	{ "lines, newest first", "/api/message?order=desc", NDJSON, 25, 1,
	  NULL },
};

static void a_long_page_is_streamed_with_its_link(void **state)
{
	add_sized(*state, 25, LONG_BYTES);
	for (size_t i = 0; i < COUNT(long_pages); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = long_pages[i].target,
					   .accept = long_pages[i].accept },
			    &answer);
		if (answer.status != 200 || answer.broken || !answer.streamed ||
		    answer.pieces < 2 ||
		    !body_is(&answer, long_pages[i].accept != NULL,
			     long_pages[i].first, long_pages[i].last,
			     LONG_BYTES) ||
		    !header_is(&answer, "Link", long_pages[i].link))
			fail_msg("%s: %zu pieces, %zu bytes, %s",
				 long_pages[i].comment, answer.pieces,
				 answer.body.length, answer.head.data);
		assert_true(header_is(&answer, "Content-Length", NULL));
		assert_true(answer.piece_max_bytes <
			    PIECE_BYTES + LONG_BYTES + MESSAGE_JSON_REST);
		answer_deinit(&answer);
	}
}

static void a_page_up_to_a_piece_is_sent_whole(void **state)
{
	struct answer answer;

	add_sized(*state, 6, LONG_BYTES);
	/* Four are 240,000 bytes: the fifth begins below the piece's end. */
	bench_serve(*state, &(struct ask){ .target = "/api/message?limit=5" },
		    &answer);
	assert_int_equal(answer.pieces, 1);
	assert_false(answer.streamed);
	assert_true(header_is(&answer, "Link",
			      "</api/message?limit=5&after=5>; rel=\"next\""));
	assert_non_null(answer_header(&answer, "Content-Length").data);
	assert_true(body_is(&answer, false, 1, 5, LONG_BYTES));
	answer_deinit(&answer);
}

/* As while others hold much memory. */
static void in_small_pieces_it_is_the_same(void **state)
{
	enum { MESSAGES = 1000, BYTES = 100, SMALL_BYTES = 3 * 1024 };
	static const struct {
		const char *target;
		const char *accept;
		uint64_t first, last;
		const char *link;
	} rows[] = { { "/api/message", NDJSON, 1, MESSAGES, NULL },
		     { "/api/message?order=desc", NDJSON, MESSAGES, 1, NULL },
		     { "/api/message", NULL, 1, 100,
		       "</api/message?after=100>; rel=\"next\"" } };

	add_sized(*state, MESSAGES, BYTES);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = rows[i].target,
					   .accept = rows[i].accept,
					   .piece_bytes = SMALL_BYTES },
			    &answer);
		assert_int_equal(answer.status, 200);
		assert_true(answer.pieces > 3);
		assert_true(answer.piece_max_bytes <
			    SMALL_BYTES + BYTES + MESSAGE_JSON_REST);
		assert_true(body_is(&answer, rows[i].accept != NULL,
				    rows[i].first, rows[i].last, BYTES));
		assert_true(header_is(&answer, "Link", rows[i].link));
		answer_deinit(&answer);
	}
}

static void all_messages_come_as_lines_in_bounded_memory(void **state)
{
	enum { MESSAGES = 20000, BYTES = 100 };
	static const struct {
		const char *target;
		uint64_t first, last;
	} rows[] = { { "/api/message", 1, MESSAGES },
		     { "/api/message?order=desc", MESSAGES, 1 },
		     { "/api/message?after=500&before=19001", 501, 19000 } };

	add_sized(*state, MESSAGES, BYTES);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = rows[i].target,
					   .accept = NDJSON },
			    &answer);
		assert_int_equal(answer.status, 200);
		assert_true(answer.streamed);
		assert_false(answer.broken);
		assert_true(answer.pieces > 10);
		assert_true(answer.piece_max_bytes <
			    PIECE_BYTES + BYTES + MESSAGE_JSON_REST);
		assert_true(body_is(&answer, true, rows[i].first, rows[i].last,
				    BYTES));
		assert_true(header_is(&answer, "Content-Length", NULL));
		assert_true(header_is(&answer, "Link", NULL));
		answer_deinit(&answer);
	}
}

static void add_more(struct bench *bench, void *context)
{
	(void)context;
	add_sized(bench, 100, LONG_BYTES);
}

static void what_arrives_during_a_stream_is_not_in_it(void **state)
{
	struct answer answer;

	add_sized(*state, 20, LONG_BYTES);
	bench_serve(*state,
		    &(struct ask){ .target = "/api/message",
				   .accept = NDJSON,
				   .between = add_more },
		    &answer);
	assert_int_equal(answer.status, 200);
	assert_true(answer.pieces > 2);
	assert_true(body_is(&answer, true, 1, 20, LONG_BYTES));
	answer_deinit(&answer);
}

static void what_arrives_during_a_full_page_is_not_in_it(void **state)
{
	struct answer answer;

	add_sized(*state, 20, LONG_BYTES);
	bench_serve(*state,
		    &(struct ask){ .target = "/api/message?limit=15",
				   .between = add_more },
		    &answer);
	assert_true(body_is(&answer, false, 1, 15, LONG_BYTES));
	assert_true(
		header_is(&answer, "Link",
			  "</api/message?limit=15&after=15>; rel=\"next\""));
	answer_deinit(&answer);
}

/* Of ten messages the next read does not see the fifth. */
static void a_page_has_all_up_to_its_last_message(void **state)
{
	static const struct {
		const char *comment;
		uint64_t seen; /* messages that were there at an earlier read */
		const char *target;
		uint64_t first, last;
		const char *link;
		size_t reads;
	} rows[] = {
		{ "all are new", 0, "", 1, 10, NULL, 2 },
		{ "the newest are new", 8, "", 1, 10, NULL, 2 },
		{ "one is new", 9, "", 1, 10, NULL, 2 },
		{ "a page that ends with a new one", 6, "?limit=7", 1, 7,
		  "</api/message?limit=7&after=7>; rel=\"next\"", 2 },
		{ "a page whose next one is new", 7, "?limit=7&after=5", 6, 10,
		  NULL, 2 },
		{ "downwards", 8, "?order=desc", 10, 1, NULL, 2 },
		{ "all up to one", 0, "?before=9", 1, 8, NULL, 2 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bench *bench = *state;
		struct answer answer;
		struct buf target;
		size_t reads;

		buf_init(&target, 100);
		buf_appendf(&target, "/api/message%s%c", rows[i].target, '\0');
		add_short(bench, rows[i].seen);
		read_all(bench);
		add_short(bench, 10 - rows[i].seen);
		reads = store_fake_calls(bench->fake, STORE_FAKE_READ);
		store_fake_hide_once(bench->fake, 5);
		bench_serve(bench, &(struct ask){ .target = target.data },
			    &answer);
		reads = store_fake_calls(bench->fake, STORE_FAKE_READ) - reads;
		if (!body_is(&answer, false, rows[i].first, rows[i].last, 0) ||
		    !header_is(&answer, "Link", rows[i].link) ||
		    reads != rows[i].reads)
			fail_msg("%s: %zu reads, %s%s", rows[i].comment, reads,
				 answer.head.data, answer_text(&answer));
		answer_deinit(&answer);
		buf_deinit(&target);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

static void what_was_seen_before_is_read_once(void **state)
{
	static const struct {
		const char *target;
		uint64_t first, last;
	} rows[] = {
		{ "/api/message", 1, 10 },
		{ "/api/message?limit=10", 1, 10 },
		{ "/api/message?limit=3", 1, 3 },
		{ "/api/message?limit=3&after=7", 8, 10 },
		{ "/api/message?after=10", 0, 0 },
	};
	struct bench *bench = *state;

	add_short(bench, 10);
	read_all(bench);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct answer answer;
		size_t reads = store_fake_calls(bench->fake, STORE_FAKE_READ);

		bench_serve(bench, &(struct ask){ .target = rows[i].target },
			    &answer);
		reads = store_fake_calls(bench->fake, STORE_FAKE_READ) - reads;
		if (reads != 1 ||
		    !body_is(&answer, false, rows[i].first, rows[i].last, 0))
			fail_msg("%s: %zu reads, %s", rows[i].target, reads,
				 answer_text(&answer));
		answer_deinit(&answer);
	}
}

static void fail_next_read(struct bench *bench, void *context)
{
	const size_t *visits = context;

	store_fake_fail_after(bench->fake, *visits);
	store_fake_fail(bench->fake, STORE_FAKE_READ, 1, 1,
			ERR_DATABASE_UNAVAILABLE);
}

static void an_error_in_a_later_piece_breaks_the_answer(void **state)
{
	static const char *const accepts[] = { NULL, NDJSON };
	static size_t visits[] = { 0, 2 };

	add_sized(*state, 20, LONG_BYTES);
	for (size_t i = 0; i < COUNT(accepts) * COUNT(visits); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = "/api/message",
					   .accept = accepts[i % 2],
					   .between = fail_next_read,
					   .context = &visits[i / 2] },
			    &answer);
		assert_int_equal(answer.status, 200);
		assert_true(answer.broken);
		assert_int_equal(answer.pieces, 1);
		answer_deinit(&answer);
	}
}

static const struct {
	const char *comment;
	const char *target;
	const char *accept;
	enum store_fake_call call;
	size_t nth, visits;
	enum err err;
	int status;
	const char *code;
} errors[] = {
	{ "a page while the database is away", "/api/message", NULL,
	  STORE_FAKE_READ, 1, 0, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "lost in the middle of a page", "/api/message", NULL, STORE_FAKE_READ,
	  1, 3, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "lost while it looks ahead", "/api/message", NULL, STORE_FAKE_READ, 2,
	  0, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "no memory for a page", "/api/message", NULL, STORE_FAKE_READ, 1, 0,
	  ERR_OUT_OF_MEMORY, 503, "\"code\":\"overloaded\"" },
	{ "our fault in a page", "/api/message", NULL, STORE_FAKE_READ, 1, 1,
	  ERR_INTERNAL, 500, "\"code\":\"internal\"" },
	{ "lines while the database is away", "/api/message", NDJSON,
	  STORE_FAKE_READ, 1, 0, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "lost in the first piece of lines", "/api/message", NDJSON,
	  STORE_FAKE_READ, 2, 2, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "our fault in the first piece of lines", "/api/message", NDJSON,
	  STORE_FAKE_READ, 2, 2, ERR_INTERNAL, 500, "\"code\":\"internal\"" },
	{ "one message while the database is away", "/api/message?ID=1", NULL,
	  STORE_FAKE_FIND, 1, 0, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "lost after the one message was found", "/api/message?ID=1", NULL,
	  STORE_FAKE_FIND, 1, 1, ERR_DATABASE_UNAVAILABLE, 503,
	  "\"code\":\"database_unavailable\"" },
	{ "our fault for one message", "/api/message?ID=1", NDJSON,
	  STORE_FAKE_FIND, 1, 0, ERR_INTERNAL, 500, "\"code\":\"internal\"" },
};

static void assert_problem(const char *comment, const struct answer *answer,
			   int status, const char *text)
{
	if (answer->status != status || answer->pieces != 1 ||
	    strstr(answer_text(answer), text) == NULL)
		fail_msg("%s: %d %.500s", comment, answer->status,
			 answer_text(answer));
	assert_int_equal(answer_text(answer)[0], '{'); /* and nothing ahead */
	assert_false(answer->broken);
	assert_true(
		header_is(answer, "Content-Type", "application/problem+json"));
	assert_true(
		header_is(answer, "Retry-After", status == 503 ? "1" : NULL));
	assert_true(header_is(answer, "Link", NULL));
}

static void an_error_before_the_first_piece_is_told(void **state)
{
	struct bench *bench = *state;

	add_sized(bench, 20, LONG_BYTES);
	for (size_t i = 0; i < COUNT(errors); i++) {
		struct answer answer;

		store_fake_fail_after(bench->fake, errors[i].visits);
		store_fake_fail(bench->fake, errors[i].call, errors[i].nth, 1,
				errors[i].err);
		bench_serve(bench,
			    &(struct ask){ .target = errors[i].target,
					   .accept = errors[i].accept },
			    &answer);
		assert_problem(errors[i].comment, &answer, errors[i].status,
			       errors[i].code);
		answer_deinit(&answer);
	}
}

static void without_a_store_there_is_no_memory(void **state)
{
	static const char *const accepts[] = { NULL, NDJSON };

	add_short(*state, 3);
	for (size_t i = 0; i < COUNT(accepts); i++) {
		struct answer answer;

		bench_serve(*state,
			    &(struct ask){ .target = "/api/message",
					   .accept = accepts[i],
					   .without_store = true },
			    &answer);
		assert_problem("no store", &answer, 503,
			       "\"code\":\"overloaded\"");
		answer_deinit(&answer);
	}
}

static void a_bad_parameter_asks_nothing(void **state)
{
	static const char *const targets[] = {
		"/api/message?ID=0",       "/api/message?page=1",
		"/api/message?From=%ff",   "/api/message?limit=1001",
		"/api/message?ID=1&ID=1",  "/api/message?order=up",
		"/api/message?Content=%4",
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT(targets); i++) {
		struct answer answer;

		bench_serve(bench, &(struct ask){ .target = targets[i] },
			    &answer);
		assert_problem(targets[i], &answer, 400,
			       "\"code\":\"invalid_parameter\"");
		answer_deinit(&answer);
	}
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_READ), 0);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_FIND), 0);
}

static size_t looked_up; /* how often a lookup was done */

static void count_done(struct lookup *lookup)
{
	(void)lookup;
	looked_up++;
}

static void ignore(struct lookup *lookup, const struct message *message)
{
	(void)lookup;
	(void)message;
}

static void a_full_queue_is_overloaded(void **state)
{
	struct bench *bench = *state;
	struct lookup waiting[BENCH_QUEUE_MAX + 1];
	struct answer answer;

	looked_up = 0;
	store_fake_hold(bench->fake, STORE_FAKE_FIND);
	for (size_t i = 0; i < COUNT(waiting); i++) {
		waiting[i] = (struct lookup){ .id = 1,
					      .found = ignore,
					      .done = count_done };
		assert_int_equal(
			finder_submit(bench->service.finder, &waiting[i]),
			ERR_OK);
		finder_turn(bench->service.finder);
		/* The first is at the store, the others fill the queue. */
		assert_true(
			store_fake_await_held(bench->fake, STORE_FAKE_FIND, 1));
	}
	bench_serve(bench, &(struct ask){ .target = "/api/message?ID=1" },
		    &answer);
	assert_problem("overloaded", &answer, 503, "\"code\":\"overloaded\"");
	answer_deinit(&answer);
	store_fake_release(bench->fake, STORE_FAKE_FIND);
	while (looked_up < COUNT(waiting)) /* before waiting is gone */
		bench_turn_when_woken(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_has_what_the_parameters_name),
		TEST(an_empty_inbox_is_an_empty_list),
		TEST(a_page_has_a_hundred_unless_asked_for_more),
		TEST(links_lead_through_all_messages),
		TEST(a_long_page_is_streamed_with_its_link),
		TEST(a_page_up_to_a_piece_is_sent_whole),
		TEST(in_small_pieces_it_is_the_same),
		TEST(all_messages_come_as_lines_in_bounded_memory),
		TEST(what_arrives_during_a_stream_is_not_in_it),
		TEST(what_arrives_during_a_full_page_is_not_in_it),
		TEST(a_page_has_all_up_to_its_last_message),
		TEST(what_was_seen_before_is_read_once),
		TEST(an_error_in_a_later_piece_breaks_the_answer),
		TEST(an_error_before_the_first_piece_is_told),
		TEST(without_a_store_there_is_no_memory),
		TEST(a_bad_parameter_asks_nothing),
		TEST(a_full_queue_is_overloaded),
	};

	return cmocka_run_group_tests_name("handle_message_get", tests, NULL,
					   NULL);
}
