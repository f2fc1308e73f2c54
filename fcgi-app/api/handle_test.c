/* SPDX-License-Identifier: MIT */
#include "api/handlers.h"

/*
 * GET /api/test: 200 text/plain, "ALIVE <hostname>" and a newline. Never asks
 * the database.
 */
enum exchange_outcome handle_test(struct exchange *exchange,
				  struct store *store)
{
	struct http_response *response = &exchange->response;

	(void)store;
	response->content_type = "text/plain; charset=utf-8";
	buf_append_text(&response->body, "ALIVE ");
	buf_append_text(&response->body, exchange->service->hostname);
	buf_append_char(&response->body, '\n');
	return EXCHANGE_DONE;
}
