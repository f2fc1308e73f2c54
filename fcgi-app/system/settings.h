/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_SETTINGS_H
#define BUZON_SYSTEM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "text/err.h"
#include "system/log.h"

enum settings_tls { TLS_OFF, TLS_REQUIRED, TLS_VERIFIED };

/*
 * Everything that a person can set, from the environment alone. Strings are
 * heap copies that settings owns; NULL where a setting has no value.
 */
struct settings {
	char *db_socket;
	char *db_host;
	long db_port;
	char *db_name;
	char *db_user;
	char *db_password; /* from BUZON_DB_PASSWORD or its file */
	int db_tls;        /* enum settings_tls */
	char *db_tls_ca;
	long db_timeout_secs;
	long workers;
	long queue;
	long append_rows;
	long max_connections;
	long body_limit_bytes;
	long stall_timeout_secs;
	long request_timeout_secs;
	int log_level;    /* enum log_level */
	int log_requests; /* boolean */
	int sandbox;      /* boolean */
};

/*
 * Reads the environment (a NULL-terminated array of "NAME=value"; NULL for the
 * process's own). On a setting that is wrong or that does not exist, writes one
 * line to messages that names the setting, its value (never a password) and
 * what is allowed, for every fault, and returns false.
 *
 * settings_deinit() is to be called in either case.
 */
bool settings_read(struct settings *settings, char *const *environment,
		   FILE *messages) MUST_CHECK;

void settings_deinit(struct settings *settings);

/* Prints the table of settings: name, default, what is allowed, meaning. */
void settings_print(FILE *out);

#endif
