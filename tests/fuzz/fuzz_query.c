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

static struct span text_or(const struct filter *filter, enum filter_key key,
			   struct span otherwise)
{
	return filter_has(filter, key) ? filter->values[key].text : otherwise;
}

static void check_filter(const struct filter *filter)
{
	const struct span some = SPAN("a");

	check_message(text_or(filter, FILTER_FROM, some),
		      text_or(filter, FILTER_CONTENT, some));
	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		const struct filter_parameter *parameter =
			&filter_parameters[key];
		uint64_t number = filter->values[key].number;

		if (!filter_has(filter, key))
			continue;
		if (parameter->kind == FILTER_NUMBER)
			assert(number >= parameter->min &&
			       number <= parameter->max);
		if (parameter->kind == FILTER_CHOICE)
			assert(number == FILTER_DESCENDING);
	}
	assert(!filter->ids_only);
}

/* Whether line, too long for a Link, is the cursor alone. */
static bool is_cursor(struct span line, const struct filter *filter,
		      uint64_t last_id)
{
	char want[64];
	int length = snprintf(
		want, sizeof(want), "Continue-%s: %" PRIu64 "\r\n",
		filter_has(filter, FILTER_ORDER) ? "Before" : "After", last_id);

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

static bool same(const struct filter *a, const struct filter *b)
{
	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		const union filter_value *left = &a->values[key];
		const union filter_value *right = &b->values[key];

		if (filter_has(a, key) &&
		    (filter_parameters[key].kind == FILTER_TEXT
			     ? !span_equal(left->text, right->text)
			     : left->number != right->number))
			return false;
	}
	return a->given == b->given;
}

/* The next page has the same filters, but begins behind last_id. */
static void check_link(const struct query *query, uint64_t last_id)
{
	struct filter want = query->filter;
	struct problem problem;
	struct query next;
	struct span text;
	struct buf line;

	filter_set_number(&want, filter_cursor(&want), last_id);
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
	assert(same(&next.filter, &want));
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
