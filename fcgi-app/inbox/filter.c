/* SPDX-License-Identifier: MIT */
#include "inbox/filter.h"

#include "inbox/message.h"

#define ID_MAX ((uint64_t)INT64_MAX)

#define NAME(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}

const struct filter_parameter filter_parameters[FILTER_KEYS] = {
	[FILTER_FROM] = { NAME("From"), FILTER_TEXT,
			  .check = message_check_from },
	[FILTER_CONTENT] = { NAME("Content"), FILTER_TEXT,
			     .check = message_check_content },
	[FILTER_ID] = { NAME("ID"), FILTER_NUMBER, .min = 1, .max = ID_MAX },
	[FILTER_AFTER] = { NAME("after"), FILTER_NUMBER, .max = ID_MAX },
	[FILTER_BEFORE] = { NAME("before"), FILTER_NUMBER, .max = ID_MAX },
	[FILTER_ORDER] = { NAME("order"), FILTER_CHOICE,
			   .choices = { "asc", "desc" },
			   .meaning = "asc (oldest first) or desc" },
	[FILTER_LIMIT] = { NAME("limit"), FILTER_NUMBER, .min = 1,
			   .max = FILTER_LIMIT_MAX },
};
