/* SPDX-License-Identifier: MIT */
#include "api/query.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { KNOWN_BYTES = 256 /* half of a problem's detail */ };

/* A value of a parameter, as it was sent, becomes the filter's or a fault. */
typedef void read_fn(struct filter *filter, enum filter_key key,
		     struct span value, struct problem *problem);

static void read_text(struct filter *filter, enum filter_key key,
		      struct span value, struct problem *problem)
{
	filter_set_text(filter, key, value);
	(void)filter_parameters[key].check(value, problem);
}

static void read_number(struct filter *filter, enum filter_key key,
			struct span value, struct problem *problem)
{
	const struct filter_parameter *parameter = &filter_parameters[key];
	uint64_t number = 0;
	bool digits = value.length > 0;
	bool fits = value.length <= 19; /* as INT64_MAX does */
	char quoted[64];

	for (size_t i = 0; digits && i < value.length; i++) {
		digits = value.data[i] >= '0' && value.data[i] <= '9';
		number = number * 10 + (uint64_t)(value.data[i] - '0');
	}
	if (digits && fits && number >= parameter->min &&
	    number <= parameter->max) {
		filter_set_number(filter, key, number);
		return;
	}
	problem_add_fault(problem, parameter->name,
			  digits ? "out_of_range" : "not_a_number",
			  "\"%s\"; it must be a whole number from %" PRIu64
			  " to %" PRIu64,
			  problem_quote(value, quoted, sizeof(quoted)),
			  parameter->min, parameter->max);
}

static void read_choice(struct filter *filter, enum filter_key key,
			struct span value, struct problem *problem)
{
	const struct filter_parameter *parameter = &filter_parameters[key];
	char quoted[64];

	if (span_equal(value, span_of(parameter->choices[0])))
		return;
	if (span_equal(value, span_of(parameter->choices[1]))) {
		filter_set_number(filter, key, 1);
		return;
	}
	problem_add_fault(problem, parameter->name, "not_allowed",
			  "\"%s\"; it must be %s",
			  problem_quote(value, quoted, sizeof(quoted)),
			  parameter->meaning);
}

void query_init(struct query *query)
{
	*query = (struct query){ .filter = { .given = 0 } };
	form_init(&query->form);
}

void query_deinit(struct query *query)
{
	form_deinit(&query->form);
}

/* seen: FILTER_BIT() of each parameter that came before. */
static void read_field(struct query *query, const struct form_field *field,
		       unsigned *seen, struct problem *problem)
{
	static read_fn *const read_value[] = {
		[FILTER_TEXT] = read_text,
		[FILTER_NUMBER] = read_number,
		[FILTER_CHOICE] = read_choice,
	};

	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		if (!span_equal(field->name, filter_parameters[key].name))
			continue;
		if (*seen & FILTER_BIT(key)) {
			problem_add_fault(problem, field->name, "duplicate",
					  "given more than once");
			return;
		}
		*seen |= FILTER_BIT(key);
		read_value[filter_parameters[key].kind](&query->filter, key,
							field->value, problem);
		return;
	}
	problem_add_fault(problem, field->name, "unknown",
			  "there is no such parameter");
}

/* "Known parameters: From, Content, … and limit." Returns out. */
static const char *write_known(char out[KNOWN_BYTES])
{
	size_t length = 0;

	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		bool last = key == FILTER_KEYS - 1;
		int added = snprintf(
			out + length, KNOWN_BYTES - length, "%s%s%s",
			key == 0 ? "Known parameters: "
			: last   ? " and "
				 : ", ",
			filter_parameters[key].name.data, last ? "." : "");

		assert(added > 0 && (size_t)added < KNOWN_BYTES - length);
		length += (size_t)added;
	}
	return out;
}

enum err query_parse(struct query *query, struct span text,
		     struct problem *problem)
{
	enum err err = form_parse_urlencoded(&query->form, text, problem);
	char known[KNOWN_BYTES];
	unsigned seen = 0;

	if (err == ERR_INVALID_FORM && problem->fault_count == 0)
		return problem_set(problem, ERR_INVALID_PARAMETER,
				   "More than %d parameters. %s",
				   FORM_FIELDS_MAX, write_known(known));
	if (err != ERR_OK && err != ERR_INVALID_FORM)
		return err;

	for (size_t i = 0; err == ERR_OK && i < query->form.count; i++)
		read_field(query, &query->form.fields[i], &seen, problem);
	if (problem->fault_count == 0)
		return ERR_OK;
	return problem_set_from_faults(problem, ERR_INVALID_PARAMETER,
				       write_known(known));
}

static void append_value(struct buf *out, enum filter_key key,
			 const union filter_value *value)
{
	const struct filter_parameter *parameter = &filter_parameters[key];

	switch (parameter->kind) {
	case FILTER_TEXT:
		form_append_escaped(out, value->text);
		break;
	case FILTER_NUMBER:
		buf_append_u64(out, value->number);
		break;
	case FILTER_CHOICE:
		buf_append_text(out, parameter->choices[value->number]);
		break;
	}
}

/* The cursor stands last, and the one that was given is not repeated. */
static void append_link(struct buf *out, const struct filter *filter,
			enum filter_key cursor, uint64_t last_id)
{
	buf_append_text(out, "Link: </api/message?");
	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		if (key == cursor || !filter_has(filter, key))
			continue;
		buf_append_span(out, filter_parameters[key].name);
		buf_append_char(out, '=');
		append_value(out, key, &filter->values[key]);
		buf_append_char(out, '&');
	}
	buf_appendf(out, "%s=%" PRIu64 ">; rel=\"next\"",
		    filter_parameters[cursor].name.data, last_id);
}

void query_append_next(struct buf *headers, const struct query *query,
		       uint64_t last_id)
{
	enum filter_key cursor = filter_cursor(&query->filter);
	struct buf link;

	buf_init(&link, QUERY_LINK_BYTES_MAX);
	append_link(&link, &query->filter, cursor, last_id);
	if (buf_error(&link) == ERR_FULL)
		buf_appendf(headers, "Continue-%s: %" PRIu64,
			    cursor == FILTER_AFTER ? "After" : "Before",
			    last_id);
	else if (buf_error(&link) == ERR_OK)
		buf_append_span(headers, buf_span(&link));
	else
		headers->error = buf_error(&link);
	buf_append_text(headers, "\r\n");
	buf_deinit(&link);
}
