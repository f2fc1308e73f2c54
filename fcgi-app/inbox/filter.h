/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_FILTER_H
#define BUZON_INBOX_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "text/problem.h"
#include "text/span.h"

/*
 * Which messages are asked for, and in what order. A new filter is one row in
 * filter.c, which the API reads, writes and explains parameters by, and one in
 * each store, which says what it means there.
 */
enum filter_key {
	/* The conditions, which all must hold, come first: */
	FILTER_FROM,
	FILTER_CONTENT,
	FILTER_ID,
	FILTER_AFTER, /* only IDs greater than this */
	FILTER_BEFORE,
	/* And what is made of all that match: */
	FILTER_ORDER, /* FILTER_DESCENDING, or else it is not given */
	FILTER_LIMIT, /* the number of messages at most */
	FILTER_KEYS
};

enum { FILTER_ASCENDING, FILTER_DESCENDING };

enum { FILTER_LIMIT_MAX = 1000 /* of a client's */ };

enum filter_kind { FILTER_TEXT, FILTER_NUMBER, FILTER_CHOICE };

/* How a filter is written by a client. */
struct filter_parameter {
	struct span name; /* ends in a NUL as well */
	enum filter_kind kind;
	/* Of a text: adds a fault to the problem for each rule it breaks. */
	int (*check)(struct span value, struct problem *problem);
	/* Of a number: its range. */
	uint64_t min, max;
	/* Of a choice: its words. The first, number 0, is not given. */
	const char *choices[2];
	const char *meaning; /* of the choices */
};

extern const struct filter_parameter filter_parameters[FILTER_KEYS];

union filter_value {
	struct span text; /* borrowed: see whoever set it */
	uint64_t number;  /* also of a choice */
};

/* All zero it asks for all messages, in the order of their IDs. */
struct filter {
	unsigned given; /* FILTER_BIT() of each key that is */
	union filter_value values[FILTER_KEYS];
	bool ids_only; /* no From, Content and Date: they are empty then */
};

#define FILTER_BIT(key) (1u << (key))

/* Those that are conditions. */
#define FILTER_CONDITIONS (FILTER_BIT(FILTER_ORDER) - 1)

static inline bool filter_has(const struct filter *filter, enum filter_key key)
{
	return (filter->given & FILTER_BIT(key)) != 0;
}

/* The one that moves on from page to page. */
static inline enum filter_key filter_cursor(const struct filter *filter)
{
	return filter_has(filter, FILTER_ORDER) ? FILTER_BEFORE : FILTER_AFTER;
}

static inline void filter_set_number(struct filter *filter, enum filter_key key,
				     uint64_t number)
{
	filter->given |= FILTER_BIT(key);
	filter->values[key].number = number;
}

static inline void filter_set_text(struct filter *filter, enum filter_key key,
				   struct span text)
{
	filter->given |= FILTER_BIT(key);
	filter->values[key].text = text;
}

#endif
