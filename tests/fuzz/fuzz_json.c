/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include <json-c/json.h>

#include "checks.h"
#include "fuzz.h"
#include "inbox/message.h"
#include "inbox/message_draft.h"
#include "reference_json.h"

/* A JSON body, as handle_message_post() has it read. */

static bool contains(struct span text, const char *word)
{
	return memmem(text.data, text.length, word, strlen(word)) != NULL;
}

static void check_member(struct json_object *object, const char *name,
			 struct span value)
{
	struct json_object *member = NULL;

	assert(json_object_object_get_ex(object, name, &member));
	assert(json_object_is_type(member, json_type_string));
	assert((size_t)json_object_get_string_len(member) == value.length);
	assert(memcmp(json_object_get_string(member), value.data,
		      value.length) == 0);
}

/* What was accepted says the same to json-c, where json-c is right. */
static void check_against_json_c(struct span body, struct span from,
				 struct span content)
{
	struct json_tokener *tokener = json_tokener_new_ex(64);
	struct json_object *object;

	assert(tokener != NULL);
	object = json_tokener_parse_ex(tokener, body.data, (int)body.length);
	assert(object != NULL);
	/*
	 * Up to 0.18 it makes U+FFFD of some pairs, and a name ends for it
	 * where it has a NUL.
	 */
	if (!contains(body, "\\ud") && !contains(body, "\\uD") &&
	    !contains(body, "\\u0000")) {
		check_member(object, "From", from);
		check_member(object, "Content", content);
	}
	json_object_put(object);
	json_tokener_free(tokener);
}

/* Written out and read again it is the same message, byte for byte. */
static void check_round_trip(struct span from, struct span content)
{
	const struct message message = {
		.id = UINT64_MAX,
		.from = from,
		.content = content,
		.date = "2026-11-21T17:15:39.997179Z",
	};
	struct message_draft again;
	struct problem problem;
	struct buf text;

	problem_init(&problem);
	buf_init(&text, MESSAGE_JSON_BYTES_MAX);
	message_append_json(&text, &message);
	assert(buf_error(&text) == ERR_OK);
	assert(is_json(buf_span(&text)));
	message_draft_init(&again);
	assert(message_draft_from_json(&again, buf_span(&text), &problem) ==
	       ERR_OK);
	assert(span_equal(again.from, from));
	assert(span_equal(again.content, content));
	message_draft_deinit(&again);
	buf_deinit(&text);
}

static void check_refusal(struct span body, const struct problem *problem,
			  enum err err)
{
	check_problem(problem, err);
	if (err == ERR_INVALID_JSON) {
		assert(body.length == 0 || body.data[0] != '{' ||
		       !is_json(body));
		return;
	}
	assert(err == ERR_INVALID_MESSAGE);
	assert(problem->fault_count > 0);
	assert(is_json_grammar(body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body = fuzz_span(data, size);
	struct message_draft draft;
	struct problem problem;
	enum err err;

	problem_init(&problem);
	message_draft_init(&draft);
	err = message_draft_from_json(&draft, body, &problem);
	if (err == ERR_OK) {
		assert(is_json(body));
		check_message(draft.from, draft.content);
		check_against_json_c(body, draft.from, draft.content);
		check_round_trip(draft.from, draft.content);
	} else {
		check_refusal(body, &problem, err);
	}
	message_draft_deinit(&draft);
	return 0;
}
