/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "system/settings.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

enum { VARIABLES_MAX = 8 };

/* What settings_read() made of an environment. */
struct result {
	struct settings settings;
	bool good;
	char *messages;
	size_t messages_length;
};

static void read_environment(struct result *result, char *const *environment)
{
	FILE *file;
	int closed;

	file = open_memstream(&result->messages, &result->messages_length);
	assert_non_null(file);
	result->good = settings_read(&result->settings, environment, file);
	closed = fclose(file);
	assert_int_equal(closed, 0);
}

static void free_result(struct result *result)
{
	settings_deinit(&result->settings);
	free(result->messages);
}

static void has_these_defaults(void **state)
{
	/* Other programs' variables are none of ours. */
	char *environment[] = { "PATH=/bin", "buzon_workers=x", "NOTHING",
				NULL };
	struct result result;
	const struct settings *settings = &result.settings;

	(void)state;
	read_environment(&result, environment);
	assert_true(result.good);
	assert_string_equal(result.messages, "");
	assert_null(settings->db_socket);
	assert_string_equal(settings->db_host, "127.0.0.1");
	assert_int_equal(settings->db_port, 3306);
	assert_string_equal(settings->db_name, "buzon");
	assert_string_equal(settings->db_user, "buzon");
	assert_null(settings->db_password);
	assert_int_equal(settings->db_tls, TLS_OFF);
	assert_null(settings->db_tls_ca);
	assert_int_equal(settings->db_timeout_secs, 2);
	assert_int_equal(settings->workers, 4);
	assert_int_equal(settings->queue, 1024);
	assert_int_equal(settings->append_rows, 256);
	assert_int_equal(settings->max_connections, 16384);
	assert_int_equal(settings->body_limit_bytes, 131072);
	assert_int_equal(settings->stall_timeout_secs, 10);
	assert_int_equal(settings->log_level, LOG_INFO);
	assert_int_equal(settings->log_requests, 0);
	assert_int_equal(settings->sandbox, 1);
	free_result(&result);
}

static void reads_every_setting(void **state)
{
	char *environment[] = {
		"BUZON_DB_SOCKET=/run/db.sock",
		"BUZON_DB_HOST=db.example",
		"BUZON_DB_PORT=1",
		"BUZON_DB_NAME=n",
		"BUZON_DB_USER=u",
		"BUZON_DB_PASSWORD=p=w \"",
		"BUZON_DB_TLS=verified",
		"BUZON_DB_TLS_CA=/ca.pem",
		"BUZON_DB_TIMEOUT=60",
		"BUZON_WORKERS=64",
		"BUZON_QUEUE=65536",
		"BUZON_APPEND_ROWS=1",
		"BUZON_CONNECTIONS=1000000",
		"BUZON_BODY_LIMIT=1024",
		"BUZON_STALL_TIMEOUT=600",
		"BUZON_REQUEST_TIMEOUT=3600",
		"BUZON_LOG_LEVEL=debug",
		"BUZON_LOG_REQUESTS=on",
		"BUZON_SANDBOX=off",
		NULL,
	};
	struct result result;
	const struct settings *settings = &result.settings;

	(void)state;
	read_environment(&result, environment);
	assert_string_equal(result.messages, "");
	assert_true(result.good);
	assert_string_equal(settings->db_socket, "/run/db.sock");
	assert_string_equal(settings->db_host, "db.example");
	assert_int_equal(settings->db_port, 1);
	assert_string_equal(settings->db_name, "n");
	assert_string_equal(settings->db_user, "u");
	assert_string_equal(settings->db_password, "p=w \"");
	assert_int_equal(settings->db_tls, TLS_VERIFIED);
	assert_string_equal(settings->db_tls_ca, "/ca.pem");
	assert_int_equal(settings->db_timeout_secs, 60);
	assert_int_equal(settings->workers, 64);
	assert_int_equal(settings->queue, 65536);
	assert_int_equal(settings->append_rows, 1);
	assert_int_equal(settings->max_connections, 1000000);
	assert_int_equal(settings->body_limit_bytes, 1024);
	assert_int_equal(settings->stall_timeout_secs, 600);
	assert_int_equal(settings->log_level, LOG_DEBUG);
	assert_int_equal(settings->log_requests, 1);
	assert_int_equal(settings->sandbox, 0);
	free_result(&result);
}

