/* SPDX-License-Identifier: MIT */
#include "text/problem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text/json_write.h"
#include "text/utf8.h"

#define TYPE_PREFIX "urn:buzon:problem:"
#define ELLIPSIS "\xe2\x80\xa6"

enum {
	QUOTE_CHARACTERS_MAX = 60,
	ELLIPSIS_BYTES = sizeof(ELLIPSIS) - 1,
	/* A character cut off at the end of it finds no place anyway. */
	SCRATCH_BYTES = PROBLEM_DETAIL_BYTES + 4,
	/* "And N more. " of any N. */
	REST_BYTES = sizeof("And 18446744073709551615 more. "),
};

/* The first character of rest as it is shown; *taken_r is its length there. */
static struct span shown_character(struct span rest, bool controls_too,
				   size_t *taken_r)
{
	uint32_t code_point;

	*taken_r = utf8_next(rest, &code_point);
	if (code_point == UTF8_REPLACEMENT)
		return SPAN(UTF8_REPLACEMENT_TEXT);
	if (utf8_is_control(code_point) && !controls_too)
		return SPAN("?");
	return (struct span){ rest.data, *taken_r };
}

/* Copies what fits of text, always valid UTF-8, and ends it with a NUL. */
static void copy_valid(char *out, size_t size, struct span text,
		       bool controls_too)
{
	size_t length = 0;
	size_t taken;

	for (; text.length > 0; text = span_from(text, taken)) {
		struct span shown = shown_character(text, controls_too, &taken);

		if (length + shown.length > size - 1)
			break;
		memcpy(out + length, shown.data, shown.length);
		length += shown.length;
	}
	out[length] = '\0';
}

static void format_valid(char *out, size_t size, const char *format,
			 va_list arguments)
	__attribute__((format(printf, 3, 0)));

static void format_valid(char *out, size_t size, const char *format,
			 va_list arguments)
{
	char scratch[SCRATCH_BYTES];

	/* It fails only without memory: no detail is then better than half. */
	if (vsnprintf(scratch, sizeof(scratch), format, arguments) < 0)
		scratch[0] = '\0';
	copy_valid(out, size, span_of(scratch), true);
}

void problem_init(struct problem *problem)
{
	/* The texts of faults that are not counted are never looked at. */
	problem->err = ERR_OK;
	problem->detail[0] = '\0';
	problem->fault_count = 0;
}

enum err problem_set(struct problem *problem, enum err err, const char *format,
		     ...)
{
	va_list arguments;

	problem->err = err;
	va_start(arguments, format);
	format_valid(problem->detail, sizeof(problem->detail), format,
		     arguments);
	va_end(arguments);
	return err;
}

void problem_add_fault(struct problem *problem, struct span field,
		       const char *code, const char *format, ...)
{
	struct problem_fault *fault;
	va_list arguments;

	problem->fault_count++;
	if (problem->fault_count > PROBLEM_FAULTS_MAX)
		return;
	fault = &problem->faults[problem->fault_count - 1];
	copy_valid(fault->field, sizeof(fault->field), field, false);
	fault->code = code;
	va_start(arguments, format);
	format_valid(fault->detail, sizeof(fault->detail), format, arguments);
	va_end(arguments);
}

enum err problem_set_from_faults(struct problem *problem, enum err err,
				 const char *advice)
{
	char sentence[PROBLEM_FIELD_BYTES + PROBLEM_FAULT_DETAIL_BYTES + 4];
	size_t room = sizeof(problem->detail) - strlen(advice) - 1;
	size_t count = problem->fault_count;
	size_t length = 0;
	size_t i;

	problem->err = err;
	for (i = 0; i < count && i < PROBLEM_FAULTS_MAX; i++) {
		const struct problem_fault *fault = &problem->faults[i];
		size_t left = i + 1 < count ? room - REST_BYTES : room;
		int added = snprintf(sentence, sizeof(sentence), "%s: %s. ",
				     fault->field, fault->detail);

		if (added < 0 || length + (size_t)added > left)
			break;
		memcpy(problem->detail + length, sentence, (size_t)added);
		length += (size_t)added;
	}
	if (i < count) {
		int added = snprintf(problem->detail + length, REST_BYTES,
				     i > 0 ? "And %zu more. " : "%zu faults. ",
				     count - i);

		length += added < 0 ? 0 : (size_t)added;
	}
	if (advice[0] == '\0' && length > 0)
		length--; /* the last blank */
	memcpy(problem->detail + length, advice, strlen(advice) + 1);
	return err;
}

static void append_member(struct buf *buf, const char *name, const char *value)
{
	json_append_string(buf, span_of(name));
	buf_append_char(buf, ':');
	json_append_string(buf, span_of(value));
}

static void append_faults(struct buf *buf, const struct problem *problem)
{
	size_t i;

	buf_append_text(buf, ",\"errors\":[");
	for (i = 0; i < problem->fault_count && i < PROBLEM_FAULTS_MAX; i++) {
		const struct problem_fault *fault = &problem->faults[i];

		buf_append_text(buf, i == 0 ? "{" : ",{");
		append_member(buf, "field", fault->field);
		buf_append_char(buf, ',');
		append_member(buf, "code", fault->code);
		buf_append_char(buf, ',');
		append_member(buf, "detail", fault->detail);
		buf_append_char(buf, '}');
	}
	buf_append_char(buf, ']');
}

void problem_append_json(struct buf *buf, const struct problem *problem)
{
	const char *code = err_code(problem->err);
	const char *title = err_title(problem->err);
	const char *detail =
		problem->detail[0] == '\0' ? title : problem->detail;

	buf_append_text(buf, "{\"type\":\"" TYPE_PREFIX);
	buf_append_text(buf, code);
	buf_append_text(buf, "\",");
	append_member(buf, "title", title);
	buf_append_text(buf, ",\"status\":");
	buf_append_u64(buf, (uint64_t)err_http_status(problem->err));
	buf_append_char(buf, ',');
	append_member(buf, "detail", detail);
	buf_append_char(buf, ',');
	append_member(buf, "code", code);
	if (problem->fault_count > 0)
		append_faults(buf, problem);
	buf_append_char(buf, '}');
}

const char *problem_quote(struct span text, char *out, size_t size)
{
	size_t characters = 0;
	size_t length = 0;
	size_t cut = 0; /* where "…" still finds its place */
	size_t taken;

	for (; text.length > 0; text = span_from(text, taken)) {
		struct span shown = shown_character(text, false, &taken);

		if (characters < QUOTE_CHARACTERS_MAX &&
		    length + ELLIPSIS_BYTES <= size - 1)
			cut = length;
		if (characters == QUOTE_CHARACTERS_MAX ||
		    length + shown.length > size - 1)
			break;
		memcpy(out + length, shown.data, shown.length);
		length += shown.length;
		characters++;
	}
	if (text.length > 0 && size > ELLIPSIS_BYTES) {
		memcpy(out + cut, ELLIPSIS, ELLIPSIS_BYTES);
		length = cut + ELLIPSIS_BYTES;
	}
	out[length] = '\0';
	return out;
}
