/* SPDX-License-Identifier: MIT */
#include "inbox/message.h"

#include <string.h>

#include "text/json_write.h"
#include "text/utf8.h"

/* The rules that From and Content share. */
static int check_text(struct span name, struct span value,
		      struct problem *problem)
{
	size_t bad = utf8_first_bad(value);
	const char *nul = NULL;
	int faults = 0;

	if (value.length == 0) {
		problem_add_fault(problem, name, "empty",
				  "empty; at least 1 character");
		return 1;
	}
	if (bad < value.length) {
		problem_add_fault(problem, name, "not_utf8",
				  "byte 0x%02x at offset %zu is not UTF-8",
				  (unsigned int)(unsigned char)value.data[bad],
				  bad);
		faults++;
	}
	nul = memchr(value.data, '\0', value.length);
	if (nul != NULL) {
		problem_add_fault(problem, name, "nul_character",
				  "U+0000 at byte offset %zu; any other "
				  "character is allowed",
				  (size_t)(nul - value.data));
		faults++;
	}
	return faults;
}

int message_check_from(struct span value, struct problem *problem)
{
	struct span name = SPAN("From");
	int faults = check_text(name, value, problem);
	size_t characters;

	/* What is not UTF-8 has no characters that one could count. */
	if (!utf8_valid(value))
		return faults;
	characters = utf8_count(value);
	if (characters > MESSAGE_FROM_CHARACTERS_MAX) {
		problem_add_fault(problem, name, "too_long",
				  "%zu characters; at most %d", characters,
				  MESSAGE_FROM_CHARACTERS_MAX);
		faults++;
	}
	return faults;
}

int message_check_content(struct span value, struct problem *problem)
{
	struct span name = SPAN("Content");
	int faults = check_text(name, value, problem);

	if (value.length > MESSAGE_CONTENT_BYTES_MAX) {
		problem_add_fault(problem, name, "too_long",
				  "%zu bytes; at most %d", value.length,
				  MESSAGE_CONTENT_BYTES_MAX);
		faults++;
	}
	return faults;
}

void message_append_json(struct buf *out, const struct message *message)
{
	buf_append_text(out, "{\"ID\":");
	buf_append_u64(out, message->id);
	buf_append_text(out, ",\"From\":");
	json_append_string(out, message->from);
	buf_append_text(out, ",\"Content\":");
	json_append_string(out, message->content);
	buf_append_text(out, ",\"Date\":\"");
	buf_append_text(out, message->date);
	buf_append_text(out, "\"}");
}
