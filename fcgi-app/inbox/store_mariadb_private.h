/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_STORE_MARIADB_PRIVATE_H
#define BUZON_INBOX_STORE_MARIADB_PRIVATE_H

#include <mysql.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "text/buf.h"
#include "inbox/store_mariadb.h"

/* Shared by the files store_mariadb*.c, and by nobody else. */

enum {
	APPEND_STATEMENTS = 70,              /* see append_slot() */
	READ_STATEMENTS = 2 << FILTER_LIMIT, /* see read_slot() */
	FIND_STATEMENTS = 7, /* for 1, 2, 4 … STORE_FIND_MAX IDs */
	SELECT_PARAMETERS_MAX = STORE_FIND_MAX,
	SENDER_BYTES_MAX = 4 * MESSAGE_FROM_CHARACTERS_MAX,
};

enum database_state { DATABASE_UNKNOWN, DATABASE_HERE, DATABASE_AWAY };

struct database {
	const struct settings *settings;
	atomic_int state;  /* enum database_state */
	atomic_uint limit; /* error of the limit last met */
	void (*_Atomic on_away)(void *context); /* NULL: nobody watches */
	void *on_away_context;
};

/* Where the columns of a row of a result are put. */
struct store_mariadb_row {
	uint64_t id;
	MYSQL_TIME stored_at;
	signed char replayed;
	char sender[SENDER_BYTES_MAX];
	unsigned long sender_length;
	char content[MESSAGE_CONTENT_BYTES_MAX];
	unsigned long content_length;
};

/* A find that does not wait, while it is under way. */
struct store_mariadb_find {
	MYSQL_STMT *statement;
	bool executed; /* and its rows are fetched */
	bool visited;  /* one of them at least */
	int rc;        /* what libmariadb's call came to, once it is over */
	int64_t began_ms;
	store_visit_fn *visit;
	void *context;
};

struct mariadb_store {
	struct store store; /* first: its operations cast */
	struct database *database;
	MYSQL *connection; /* NULL while there is none */
	MYSQL_STMT *append_statements[APPEND_STATEMENTS];
	MYSQL_STMT *read_statements[READ_STATEMENTS];
	MYSQL_STMT *find_statements[FIND_STATEMENTS];
	struct store_mariadb_row row;
	MYSQL_BIND *parameters; /* of an append */
	size_t parameter_rows;
	struct buf sql;
	struct store_mariadb_find find;
	bool never_waits; /* the connection is set up for calls that do not */
	bool has_told_of_surrogates; /* in what it reads */
	unsigned refusal; /* error that was last refused; 0 after a success */
	int64_t limit_pause_ms; /* 0: no limit of connections was met */
	int64_t no_connect_until_ms;
};

/* What became of a statement that the database refused or did not answer. */
enum store_mariadb_failure {
	FAILURE_LOST,      /* with the connection: what it did is unknown */
	FAILURE_CONFLICT,  /* rolled back; the same again may well succeed */
	FAILURE_LOCK_WAIT, /* the statement alone is undone: roll back first */
	FAILURE_UNDONE,    /* rolled back; it took too long */
	FAILURE_REFUSED,   /* rolled back; the same again is refused again */
	FAILURE_UNCERTAIN, /* at its commit: it may be done */
	FAILURE_UNKNOWN,   /* not done if no row was returned, else it may be */
};

/*
 * Makes sure that there is a connection. at_once: without trying where the
 * database is known to be away. ERR_OK or ERR_DATABASE_UNAVAILABLE.
 */
enum err store_mariadb_connect(struct mariadb_store *mariadb,
			       bool at_once) MUST_CHECK;

/*
 * True where there is a connection that can be used at once by calls that never
 * wait: not one with TLS, where libmariadb forgets the time-outs of those.
 */
bool store_mariadb_ready(struct mariadb_store *mariadb) MUST_CHECK;

