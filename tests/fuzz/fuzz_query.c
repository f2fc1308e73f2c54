/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/query.h"
#include "checks.h"
#include "fuzz.h"

/* The query string of GET /api/message, and the Link to its next page. */

enum { LINK_BYTES_MAX = 4 << 20 };

static void check_filter(const struct store_filter *filter)
{
	const struct span some = SPAN("a");

	check_message(filter->has_from ? filter->from : some,
		      filter->has_content ? filter->content : some);
	assert(!filter->has_id || (filter->id >= 1 && filter->id <= INT64_MAX));
	assert(!filter->has_after || filter->after <= INT64_MAX);
	assert(!filter->has_before || filter->before <= INT64_MAX);
	assert(filter->limit <= QUERY_LIMIT_MAX);
	assert(filter->order == STORE_ASCENDING ||
	       filter->order == STORE_DESCENDING);
	assert(!filter->ids_only);
}

/* Whether line, too long for a Link, is the cursor alone. */
static bool is_cursor(struct span line, const struct store_filter *filter,
		      uint64_t last_id)
{
	char want[64];
	int length = snprintf(
		want, sizeof(want), "Continue-%s: %" PRIu64 "\r\n",
		filter->order == STORE_ASCENDING ? "After" : "Before", last_id);

	return span_equal(line, (struct span){ want, (size_t)length });
}

/* The query string in Link: </api/message?…>; rel="next" and CRLF. */
static struct span query_of_link(struct span line)
{
	const struct span start = SPAN("Link: </api/message?");
	const struct span end = SPAN(">; rel=\"next\"\r\n");

	assert(line.length > start.length + end.length);
	assert(line.length <= QUERY_LINK_BYTES_MAX + strlen("\r\n"));
	assert(memcmp(line.data, start.data, start.length) == 0);
	line = span_from(line, start.length);
	line.length -= end.length;
	assert(memcmp(line.data + line.length, end.data, end.length) == 0);
	for (size_t i = 0; i < line.length; i++)
		assert(line.data[i] > ' ' && line.data[i] < 0x7f &&
		       strchr("<>\"", line.data[i]) == NULL);
	return line;
}

static bool same_texts(const struct store_filter *a,
		       const struct store_filter *b)
{
	return a->has_from == b->has_from && a->has_content == b->has_content &&
	       span_equal(a->from, b->from) &&
	       span_equal(a->content, b->content);
}

static bool same_number(bool has_a, uint64_t a, bool has_b, uint64_t b)
{
	return has_a == has_b && (!has_a || a == b);
}

/* The next page has the same filters, but begins behind last_id. */
static void check_link(const struct query *query, uint64_t last_id)
{
	struct store_filter want = query->filter;
	struct problem problem;
	struct query next;
	struct span text;
	struct buf line;

	if (want.order == STORE_ASCENDING) {
		want.has_after = true;
		want.after = last_id;
	} else {
		want.has_before = true;
		want.before = last_id;
	}
	problem_init(&problem);
	buf_init(&line, LINK_BYTES_MAX);
	query_init(&next);
	query_append_next(&line, query, last_id);
	assert(buf_error(&line) == ERR_OK);
	if (is_cursor(buf_span(&line), &want, last_id)) {
		assert(query->form.storage.length > 2000);
		buf_deinit(&line);
		return;
	}
	text = query_of_link(buf_span(&line));
	assert(query_parse(&next, text, &problem) == ERR_OK);
	assert(same_texts(&next.filter, &want));
	assert(same_number(next.filter.has_id, next.filter.id, want.has_id,
			   want.id));
	assert(same_number(next.filter.has_after, next.filter.after,
			   want.has_after, want.after));
	assert(same_number(next.filter.has_before, next.filter.before,
			   want.has_before, want.before));
	assert(next.filter.order == want.order);
	assert(next.filter.limit == want.limit);
	query_deinit(&next);
	buf_deinit(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problem problem;
	struct query query;
	enum err err;

	problem_init(&problem);
	query_init(&query);
	err = query_parse(&query, fuzz_span(data, size), &problem);
	if (err == ERR_OK) {
		check_filter(&query.filter);
		check_link(&query, 1);
		check_link(&query, INT64_MAX - size);
	} else {
		assert(err == ERR_INVALID_PARAMETER);
		check_problem(&problem, err);
	}
	query_deinit(&query);
	return 0;
}
