/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_MARIADB_HELPER_H
#define BUZON_TESTS_MARIADB_HELPER_H

#include "inbox/store_mariadb.h"

/*
 * A store over the libmariadb of mysql_fake.h, new for each test. For tests by
 * cmocka, in the test's thread.
 */

enum { TIMEOUT_SECS = 5 };

extern struct settings settings; /* its own; a test may change them */
extern struct database *database;
extern struct store *store;
extern int aways; /* how often the database was found to be away */

/* For cmocka_unit_test_setup_teardown(). */
int mariadb_set_up(void **state);

/* Fails where anything is still open, whatever happened in the test. */
int mariadb_tear_down(void **state);

/* For a row of a table: each has a store of its own. */
void start_again(void);

#endif
