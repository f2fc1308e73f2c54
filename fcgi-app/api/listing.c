/* SPDX-License-Identifier: MIT */
#include "api/listing.h"

static void write_element(struct buf *out, const struct message *message,
			  bool first)
{
	if (!first)
		buf_append_char(out, ',');
	message_append_json(out, message);
}

static void write_line(struct buf *out, const struct message *message,
		       bool first)
{
	(void)first;
	message_append_json(out, message);
	buf_append_char(out, '\n');
}

const struct listing listing_json = {
	.content_type = "application/json",
	.begin = "[",
	.end = "]",
	.write = write_element,
};

const struct listing listing_ndjson = {
	.content_type = "application/x-ndjson",
	.begin = "",
	.end = "",
	.write = write_line,
};