static void reads_choices_by_their_names(void **state)
{
	static const struct {
		char *variable;
		int want_tls;
		int want_level;
	} rows[] = {
		{ "BUZON_DB_TLS=off", TLS_OFF, LOG_INFO },
		{ "BUZON_DB_TLS=required", TLS_REQUIRED, LOG_INFO },
		{ "BUZON_LOG_LEVEL=error", TLS_OFF, LOG_ERROR },
		{ "BUZON_LOG_LEVEL=warning", TLS_OFF, LOG_WARNING },
		{ "BUZON_LOG_LEVEL=info", TLS_OFF, LOG_INFO },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		char *environment[] = { rows[i].variable, NULL };
		struct result result;

		read_environment(&result, environment);
		assert_true(result.good);
		assert_int_equal(result.settings.db_tls, rows[i].want_tls);
		assert_int_equal(result.settings.log_level, rows[i].want_level);
		free_result(&result);
	}
}

static void takes_an_empty_value_as_none(void **state)
{
	char *environment[] = { "BUZON_WORKERS=",
				"BUZON_DB_HOST=",
				"BUZON_DB_PASSWORD=",
				"BUZON_DB_PASSWORD_FILE=",
				"BUZON_DB_TLS=",
				"BUZON_NO_SUCH=",
				NULL };
	struct result result;

	(void)state;
	read_environment(&result, environment);
	assert_string_equal(result.messages, "");
	assert_true(result.good);
	assert_int_equal(result.settings.workers, 4);
	assert_string_equal(result.settings.db_host, "127.0.0.1");
	assert_null(result.settings.db_password);
	free_result(&result);
}

