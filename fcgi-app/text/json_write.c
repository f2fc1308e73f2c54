/* SPDX-License-Identifier: MIT */
#include "text/json_write.h"

static void append_escape(struct buf *out, unsigned char byte)
{
	static const char short_forms[] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};

	if (short_forms[byte] != '\0') {
		buf_append(out, (char[]){ '\\', short_forms[byte] }, 2);
		return;
	}
	buf_appendf(out, "\\u%04x", byte);
}

static bool needs_escape(unsigned char byte)
{
	return byte < 0x20 || byte == '"' || byte == '\\';
}

void json_append_string(struct buf *out, struct span text)
{
	size_t start = 0;
	size_t i;

	buf_append_char(out, '"');
	for (i = 0; i < text.length; i++) {
		unsigned char byte = (unsigned char)text.data[i];

		if (!needs_escape(byte))
			continue;
		buf_append(out, text.data + start, i - start);
		append_escape(out, byte);
		start = i + 1;
	}
	if (start < text.length)
		buf_append(out, text.data + start, text.length - start);
	buf_append_char(out, '"');
}
