/* SPDX-License-Identifier: MIT */
#include "inbox/message_draft.h"

#include <assert.h>
#include <string.h>

#include "inbox/message.h"
#include "text/json.h"
#include "text/utf8.h"

typedef int check_fn(struct span value, struct problem *problem);

static const struct field {
	struct span name;
	check_fn *check;
} fields[] = {
	{ { "From", 4 }, message_check_from },
	{ { "Content", 7 }, message_check_content },
};

enum { FROM, CONTENT, FIELDS_COUNT };

/* What was sent for one field. Where it was given twice, value is the first. */
struct input {
	struct span value;
	size_t count;
	enum json_value_type type;
	enum json_string_fault fault;
};

/* What the visitor of a JSON body finds. The values are still as written. */
struct members {
	struct input inputs[FIELDS_COUNT];
	struct problem *problem;
};

static const char *const type_names[] = {
	[JSON_NULL] = "null",       [JSON_BOOLEAN] = "a boolean",
	[JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
	[JSON_ARRAY] = "an array",  [JSON_OBJECT] = "an object",
};

void message_draft_init(struct message_draft *draft)
{
	*draft = (struct message_draft){ 0 };
	buf_init(&draft->storage, 0);
}

void message_draft_deinit(struct message_draft *draft)
{
	buf_deinit(&draft->storage);
	message_draft_init(draft);
}

static void check_string_fault(struct span name, const struct input *input,
			       struct problem *problem)
{
	size_t bad;

	if (input->fault == JSON_STRING_LONE_SURROGATE) {
		problem_add_fault(problem, name, "not_utf8",
				  "half of a surrogate pair (\\ud800 to "
				  "\\udfff) without its other half; UTF-8 "
				  "has no such character");
		return;
	}
	/* Not counting the quote that it begins with. */
	bad = utf8_first_bad(input->value);
	problem_add_fault(problem, name, "not_utf8",
			  "byte 0x%02x at offset %zu is not UTF-8",
			  (unsigned int)(unsigned char)input->value.data[bad],
			  bad - 1);
}

/* Adds what is wrong with how a field was sent; true where it has a value. */
static bool check_input(struct span name, const struct input *input,
			struct problem *problem)
{
	if (input->count == 0) {
		problem_add_fault(problem, name, "missing",
				  "missing; must be given once");
		return false;
	}
	if (input->count > 1)
		problem_add_fault(problem, name, "duplicate",
				  "given %zu times; must be given once",
				  input->count);
	if (input->type != JSON_STRING) {
		problem_add_fault(problem, name, "not_a_string",
				  "%s; must be a string",
				  type_names[input->type]);
		return false;
	}
	if (input->fault != JSON_STRING_GOOD) {
		check_string_fault(name, input, problem);
		return false;
	}
	return true;
}

static enum err conclude(struct problem *problem)
{
	if (problem->fault_count == 0)
		return ERR_OK;
	return problem_set_from_faults(problem, ERR_INVALID_MESSAGE, "");
}

static struct input *find_input(struct input inputs[FIELDS_COUNT],
				struct span name)
{
	size_t i;

	for (i = 0; i < FIELDS_COUNT; i++) {
		if (span_equal(name, fields[i].name))
			return &inputs[i];
	}
	return NULL;
}

static void add_input(struct input *input, struct span value,
		      enum json_value_type type, enum json_string_fault fault)
{
	input->count++;
	if (input->count > 1)
		return;
	input->value = value;
	input->type = type;
	input->fault = fault;
}

static bool has_escape(struct span raw)
{
	return raw.length > 0 && memchr(raw.data, '\\', raw.length) != NULL;
}

static struct span without_quotes(struct span raw)
{
	return (struct span){ raw.data + 1, raw.length - 2 };
}

/* The input that a member is for (NULL: none), its name decoded. */
static enum err find_member(struct members *members, struct span raw_name,
			    struct input **input_r)
{
	struct buf name;
	enum err err;

	if (!has_escape(raw_name)) {
		*input_r =
			find_input(members->inputs, without_quotes(raw_name));
		return ERR_OK;
	}
	buf_init(&name, raw_name.length);
	err = json_decode_string(raw_name, &name);
	if (err == ERR_OK)
		*input_r = find_input(members->inputs, buf_span(&name));
	buf_deinit(&name);
	return err;
}

static enum err visit_member(const struct json_member *member, void *context)
{
	struct members *members = context;
	struct input *input = NULL;
	char name[128];
	enum err err;

	assert(members != NULL);
	err = find_member(members, member->name, &input);
	if (err != ERR_OK)
		return problem_set(members->problem, err, "%s", err_title(err));
	if (input != NULL) {
		add_input(input, member->value, member->type, member->fault);
		return ERR_OK;
	}
	if (member->fault == JSON_STRING_GOOD)
		return ERR_OK;
	problem_quote(member->name, name, sizeof(name));
	return problem_set(members->problem, ERR_INVALID_JSON,
			   "the string of the member %s %s", name,
			   member->fault == JSON_STRING_NOT_UTF8
				   ? "is not UTF-8"
				   : "holds half of a surrogate pair without "
				     "its other half");
}

/*
 * Makes room for all that is going to be decoded, because storage must not move
 * while a span points into it. No string is longer decoded than as written.
 */
static enum err reserve_storage(struct buf *storage,
				const struct input inputs[FIELDS_COUNT])
{
	size_t needed = 0;
	size_t i;

	for (i = 0; i < FIELDS_COUNT; i++) {
		if (has_escape(inputs[i].value))
			needed += inputs[i].value.length;
	}
	buf_deinit(storage);
	buf_init(storage, needed);
	if (needed > 0)
		(void)buf_reserve(storage, needed);
	return buf_error(storage);
}

/* Decodes a checked string to the end of storage, or finds it in the body. */
static enum err decode_value(struct buf *storage, struct span raw,
			     struct span *value_r)
{
	size_t offset = storage->length;
	enum err err;

	if (!has_escape(raw)) {
		*value_r = without_quotes(raw);
		return ERR_OK;
	}
	err = json_decode_string(raw, storage);
	if (err == ERR_OK)
		*value_r = span_from(buf_span(storage), offset);
	return err;
}

enum err message_draft_from_json(struct message_draft *draft, struct span body,
				 struct problem *problem)
{
	struct members members = { .problem = problem };
	struct span values[FIELDS_COUNT] = { 0 };
	enum err err;
	size_t i;

	err = json_scan_object(body, visit_member, &members, problem);
	if (err != ERR_OK)
		return err;

	err = reserve_storage(&draft->storage, members.inputs);
	for (i = 0; i < FIELDS_COUNT && err == ERR_OK; i++) {
		if (!check_input(fields[i].name, &members.inputs[i], problem))
			continue;
		err = decode_value(&draft->storage, members.inputs[i].value,
				   &values[i]);
		if (err == ERR_OK)
			(void)fields[i].check(values[i], problem);
	}
	if (err != ERR_OK)
		return problem_set(problem, err, "%s", err_title(err));
	draft->from = values[FROM];
	draft->content = values[CONTENT];
	return conclude(problem);
}

enum err message_draft_from_form(struct message_draft *draft,
				 const struct form *form,
				 struct problem *problem)
{
	struct input inputs[FIELDS_COUNT] = { 0 };
	struct input *input;
	enum err err;
	size_t i;

	for (i = 0; i < form->count; i++) {
		input = find_input(inputs, form->fields[i].name);
		if (input == NULL)
			continue;
		err = form_check_encoding(&form->fields[i], problem);
		if (err != ERR_OK)
			return err;
		add_input(input, form->fields[i].value, JSON_STRING,
			  JSON_STRING_GOOD);
	}
	for (i = 0; i < FIELDS_COUNT; i++) {
		if (check_input(fields[i].name, &inputs[i], problem))
			(void)fields[i].check(inputs[i].value, problem);
	}
	draft->from = inputs[FROM].value;
	draft->content = inputs[CONTENT].value;
	return conclude(problem);
}
