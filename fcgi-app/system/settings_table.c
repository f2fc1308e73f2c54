/* SPDX-License-Identifier: MIT */
#include "system/settings_table.h"

#include <stdio.h>

#include "system/settings.h"

#define COMMON(setting_name, field, setting_default, setting_meaning)          \
	.name = (setting_name), .offset = offsetof(struct settings, field),    \
	.default_text = (setting_default), .meaning = (setting_meaning)
#define TEXT(name, field, preset, meaning)                                     \
	COMMON(name, field, preset, meaning), .kind = SETTINGS_TEXT
#define SECRET(name, field, meaning)                                           \
	COMMON(name, field, "", meaning), .kind = SETTINGS_SECRET
#define SECRET_FILE(name, field, meaning)                                      \
	COMMON(name, field, "", meaning), .kind = SETTINGS_SECRET_FILE
#define INTEGER(name, field, preset, least, most, meaning)                     \
	COMMON(name, field, preset, meaning), .kind = SETTINGS_INTEGER,        \
					      .min = (least), .max = (most)
#define CHOICE(name, field, preset, meaning)                                   \
	COMMON(name, field, preset, meaning), .kind = SETTINGS_CHOICE

const struct setting settings_table[] = {
	{ TEXT("BUZON_DB_SOCKET", db_socket, "",
	       "Unix socket, in place of host and port") },
	{ TEXT("BUZON_DB_HOST", db_host, "127.0.0.1",
	       "host that MariaDB runs on") },
	{ INTEGER("BUZON_DB_PORT", db_port, "3306", 1, 65535,
		  "TCP port that MariaDB listens on") },
	{ TEXT("BUZON_DB_NAME", db_name, "buzon", "name of the database") },
	{ TEXT("BUZON_DB_USER", db_user, "buzon", "user of the database") },
	{ SECRET("BUZON_DB_PASSWORD", db_password, "password of that user") },
	{ SECRET_FILE("BUZON_DB_PASSWORD_FILE", db_password,
		      "file that holds the password instead") },
	{ CHOICE("BUZON_DB_TLS", db_tls, "off",
		 "encrypt; verified: and check the server"),
	  .choices = { [TLS_OFF] = "off",
		       [TLS_REQUIRED] = "required",
		       [TLS_VERIFIED] = "verified" } },
	{ TEXT("BUZON_DB_TLS_CA", db_tls_ca, "",
	       "CA certificates, if not the system's") },
	{ INTEGER("BUZON_DB_TIMEOUT", db_timeout_secs, "2", 2, 60,
		  "seconds for a connect, read or write") },
	{ INTEGER("BUZON_WORKERS", workers, "4", 1, 64,
		  "threads that list messages") },
	{ INTEGER("BUZON_QUEUE", queue, "1024", 1, 65536,
		  "requests that may wait before a 503") },
	{ INTEGER("BUZON_APPEND_ROWS", append_rows, "256", 1, 256,
		  "messages in one commit at most") },
	{ INTEGER("BUZON_CONNECTIONS", max_connections, "16384", 1, 1000000,
		  "connections from web servers at once") },
	{ INTEGER("BUZON_BODY_LIMIT", body_limit_bytes, "131072", 1024,
		  16777216, "bytes of a request body at most") },
	{ INTEGER("BUZON_STALL_TIMEOUT", stall_timeout_secs, "10", 1, 600,
		  "seconds that a request may stall") },
	{ INTEGER("BUZON_REQUEST_TIMEOUT", request_timeout_secs, "60", 1, 3600,
		  "seconds for a request to come in whole") },
	{ CHOICE("BUZON_LOG_LEVEL", log_level, "info",
		 "least important lines that are logged"),
	  .choices = { [LOG_ERROR] = "error",
		       [LOG_WARNING] = "warning",
		       [LOG_INFO] = "info",
		       [LOG_DEBUG] = "debug" } },
	{ CHOICE("BUZON_LOG_REQUESTS", log_requests, "off",
		 "log a line for every request"),
	  .choices = { "off", "on" } },
	{ CHOICE("BUZON_SANDBOX", sandbox, "on",
		 "refuse what the program has no use for"),
	  .choices = { "off", "on" } },
};

const size_t settings_count =
	sizeof(settings_table) / sizeof(settings_table[0]);

void settings_format_allowed(const struct setting *setting, bool phrase,
			     char out[SETTINGS_ALLOWED_BYTES])
{
	const char *separator;
	size_t size = SETTINGS_ALLOWED_BYTES;
	size_t length = 0;
	size_t i;

	if (setting->kind == SETTINGS_INTEGER) {
		(void)snprintf(out, size, "%s%ld to %ld",
			       phrase ? "a whole number from " : "",
			       setting->min, setting->max);
	} else if (setting->kind == SETTINGS_SECRET_FILE) {
		(void)snprintf(out, size, "%s",
			       phrase ? "a file of one line, 1 to 4096 bytes"
				      : "a file");
	} else if (setting->kind != SETTINGS_CHOICE) {
		(void)snprintf(out, size, "any text");
	} else {
		for (i = 0; setting->choices[i] != NULL; i++) {
			separator = phrase ? ", " : "|";
			if (phrase && setting->choices[i + 1] == NULL)
				separator = " or ";
			length += (size_t)snprintf(
				out + length, size - length, "%s%s",
				i == 0 ? "" : separator, setting->choices[i]);
		}
	}
}

void settings_print_text(FILE *messages, struct span text)
{
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.data[i];

		(void)fputc(c < 0x20 || c == 0x7f ? '?' : c, messages);
	}
}

void settings_print(FILE *out)
{
	const char *default_text;
	char allowed[SETTINGS_ALLOWED_BYTES];
	size_t i;

	(void)fprintf(out, "%-22s  %-9s  %-24s  %s\n", "setting", "default",
		      "allowed", "meaning");
	for (i = 0; i < settings_count; i++) {
		default_text = settings_table[i].default_text;
		if (default_text[0] == '\0')
			default_text = "none";
		settings_format_allowed(&settings_table[i], false, allowed);
		(void)fprintf(out, "%-22s  %-9s  %-24s  %s\n",
			      settings_table[i].name, default_text, allowed,
			      settings_table[i].meaning);
	}
}
