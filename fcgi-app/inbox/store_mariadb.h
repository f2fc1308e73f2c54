/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_STORE_MARIADB_H
#define BUZON_INBOX_STORE_MARIADB_H

#include "system/settings.h"
#include "inbox/store.h"

/*
 * Messages in MariaDB, by libmariadb. The files store_mariadb*.c are the only
 * ones that include mysql.h.
 */

/*
 * What the stores of one process know in common: where the database is, and
 * whether it seems to be away. While it is, no store tries to connect but the
 * one that asks (store_ping), so that nobody waits for a connection that is
 * not to be had.
 */
struct database;

/* settings must outlive the database. NULL when there is no memory. */
struct database *database_new(const struct settings *settings);

/* After all its stores are closed; sets *database to NULL. */
void database_free(struct database **database);

/*
 * Has `on_away` called whenever the database seems to have gone away; it must
 * not block. May be set once, at any time.
 */
void database_watch(struct database *database, void (*on_away)(void *context),
		    void *context);

/* A store_open_fn; database is a struct database. Connects later. */
struct store *store_mariadb_open(void *database);

#endif
