/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_QUERY_H
#define BUZON_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "http/form.h"
#include "text/problem.h"
#include "inbox/filter.h"

enum {
	QUERY_LIMIT_DEFAULT = 100,
	/*
	 * Of a Link header line, without its CRLF: Apache refuses an answer
	 * with a line of 8,190 bytes, the others take more.
	 */
	QUERY_LINK_BYTES_MAX = 8000,
};

/*
 * The parameters of GET /api/message, decoded and checked. The filter's texts
 * point into form.
 */
struct query {
	struct form form;
	struct filter filter;
};

void query_init(struct query *query);
void query_deinit(struct query *query);

/*
 * Fills query from a raw query string. ERR_OK; ERR_INVALID_PARAMETER with each
 * parameter at fault in the problem, and the known ones in its detail;
 * ERR_OUT_OF_MEMORY.
 */
enum err query_parse(struct query *query, struct span text,
		     struct problem *problem) MUST_CHECK;

/*
 * Appends the header line that tells where the page after the one that ended
 * with last_id begins: Link: <…>; rel="next" with the filters of this one, or
 * where that would be longer than QUERY_LINK_BYTES_MAX, Continue-After: last_id
 * (Continue-Before, descending), the cursor to give with the same filters.
 * ERR_OUT_OF_MEMORY stays in headers.
 */
void query_append_next(struct buf *headers, const struct query *query,
		       uint64_t last_id);

#endif