static void refuses_with_a_line_that_helps(void **state)
{
	static const struct {
		char *environment[VARIABLES_MAX];
		const char *want;
	} rows[] = {
		/* numbers: not one, out of range on both sides, signs,
		 * blanks, fractions, beyond what a long holds */
		{ { "BUZON_WORKERS=many" },
		  "buzon: BUZON_WORKERS is \"many\"; allowed: "
		  "a whole number from 1 to 64\n" },
		{ { "BUZON_WORKERS=0" },
		  "buzon: BUZON_WORKERS is \"0\"; allowed: "
		  "a whole number from 1 to 64\n" },
		{ { "BUZON_WORKERS=65" },
		  "buzon: BUZON_WORKERS is \"65\"; allowed: "
		  "a whole number from 1 to 64\n" },
		{ { "BUZON_DB_PORT=+1" },
		  "buzon: BUZON_DB_PORT is \"+1\"; allowed: "
		  "a whole number from 1 to 65535\n" },
		{ { "BUZON_QUEUE=-1" },
		  "buzon: BUZON_QUEUE is \"-1\"; allowed: "
		  "a whole number from 1 to 65536\n" },
		{ { "BUZON_QUEUE= 1" },
		  "buzon: BUZON_QUEUE is \" 1\"; allowed: "
		  "a whole number from 1 to 65536\n" },
		{ { "BUZON_QUEUE=1 " },
		  "buzon: BUZON_QUEUE is \"1 \"; allowed: "
		  "a whole number from 1 to 65536\n" },
		{ { "BUZON_QUEUE=1.5" },
		  "buzon: BUZON_QUEUE is \"1.5\"; allowed: "
		  "a whole number from 1 to 65536\n" },
		{ { "BUZON_QUEUE=99999999999999999999" },
		  "buzon: BUZON_QUEUE is \"99999999999999999999\"; allowed: "
		  "a whole number from 1 to 65536\n" },
		/* choices: not one, in other letters */
		{ { "BUZON_DB_TLS=yes" },
		  "buzon: BUZON_DB_TLS is \"yes\"; allowed: "
		  "off, required or verified\n" },
		{ { "BUZON_LOG_LEVEL=INFO" },
		  "buzon: BUZON_LOG_LEVEL is \"INFO\"; allowed: "
		  "error, warning, info or debug\n" },
		{ { "BUZON_LOG_REQUESTS=1" },
		  "buzon: BUZON_LOG_REQUESTS is \"1\"; allowed: off or on\n" },
		/* one line a fault, whatever is in the value */
		{ { "BUZON_WORKERS=4\nx" },
		  "buzon: BUZON_WORKERS is \"4?x\"; allowed: "
		  "a whole number from 1 to 64\n" },
		/* every fault, not only the first */
		{ { "BUZON_LOG_REQUESTS=maybe", "BUZON_NOPE=1",
		    "BUZON_WORKERS=x" },
		  "buzon: BUZON_WORKERS is \"x\"; allowed: "
		  "a whole number from 1 to 64\n"
		  "buzon: BUZON_LOG_REQUESTS is \"maybe\"; allowed: "
		  "off or on\n"
		  "buzon: BUZON_NOPE is no setting; "
		  "\"buzon --help\" lists them all\n" },
		/* names that are nearly one: a letter missing, one too many,
		 * another one, a part left out */
		{ { "BUZON_WORKER=4" },
		  "buzon: BUZON_WORKER is no setting; "
		  "did you mean BUZON_WORKERS?\n" },
		{ { "BUZON_QUEUES=4" },
		  "buzon: BUZON_QUEUES is no setting; "
		  "did you mean BUZON_QUEUE?\n" },
		{ { "BUZON_DB_PASSWORT=4" },
		  "buzon: BUZON_DB_PASSWORT is no setting; "
		  "did you mean BUZON_DB_PASSWORD?\n" },
		{ { "BUZON_PORT=4" },
		  "buzon: BUZON_PORT is no setting; "
		  "did you mean BUZON_DB_PORT?\n" },
		/* far from all of them; nothing but the prefix; odd bytes */
		{ { "BUZON_FOO=4" },
		  "buzon: BUZON_FOO is no setting; "
		  "\"buzon --help\" lists them all\n" },
		{ { "BUZON_=4" },
		  "buzon: BUZON_ is no setting; "
		  "\"buzon --help\" lists them all\n" },
		{ { "BUZON_\x1b[2J=4" },
		  "buzon: BUZON_?[2J is no setting; "
		  "\"buzon --help\" lists them all\n" },
		/* longer than any name that is compared */
		{ { "BUZON_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxx=1" },
		  "buzon: BUZON_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxx is no setting; "
		  "\"buzon --help\" lists them all\n" },
		/* a file that is not there, a folder, nothing to be opened */
		{ { "BUZON_DB_PASSWORD_FILE=/nonexistent/password" },
		  "buzon: BUZON_DB_PASSWORD_FILE is \"/nonexistent/password\": "
		  "No such file or directory; allowed: a file of one "
		  "line, 1 to 4096 bytes\n" },
		{ { "BUZON_DB_PASSWORD_FILE=/" },
		  "buzon: BUZON_DB_PASSWORD_FILE is \"/\": "
		  "Is a directory; allowed: a file of one "
		  "line, 1 to 4096 bytes\n" },
		/* two passwords, neither of which is printed */
		{ { "BUZON_DB_PASSWORD_FILE=/file",
		    "BUZON_DB_PASSWORD=top secret" },
		  "buzon: BUZON_DB_PASSWORD_FILE is \"/file\": "
		  "BUZON_DB_PASSWORD is set as well; allowed: a file "
		  "of one line, 1 to 4096 bytes\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct result result;

		read_environment(&result, rows[i].environment);
		assert_string_equal(result.messages, rows[i].want);
		assert_false(result.good);
		free_result(&result);
	}
}

/* A file with this content, whose path is put into variable. */
static char *write_file(const char *content, size_t length, char *variable,
			size_t size)
{
	char path[] = "/tmp/test_settings.XXXXXX";
	int file = mkstemp(path);

	assert_true(file >= 0);
	assert_int_equal(write(file, content, length), (ssize_t)length);
	assert_int_equal(close(file), 0);
	(void)snprintf(variable, size, "BUZON_DB_PASSWORD_FILE=%s", path);
	return strchr(variable, '=') + 1;
}

static void reads_the_password_from_a_file(void **state)
{
	static char longest[4096];
	static char too_long[4097];
	const struct {
		const char *content;
		size_t length;
		const char *want; /* NULL: none */
		const char *want_fault;
	} rows[] = {
		{ "secret", 6, "secret", NULL },
		/* one line's end is the editor's, a second is not */
		{ "secret\n", 7, "secret", NULL },
		{ "secret\r\n", 8, "secret", NULL },
		{ "secret\n\n", 8, NULL, "a control character in it" },
		{ "secret\r\n\r\n", 10, NULL, "a control character in it" },
		{ "secret\r", 7, NULL, "a control character in it" },
		{ " a b ", 5, " a b ", NULL },
		{ "\xc3\xb1\x80\n", 4, "\xc3\xb1\x80", NULL },
		/* nothing in it */
		{ "", 0, NULL, "it is empty" },
		{ "\n", 1, NULL, "it is empty" },
		{ "\r\n", 2, NULL, "it is empty" },
		/* as long as it may be, and longer */
		{ longest, sizeof(longest), longest, NULL },
		{ too_long, sizeof(too_long), NULL, "it is too long" },
		/* what cannot be a password */
		{ "a\0b", 3, NULL, "a control character in it" },
		{ "a\0", 2, NULL, "a control character in it" },
		{ "a\tb", 3, NULL, "a control character in it" },
		{ "a\x7f", 2, NULL, "a control character in it" },
	};
	size_t i;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\n';
	memset(too_long, 'x', sizeof(too_long));
	for (i = 0; i < ROWS(rows); i++) {
		char variable[128];
		char *environment[] = { variable, NULL };
		const char *path;
		struct result result;

		path = write_file(rows[i].content, rows[i].length, variable,
				  sizeof(variable));
		read_environment(&result, environment);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(result.good, rows[i].want_fault == NULL);
		if (rows[i].want == NULL) {
			assert_null(result.settings.db_password);
		} else if (rows[i].want == longest) {
			assert_int_equal(strlen(result.settings.db_password),
					 sizeof(longest) - 1);
		} else {
			assert_string_equal(result.settings.db_password,
					    rows[i].want);
		}
		if (rows[i].want_fault == NULL) {
			assert_string_equal(result.messages, "");
		} else {
			assert_non_null(
				strstr(result.messages, rows[i].want_fault));
			assert_non_null(strstr(result.messages, path));
		}
		free_result(&result);
	}
}

static void reads_the_environment_of_the_process(void **state)
{
	struct result result;

	(void)state;
	assert_int_equal(setenv("BUZON_WORKERS", "7", 1), 0);
	read_environment(&result, NULL);
	assert_int_equal(unsetenv("BUZON_WORKERS"), 0);
	assert_true(result.good);
	assert_int_equal(result.settings.workers, 7);
	free_result(&result);
}

static void lets_the_names_of_other_parts_pass(void **state)
{
	char *environment[] = { "BUZON_ADMIN_USER=x",
				"BUZON_ADMIN_PASSWORD_FILE=/x",
				"BUZON_HTTP_PORT=80", NULL };
	char *nearly[] = { "BUZON_ADMIN_USERS=x", NULL };
	struct result result;

	(void)state;
	read_environment(&result, environment);
	assert_string_equal(result.messages, "");
	assert_true(result.good);
	free_result(&result);

	read_environment(&result, nearly);
	assert_string_equal(result.messages,
			    "buzon: BUZON_ADMIN_USERS is no setting; "
			    "\"buzon --help\" lists them all\n");
	assert_false(result.good);
	free_result(&result);
}

static void forgets_everything_at_the_end(void **state)
{
	char *environment[] = { "BUZON_DB_PASSWORD=secret", NULL };
	struct result result;

	(void)state;
	read_environment(&result, environment);
	settings_deinit(&result.settings);
	assert_null(result.settings.db_password);
	assert_null(result.settings.db_host);
	/* Once more does no harm. */
	free_result(&result);
}

static void prints_a_table_of_all_settings(void **state)
{
	static const char *const rows[] = {
		"BUZON_DB_SOCKET",       "BUZON_DB_HOST",
		"BUZON_DB_PORT",         "BUZON_DB_NAME",
		"BUZON_DB_USER",         "BUZON_DB_PASSWORD",
		"BUZON_DB_TLS",          "BUZON_DB_PASSWORD_FILE",
		"BUZON_DB_TLS_CA",       "BUZON_DB_TIMEOUT",
		"BUZON_WORKERS",         "BUZON_QUEUE",
		"BUZON_APPEND_ROWS",     "BUZON_CONNECTIONS",
		"BUZON_BODY_LIMIT",      "BUZON_STALL_TIMEOUT",
		"BUZON_REQUEST_TIMEOUT", "BUZON_LOG_LEVEL",
		"BUZON_LOG_REQUESTS",    "BUZON_SANDBOX",
	};
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);
	const char *line;
	size_t lines = 0;
	size_t i;
	int closed;

	(void)state;
	assert_non_null(file);
	settings_print(file);
	closed = fclose(file);
	assert_int_equal(closed, 0);
	for (i = 0; i < ROWS(rows); i++) {
		char row[64];

		(void)snprintf(row, sizeof(row), "\n%s  ", rows[i]);
		assert_non_null(strstr(text, row));
	}
	for (line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		assert_in_range(strcspn(line, "\n"), 1, 100);
		lines++;
	}
	/* One line each, and the heads of the columns. */
	assert_int_equal(lines, ROWS(rows) + 1);
	assert_non_null(strstr(text, "\nBUZON_WORKERS           4          "
				     "1 to 64                   threads that "
				     "list messages\n"));
	assert_non_null(strstr(text, "error|warning|info|debug  "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_these_defaults),
		cmocka_unit_test(reads_every_setting),
		cmocka_unit_test(reads_choices_by_their_names),
		cmocka_unit_test(takes_an_empty_value_as_none),
		cmocka_unit_test(refuses_with_a_line_that_helps),
		cmocka_unit_test(reads_the_password_from_a_file),
		cmocka_unit_test(reads_the_environment_of_the_process),
		cmocka_unit_test(lets_the_names_of_other_parts_pass),
		cmocka_unit_test(forgets_everything_at_the_end),
		cmocka_unit_test(prints_a_table_of_all_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
