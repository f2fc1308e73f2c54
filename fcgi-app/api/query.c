/* SPDX-License-Identifier: MIT */
#include "api/query.h"

#include <inttypes.h>

#include "inbox/message.h"

#define ID_MAX ((uint64_t)INT64_MAX)

static const char known_names[] =
	"Known parameters: From, Content, ID, after, before, order and limit.";

/* Reads one value into the filter, or adds a fault to the problem. */
typedef void read_fn(struct store_filter *filter, struct span value,
		     struct problem *problem);

static void read_number(struct span name, struct span value, uint64_t min,
			uint64_t max, uint64_t *number_r,
			struct problem *problem)
{
	uint64_t number = 0;
	bool digits = value.length > 0;
	bool fits = value.length <= 19; /* as INT64_MAX does */
	char quoted[64];

	for (size_t i = 0; digits && i < value.length; i++) {
		digits = value.data[i] >= '0' && value.data[i] <= '9';
		number = number * 10 + (uint64_t)(value.data[i] - '0');
	}
	if (digits && fits && number >= min && number <= max) {
		*number_r = number;
		return;
	}
	problem_add_fault(
		problem, name, digits ? "out_of_range" : "not_a_number",
		"\"%s\"; it must be a whole number from %" PRIu64
		" to %" PRIu64,
		problem_quote(value, quoted, sizeof(quoted)), min, max);
}

static void read_from(struct store_filter *filter, struct span value,
		      struct problem *problem)
{
	filter->from = value;
	filter->has_from = true;
	message_check_from(value, problem);
}

static void read_content(struct store_filter *filter, struct span value,
			 struct problem *problem)
{
	filter->content = value;
	filter->has_content = true;
	message_check_content(value, problem);
}

static void read_id(struct store_filter *filter, struct span value,
		    struct problem *problem)
{
	filter->has_id = true;
	read_number(SPAN("ID"), value, 1, ID_MAX, &filter->id, problem);
}

static void read_after(struct store_filter *filter, struct span value,
		       struct problem *problem)
{
	filter->has_after = true;
	read_number(SPAN("after"), value, 0, ID_MAX, &filter->after, problem);
}

static void read_before(struct store_filter *filter, struct span value,
			struct problem *problem)
{
	filter->has_before = true;
	read_number(SPAN("before"), value, 0, ID_MAX, &filter->before, problem);
}

static void read_order(struct store_filter *filter, struct span value,
		       struct problem *problem)
{
	char quoted[64];

	if (span_equal(value, SPAN("asc"))) {
		filter->order = STORE_ASCENDING;
		return;
	}
	if (span_equal(value, SPAN("desc"))) {
		filter->order = STORE_DESCENDING;
		return;
	}
	problem_add_fault(problem, SPAN("order"), "not_allowed",
			  "\"%s\"; it must be asc (oldest first) or desc",
			  problem_quote(value, quoted, sizeof(quoted)));
}

static void read_limit(struct store_filter *filter, struct span value,
		       struct problem *problem)
{
	read_number(SPAN("limit"), value, 1, QUERY_LIMIT_MAX, &filter->limit,
		    problem);
}

static const struct {
	struct span name;
	read_fn *read;
} parameters[] = {
	{ { "From", 4 }, read_from },     { { "Content", 7 }, read_content },
	{ { "ID", 2 }, read_id },         { { "after", 5 }, read_after },
	{ { "before", 6 }, read_before }, { { "order", 5 }, read_order },
	{ { "limit", 5 }, read_limit },
};

enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

void query_init(struct query *query)
{
	*query = (struct query){ .filter = { .order = STORE_ASCENDING } };
	form_init(&query->form);
}

void query_deinit(struct query *query)
{
	form_deinit(&query->form);
}

static void read_field(struct query *query, const struct form_field *field,
		       unsigned *seen, struct problem *problem)
{
	for (unsigned i = 0; i < PARAMETERS; i++) {
		if (!span_equal(field->name, parameters[i].name))
			continue;
		if (*seen & 1u << i) {
			problem_add_fault(problem, field->name, "duplicate",
					  "given more than once");
			return;
		}
		*seen |= 1u << i;
		parameters[i].read(&query->filter, field->value, problem);
		return;
	}
	problem_add_fault(problem, field->name, "unknown",
			  "there is no such parameter");
}

enum err query_parse(struct query *query, struct span text,
		     struct problem *problem)
{
	enum err err = form_parse_urlencoded(&query->form, text, problem);
	unsigned seen = 0;

	if (err == ERR_INVALID_FORM && problem->fault_count == 0)
		return problem_set(problem, ERR_INVALID_PARAMETER,
				   "More than %d parameters. %s",
				   FORM_FIELDS_MAX, known_names);
	if (err != ERR_OK && err != ERR_INVALID_FORM)
		return err;

	for (size_t i = 0; err == ERR_OK && i < query->form.count; i++)
		read_field(query, &query->form.fields[i], &seen, problem);
	if (problem->fault_count == 0)
		return ERR_OK;
	return problem_set_from_faults(problem, ERR_INVALID_PARAMETER,
				       known_names);
}

static void append_text(struct buf *out, const char *name, struct span value)
{
	buf_appendf(out, "%s=", name);
	form_append_escaped(out, value);
	buf_append_char(out, '&');
}

static void append_number(struct buf *out, const char *name, uint64_t value)
{
	buf_appendf(out, "%s=%" PRIu64 "&", name, value);
}

static void append_link(struct buf *headers, const struct store_filter *filter,
			uint64_t last_id)
{
	bool descending = filter->order == STORE_DESCENDING;

	buf_append_text(headers, "Link: </api/message?");
	if (filter->has_from)
		append_text(headers, "From", filter->from);
	if (filter->has_content)
		append_text(headers, "Content", filter->content);
	if (filter->has_id)
		append_number(headers, "ID", filter->id);
	if (descending)
		append_text(headers, "order", SPAN("desc"));
	if (filter->limit > 0)
		append_number(headers, "limit", filter->limit);
	/* The cursor that moves on; the other one stays as it was. */
	if (descending && filter->has_after)
		append_number(headers, "after", filter->after);
	if (!descending && filter->has_before)
		append_number(headers, "before", filter->before);
	buf_appendf(headers, "%s=%" PRIu64 ">; rel=\"next\"",
		    descending ? "before" : "after", last_id);
}

void query_append_next(struct buf *headers, const struct query *query,
		       uint64_t last_id)
{
	bool descending = query->filter.order == STORE_DESCENDING;
	struct buf link;

	buf_init(&link, QUERY_LINK_BYTES_MAX);
	append_link(&link, &query->filter, last_id);
	if (buf_error(&link) == ERR_OK)
		buf_append_span(headers, buf_span(&link));
	else
		buf_appendf(headers, "Continue-%s: %" PRIu64,
			    descending ? "Before" : "After", last_id);
	buf_append_text(headers, "\r\n");
	buf_deinit(&link);
}
