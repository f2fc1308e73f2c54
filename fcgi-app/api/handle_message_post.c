/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "http/form.h"
#include "inbox/message.h"
#include "inbox/message_draft.h"

enum { IDEMPOTENCY_KEY_MAX = 255 };

struct post {
	struct append append; /* first: appended() casts */
	struct exchange *exchange;
	struct form form;
	struct message_draft draft;
};

static void post_free(void *state)
{
	struct post *post = state;

	message_draft_deinit(&post->draft);
	form_deinit(&post->form);
	free(post);
}

static struct post *post_new(struct exchange *exchange)
{
	struct post *post = calloc(1, sizeof(*post));

	if (post == NULL)
		return NULL;
	post->exchange = exchange;
	form_init(&post->form);
	message_draft_init(&post->draft);
	exchange->state = post;
	exchange->free_state = post_free;
	return post;
}

/*
 * A body that ended before its Content-Length was cut on its way. A longer one
 * is whole: some web servers announce what they had when they began to send.
 */
static enum err check_length(const struct http_request *request,
			     struct problem *problem)
{
	char text[24] = "";
	uintmax_t announced;
	char *end;

	if (request->content_length.data == NULL)
		return ERR_OK;
	if (request->content_length.length < sizeof(text))
		memcpy(text, request->content_length.data,
		       request->content_length.length);
	announced = strtoumax(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0') {
		char quoted[64];

		return problem_set(problem, ERR_INVALID_HEADER,
				   "Content-Length is \"%s\"; it must be the "
				   "number of bytes in the body.",
				   problem_quote(request->content_length,
						 quoted, sizeof(quoted)));
	}
	if (request->body.length < announced)
		return problem_set(problem, ERR_TRUNCATED_BODY,
				   "The body ended after %zu of the %ju bytes "
				   "that Content-Length announces. Nothing was "
				   "stored.",
				   request->body.length, announced);
	return ERR_OK;
}

static enum err check_key(const struct http_request *request,
			  struct problem *problem)
{
	const char *detail = "An Idempotency-Key is 1 to 255 visible ASCII "
			     "characters.";
	struct span key = request->idempotency_key;
	char quoted[128];

	/* Web servers send two headers of one name apart, or joined by ", ". */
	if (request->idempotency_key_repeated ||
	    (key.length > 0 && memmem(key.data, key.length, ", ", 2) != NULL)) {
		problem_add_fault(problem, SPAN("Idempotency-Key"), "duplicate",
				  "was given more than once");
		return problem_set(problem, ERR_INVALID_HEADER,
				   "The header Idempotency-Key was given more "
				   "than once; it must be given once at most.");
	}
	if (key.data == NULL || http_visible_ascii(key, IDEMPOTENCY_KEY_MAX))
		return ERR_OK;
	problem_add_fault(
		problem, SPAN("Idempotency-Key"),
		key.length == 0                    ? "empty"
		: key.length > IDEMPOTENCY_KEY_MAX ? "too_long"
						   : "not_visible_ascii",
		"\"%s\", %zu bytes", problem_quote(key, quoted, sizeof(quoted)),
		key.length);
	return problem_set(problem, ERR_INVALID_HEADER, "%s", detail);
}

static enum err unsupported(struct span header, struct problem *problem)
{
	const char *supported = "supported are application/json, "
				"application/x-www-form-urlencoded and "
				"multipart/form-data, all in UTF-8";
	char quoted[128];

	if (header.data == NULL)
		return problem_set(problem, ERR_UNSUPPORTED_MEDIA_TYPE,
				   "There is no Content-Type; %s.", supported);
	return problem_set(problem, ERR_UNSUPPORTED_MEDIA_TYPE,
			   "The Content-Type is \"%s\"; %s.",
			   problem_quote(header, quoted, sizeof(quoted)),
			   supported);
}

static enum err parse_multipart(struct post *post,
				const struct http_request *request,
				struct problem *problem)
{
	struct span boundary;

	if (!http_header_parameter(request->content_type, SPAN("boundary"),
				   &boundary))
		return problem_set(
			problem, ERR_INVALID_FORM,
			"The Content-Type multipart/form-data has no "
			"boundary.");
	return form_parse_multipart(&post->form, request->body, boundary,
				    problem);
}

