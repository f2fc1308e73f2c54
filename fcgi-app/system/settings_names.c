/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "system/settings_table.h"

enum {
	NAME_BYTES_MAX = 64,
	SIMILAR_DISTANCE_MAX = 3,
};

#define NAME_PREFIX "BUZON_"

/*
 * What the project's other parts read, who may share the environment of the
 * program: sql/migrate and docker/. tests/lint/check-environment holds it.
 */
static const char *const names_of_others[] = {
	"BUZON_ADMINER_NETWORK", "BUZON_ADMIN_PASSWORD_FILE",
	"BUZON_ADMIN_USER",      "BUZON_API_NETWORK",
	"BUZON_DOMAIN",          "BUZON_HTTPS_PORT",
	"BUZON_HTTP_PORT",
};

static bool is_of_others(struct span name)
{
	size_t count = sizeof(names_of_others) / sizeof(names_of_others[0]);

	for (size_t i = 0; i < count; i++) {
		if (span_equal(name, span_of(names_of_others[i])))
			return true;
	}
	return false;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

/* The Levenshtein distance; b is at most NAME_BYTES_MAX long. */
static size_t edit_distance(struct span a, struct span b)
{
	size_t row[NAME_BYTES_MAX + 1];
	size_t diagonal;
	size_t above;
	size_t i;
	size_t j;

	for (j = 0; j <= b.length; j++)
		row[j] = j;
	for (i = 1; i <= a.length; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= b.length; j++) {
			above = row[j];
			row[j] = smallest(
				above + 1, row[j - 1] + 1,
				diagonal + (a.data[i - 1] != b.data[j - 1]));
			diagonal = above;
		}
	}
	return row[b.length];
}

/* False, and a line that says so, where name is no setting. */
static bool check_name(struct span name, FILE *messages)
{
	const char *similar = NULL;
	size_t smallest_distance = SIMILAR_DISTANCE_MAX + 1;
	size_t distance;
	size_t i;

	for (i = 0; i < settings_count; i++) {
		distance = smallest_distance;
		if (name.length <= NAME_BYTES_MAX)
			distance = edit_distance(
				span_of(settings_table[i].name), name);
		if (distance == 0)
			return true;
		if (distance < smallest_distance) {
			smallest_distance = distance;
			similar = settings_table[i].name;
		}
	}
	(void)fprintf(messages, "buzon: ");
	settings_print_text(messages, name);
	if (similar != NULL)
		(void)fprintf(messages, " is no setting; did you mean %s?\n",
			      similar);
	else
		(void)fprintf(messages, " is no setting; "
					"\"buzon --help\" lists them all\n");
	return false;
}

bool settings_check_names(char *const *environment, FILE *messages)
{
	bool good = true;
	const char *equals;

	for (; *environment != NULL; environment++) {
		struct span name = { *environment, 0 };

		equals = strchr(*environment, '=');
		/* Set to nothing is as good as not set. */
		if (equals == NULL || equals[1] == '\0')
			continue;
		name.length = (size_t)(equals - *environment);
		if (strncmp(*environment, NAME_PREFIX, strlen(NAME_PREFIX)) !=
			    0 ||
		    is_of_others(name))
			continue;
		if (!check_name(name, messages))
			good = false;
	}
	return good;
}
