/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_SETTINGS_TABLE_H
#define BUZON_SYSTEM_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "text/span.h"

/* For settings*.c alone: the one list of what can be set. */

enum settings_kind {
	SETTINGS_TEXT,        /* char * */
	SETTINGS_SECRET,      /* char *, never printed */
	SETTINGS_SECRET_FILE, /* char *, the content of the file named */
	SETTINGS_INTEGER,     /* long */
	SETTINGS_CHOICE,      /* int, the place in the list of choices */
};

enum {
	SETTINGS_CHOICES_MAX = 4,
	SETTINGS_SECRET_FILE_BYTES_MAX = 4096,
	SETTINGS_ALLOWED_BYTES = 80,
};

struct setting {
	const char *name;
	const char *default_text; /* "": none */
	const char *meaning;
	enum settings_kind kind;
	size_t offset; /* in struct settings */
	long min;
	long max;
	/* In the order of their enum, with a NULL after the last. */
	const char *choices[SETTINGS_CHOICES_MAX + 1];
};

extern const struct setting settings_table[];
extern const size_t settings_count;

/* Writes what a value may be, as a phrase or as a cell of the table. */
void settings_format_allowed(const struct setting *setting, bool phrase,
			     char out[SETTINGS_ALLOWED_BYTES]);

/* Writes text of unknown origin, kept on its one line. */
void settings_print_text(FILE *messages, struct span text);

/*
 * Looks at the names that begin with BUZON_ and are not empty. False, and a
 * line in messages for each, where one is neither a setting nor known to
 * another part of the project.
 */
bool settings_check_names(char *const *environment, FILE *messages);

#endif