static enum err parse_form(struct post *post,
			   const struct http_request *request, struct span type,
			   struct problem *problem)
{
	bool multipart =
		http_equal_ignoring_case(type, SPAN("multipart/form-data"));
	enum err err;

	if (!multipart &&
	    !http_equal_ignoring_case(
		    type, SPAN("application/x-www-form-urlencoded")))
		return unsupported(request->content_type, problem);
	/* What curl -d '{…}' sends: as a form it would have one odd name. */
	if (request->body.length > 0 && request->body.data[0] == '{')
		return problem_set(problem, ERR_INVALID_FORM,
				   "The body looks like JSON but was sent as a "
				   "form. Set the header Content-Type: "
				   "application/json.");
	err = multipart ? parse_multipart(post, request, problem)
			: form_parse_urlencoded(&post->form, request->body,
						problem);
	if (err != ERR_OK)
		return err;
	return message_draft_from_form(&post->draft, &post->form, problem);
}

static enum err parse(struct post *post, const struct http_request *request,
		      struct problem *problem)
{
	struct span type = http_media_type(request->content_type);
	struct span charset;

	if (http_header_parameter(request->content_type, SPAN("charset"),
				  &charset) &&
	    !http_equal_ignoring_case(charset, SPAN("utf-8")))
		return unsupported(request->content_type, problem);

	if (http_equal_ignoring_case(type, SPAN("application/json")))
		return message_draft_from_json(&post->draft, request->body,
					       problem);
	return parse_form(post, request, type, problem);
}

static void appended(struct append *append)
{
	struct post *post = (struct post *)append;

	post->exchange->resume(post->exchange);
}

/* The second step: the append is committed, or has failed. */
static enum exchange_outcome created(struct exchange *exchange,
				     struct store *store)
{
	const struct post *post = exchange->state;
	const struct store_append *row = &post->append.row;
	struct http_response *response = &exchange->response;
	struct message message = {
		.id = row->id,
		.from = row->from,
		.content = row->content,
	};

	(void)store;
	if (post->append.err != ERR_OK)
		return answer_error(exchange, post->append.err);
	if (row->result == ERR_KEY_REUSED) {
		struct problem problem;

		problem_init(&problem);
		(void)problem_set(&problem, ERR_KEY_REUSED,
				  "This Idempotency-Key was used before, with "
				  "another From or Content. Nothing was "
				  "stored.");
		return answer_problem(exchange, &problem);
	}
	exchange->stored = true;
	memcpy(message.date, row->date, sizeof(message.date));
	response->status = 201;
	response->content_type = "application/json";
	buf_append_text(&response->headers, "Location: /api/message?ID=");
	buf_append_u64(&response->headers, row->id);
	buf_append_text(&response->headers, "\r\n");
	if (row->replayed)
		buf_append_text(&response->headers,
				"Idempotency-Replayed: true\r\n");
	message_append_json(&response->body, &message);
	return EXCHANGE_DONE;
}

/*
 * POST /api/message: 201, the stored message as body and its Location, after
 * the database has committed it. 400 for a message that is none, 413, 415, 422
 * for a key that was used with another payload, 503 while the database is away
 * or when it was lost during the commit.
 */
enum exchange_outcome handle_message_post(struct exchange *exchange,
					  struct store *store)
{
	const struct http_request *request = &exchange->request;
	struct post *post = post_new(exchange);
	struct problem problem;
	enum err err;

	(void)store;
	if (post == NULL)
		return answer_error(exchange, ERR_OUT_OF_MEMORY);
	problem_init(&problem);
	err = check_length(request, &problem);
	if (err == ERR_OK)
		err = check_key(request, &problem);
	if (err == ERR_OK)
		err = parse(post, request, &problem);
	if (err == ERR_OUT_OF_MEMORY)
		return answer_error(exchange, err);
	if (err != ERR_OK)
		return answer_problem(exchange, &problem);

	post->append.row.idempotency_key = request->idempotency_key;
	post->append.row.from = post->draft.from;
	post->append.row.content = post->draft.content;
	post->append.done = appended;
	exchange->step = created;
	err = appender_submit(exchange->service->appender, &post->append);
	if (err != ERR_OK)
		return answer_error(exchange, err);
	return EXCHANGE_WAIT;
}