/* Closes the connection and forgets its statements. */
void store_mariadb_disconnect(struct mariadb_store *mariadb);

/* The database has answered; or it seems to be away. Logs only what is new. */
void store_mariadb_set_here(struct mariadb_store *mariadb);
void store_mariadb_set_away(struct mariadb_store *mariadb);

/*
 * Looks at the error of a statement (of the connection with NULL), logs it, and
 * closes the connection where it is of no more use. began_ms: when the call
 * began, which tells a silent database from a connection that was cut.
 */
enum store_mariadb_failure store_mariadb_failed(struct mariadb_store *mariadb,
						MYSQL_STMT *statement,
						int64_t began_ms);

/* What a read that failed so is told as; and whether it may be tried again. */
enum err store_mariadb_read_error(enum store_mariadb_failure failure);
bool store_mariadb_may_read_again(enum store_mariadb_failure failure);

/*
 * Prepares a statement from mariadb->sql and puts it into *slot. False on an
 * error, of which *failure_r tells what store_mariadb_failed() has seen.
 */
bool store_mariadb_prepare(struct mariadb_store *mariadb, MYSQL_STMT **slot,
			   enum store_mariadb_failure *failure_r) MUST_CHECK;

/*
 * Set a parameter of a statement. What it points to outlives the execution; a
 * text without data is NULL.
 */
void store_mariadb_set_text(MYSQL_BIND *parameter, struct span text);
void store_mariadb_set_number(MYSQL_BIND *parameter, const uint64_t *number);

/*
 * Has the columns of a result put into row: id, sender, content, stored_at and
 * replayed, or as many of them, from the first on, as the statement has.
 */
bool store_mariadb_bind_row(MYSQL_STMT *statement,
			    struct store_mariadb_row *row) MUST_CHECK;

/* Writes a DATETIME(6) in UTC as RFC 3339. */
void store_mariadb_write_date(char out[MESSAGE_DATE_BYTES],
			      const MYSQL_TIME *time);

/* A SELECT of id, sender, content and stored_at, or of id alone. */
struct store_mariadb_query {
	MYSQL_STMT **slot; /* where its statement is kept */
	void (*write_sql)(struct buf *sql, const void *what);
	/* Sets up to SELECT_PARAMETERS_MAX; they point into what. */
	void (*set_parameters)(MYSQL_BIND *parameters, const void *what);
	const void *what;
	bool ids_only;
};

/* Runs it, on a new connection where the old one was cut; see store_read(). */
enum err store_mariadb_select(struct mariadb_store *mariadb,
			      const struct store_mariadb_query *query,
			      store_visit_fn *visit, void *context) MUST_CHECK;

/* Binds the parameters of its statement. False on an error. */
bool store_mariadb_bind_query(MYSQL_STMT *statement,
			      const struct store_mariadb_query *query)
	MUST_CHECK;

/* Shows the row that was fetched; returns what visit does. */
bool store_mariadb_visit_row(struct mariadb_store *mariadb, bool ids_only,
			     store_visit_fn *visit, void *context);

/* Logs it where a row did not fit; rc is what the fetch returned. */
void store_mariadb_check_fit(const struct mariadb_store *mariadb, int rc);

/* The store's operations; see store.h. */
size_t store_mariadb_append_size(size_t waiting);
enum err store_mariadb_append(struct store *store, struct store_append **rows,
			      size_t count);
enum err store_mariadb_read(struct store *store, const struct filter *filter,
			    store_visit_fn *visit, void *context);
enum err store_mariadb_find(struct store *store, const uint64_t *ids,
			    size_t count, store_visit_fn *visit, void *context);

enum store_progress store_mariadb_find_start(struct store *store,
					     const uint64_t *ids, size_t count,
					     store_visit_fn *visit,
					     void *context, enum err *err_r);
enum store_progress store_mariadb_find_continue(struct store *store,
						bool expired, enum err *err_r);

#endif
