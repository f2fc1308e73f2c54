/* SPDX-License-Identifier: MIT */
#include "system/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/settings_table.h"
#include "text/span.h"

static char **text_of(struct settings *settings, const struct setting *setting)
{
	return (char **)(void *)((char *)settings + setting->offset);
}

/* reason: what is wrong with the value beyond not being allowed, or NULL. */
static bool print_fault(const struct setting *setting, const char *value,
			const char *reason, FILE *messages)
{
	char allowed[SETTINGS_ALLOWED_BYTES];

	settings_format_allowed(setting, true, allowed);
	(void)fprintf(messages, "buzon: %s is \"", setting->name);
	settings_print_text(messages, span_of(value));
	(void)fprintf(messages, "\"%s%s; allowed: %s\n",
		      reason == NULL ? "" : ": ", reason == NULL ? "" : reason,
		      allowed);
	return false;
}

/* By memcpy(), as gcc's analyzer takes what is assigned there for lost. */
static void keep_text(struct settings *settings, const struct setting *setting,
		      char *text)
{
	memcpy((char *)settings + setting->offset, &text, sizeof(text));
}

static bool read_text(struct settings *settings, const struct setting *setting,
		      const char *value, FILE *messages)
{
	char *copy = strdup(value);

	if (copy == NULL) {
		(void)fprintf(messages, "buzon: no memory to keep %s\n",
			      setting->name);
		return false;
	}
	keep_text(settings, setting, copy);
	return true;
}

static bool read_integer(struct settings *settings,
			 const struct setting *setting, const char *value,
			 FILE *messages)
{
	long *field = (long *)(void *)((char *)settings + setting->offset);
	long number;

	/* strtol() would let blanks and a sign through. */
	if (value[strspn(value, "0123456789")] != '\0')
		return print_fault(setting, value, NULL, messages);
	/* Too much for a long becomes LONG_MAX, which is out of range. */
	number = strtol(value, NULL, 10);
	if (number < setting->min || number > setting->max)
		return print_fault(setting, value, NULL, messages);
	*field = number;
	return true;
}

static bool read_choice(struct settings *settings,
			const struct setting *setting, const char *value,
			FILE *messages)
{
	int *field = (int *)(void *)((char *)settings + setting->offset);
	int i;

	for (i = 0; setting->choices[i] != NULL; i++) {
		if (strcmp(value, setting->choices[i]) == 0) {
			*field = i;
			return true;
		}
	}
	return print_fault(setting, value, NULL, messages);
}

/* How many bytes were read, at most size; -1 and errno where it failed. */
static ssize_t read_whole(const char *path, char *out, size_t size)
{
	size_t length = 0;
	ssize_t got = 1;
	int saved_errno;
	int file;

	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	while (got != 0 && length < size) {
		got = read(file, out + length, size - length);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0)
			length += (size_t)got;
	}
	saved_errno = errno;
	/* Nothing was written, so there is nothing that close() could lose. */
	(void)close(file);
	errno = saved_errno;
	return got < 0 ? -1 : (ssize_t)length;
}

/*
 * A secret is one line, without its end (LF or CRLF): the rule of sql/migrate.
 * Ends it with a NUL, and returns what is wrong with it, NULL for nothing.
 */
static const char *trim_secret(char *content, size_t length)
{
	if (length > SETTINGS_SECRET_FILE_BYTES_MAX)
		return "it is too long";
	if (length > 0 && content[length - 1] == '\n')
		length -= length > 1 && content[length - 2] == '\r' ? 2 : 1;
	content[length] = '\0';
	if (length == 0)
		return "it is empty";
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)content[i];

		if (c < 0x20 || c == 0x7f)
			return "there is a control character in it";
	}
	return NULL;
}

static bool read_secret_file(struct settings *settings,
			     const struct setting *setting, const char *path,
			     FILE *messages)
{
	/* One byte more than allowed shows a file that is too long. */
	char content[SETTINGS_SECRET_FILE_BYTES_MAX + 1];
	char reason[128];
	const char *fault;
	ssize_t length;
	bool good;

	if (*text_of(settings, setting) != NULL)
		return print_fault(setting, path,
				   "BUZON_DB_PASSWORD is set as well",
				   messages);
	length = read_whole(path, content, sizeof(content));
	if (length < 0)
		return print_fault(setting, path,
				   strerror_r(errno, reason, sizeof(reason)),
				   messages);

	fault = trim_secret(content, (size_t)length);
	good = fault == NULL ? read_text(settings, setting, content, messages)
			     : print_fault(setting, path, fault, messages);
	explicit_bzero(content, sizeof(content));
	return good;
}

/* The value of a variable; NULL where it is not there or empty. */
static const char *find_value(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; *environment != NULL; environment++) {
		if (strncmp(*environment, name, length) == 0 &&
		    (*environment)[length] == '=')
			return (*environment)[length + 1] == '\0'
				       ? NULL
				       : *environment + length + 1;
	}
	return NULL;
}

static bool read_setting(struct settings *settings,
			 const struct setting *setting,
			 char *const *environment, FILE *messages)
{
	const char *value = find_value(environment, setting->name);

	if (value == NULL)
		value = setting->default_text;
	if (value[0] == '\0')
		return true;
	switch (setting->kind) {
	case SETTINGS_INTEGER:
		return read_integer(settings, setting, value, messages);
	case SETTINGS_CHOICE:
		return read_choice(settings, setting, value, messages);
	case SETTINGS_SECRET_FILE:
		return read_secret_file(settings, setting, value, messages);
	case SETTINGS_TEXT:
	case SETTINGS_SECRET:
		break;
	}
	return read_text(settings, setting, value, messages);
}

bool settings_read(struct settings *settings, char *const *environment,
		   FILE *messages)
{
	bool good = true;
	size_t i;

	if (environment == NULL)
		environment = environ;
	*settings = (struct settings){ 0 };
	for (i = 0; i < settings_count; i++) {
		if (!read_setting(settings, &settings_table[i], environment,
				  messages))
			good = false;
	}
	if (!settings_check_names(environment, messages))
		good = false;
	return good;
}

void settings_deinit(struct settings *settings)
{
	char **text;
	size_t i;

	for (i = 0; i < settings_count; i++) {
		if (settings_table[i].kind == SETTINGS_INTEGER ||
		    settings_table[i].kind == SETTINGS_CHOICE)
			continue;
		text = text_of(settings, &settings_table[i]);
		if (*text != NULL && settings_table[i].kind == SETTINGS_SECRET)
			explicit_bzero(*text, strlen(*text));
		free(*text);
		*text = NULL;
	}
}
