/* SPDX-License-Identifier: MIT */
#include "mariadb_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/log.h"
#include "mysql_fake.h"

static char host[] = "db.example", user[] = "buzon", password[] = "secret",
	    name[] = "inbox";

struct settings settings;
struct database *database;
struct store *store;
int aways;

static void count_away(void *context)
{
	(*(int *)context)++;
}

int mariadb_set_up(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	mysql_fake_reset();
	settings = (struct settings){
		.db_host = host,
		.db_port = 3307,
		.db_user = user,
		.db_password = password,
		.db_name = name,
		.db_timeout_secs = TIMEOUT_SECS,
	};
	aways = 0;
	database = database_new(&settings);
	assert_non_null(database);
	database_watch(database, count_away, &aways);
	store = store_mariadb_open(database);
	assert_non_null(store);
	return 0;
}

int mariadb_tear_down(void **state)
{
	size_t open;

	(void)state;
	store_close(store);
	store = NULL;
	database_free(&database);
	open = mysql_fake_open();
	mysql_fake_reset();
	if (open != 0)
		print_error("%zu things are still open\n", open);
	return open == 0 ? 0 : -1;
}

void start_again(void)
{
	assert_int_equal(mariadb_tear_down(NULL), 0);
	mariadb_set_up(NULL);
}
