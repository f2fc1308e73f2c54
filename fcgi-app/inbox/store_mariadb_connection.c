/* SPDX-License-Identifier: MIT */
#include "inbox/store_mariadb_private.h"

#include <mysqld_error.h>
#include <poll.h>

#include "system/clock.h"
#include "system/log.h"

enum { LIMIT_PAUSE_FIRST_MS = 50, LIMIT_PAUSE_MAX_MS = 1000 };

void store_mariadb_set_here(struct mariadb_store *mariadb)
{
	struct database *database = mariadb->database;

	if (atomic_exchange(&database->state, DATABASE_HERE) == DATABASE_HERE)
		return;
	log_event(LOG_INFO, "database_here", NULL, "connected to MariaDB %s",
		  mysql_get_server_info(mariadb->connection));
}

void store_mariadb_set_away(struct mariadb_store *mariadb)
{
	struct database *database = mariadb->database;
	void (*on_away)(void *context) = atomic_load(&database->on_away);

	if (atomic_exchange(&database->state, DATABASE_AWAY) == DATABASE_AWAY)
		return;
	log_event(LOG_WARNING, "database_away", NULL,
		  "message requests get 503 until the database answers");
	if (on_away != NULL)
		on_away(database->on_away_context);
}

static void close_statement(MYSQL_STMT **statement)
{
	if (*statement != NULL)
		mysql_stmt_close(*statement);
	*statement = NULL;
}

void store_mariadb_disconnect(struct mariadb_store *mariadb)
{
	if (mariadb->connection == NULL)
		return;
	/* First, so that statements need not be closed one by one over it. */
	mysql_close(mariadb->connection);
	mariadb->connection = NULL;
	mariadb->never_waits = false;
	mariadb->store.seen_id = 0;
	for (size_t i = 0; i < APPEND_STATEMENTS; i++)
		close_statement(&mariadb->append_statements[i]);
	for (size_t i = 0; i < READ_STATEMENTS; i++)
		close_statement(&mariadb->read_statements[i]);
	for (size_t i = 0; i < FIND_STATEMENTS; i++)
		close_statement(&mariadb->find_statements[i]);
}

/* Between two statements a server has nothing to say but goodbye. */
static bool is_stale(const struct mariadb_store *mariadb)
{
	struct pollfd poller = {
		.fd = mysql_get_socket(mariadb->connection),
		.events = POLLIN | POLLRDHUP,
	};

	return poll(&poller, 1, 0) != 0;
}

/* False where libmariadb has no memory to remember it. */
static bool set(MYSQL *connection, enum mysql_option option, const void *value)
{
	return mysql_optionsv(connection, option, value) == 0;
}

static bool set_tls(MYSQL *connection, const struct settings *settings)
{
	my_bool enforce = settings->db_tls != TLS_OFF;
	my_bool verify = settings->db_tls == TLS_VERIFIED;

	return set(connection, MYSQL_OPT_SSL_ENFORCE, &enforce) &&
	       set(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify) &&
	       (settings->db_tls_ca == NULL ||
		set(connection, MYSQL_OPT_SSL_CA, settings->db_tls_ca));
}

/* What every statement relies on; without it there may be no connection. */
static bool set_session(MYSQL *connection, unsigned timeout_secs)
{
	char session[256];

	/*
	 * A lock wait has to end before we stop waiting for its end.
	 * net_write_timeout: a replica that hangs while the database sends it
	 * a result must not hold the append lock for a minute.
	 * max_statement_time: what we have given up must not go on for ever;
	 * rows that keep coming may take longer than the first of them.
	 */
	snprintf(session, sizeof(session),
		 "SET SESSION time_zone = '+00:00', "
		 "sql_mode = 'STRICT_ALL_TABLES', autocommit = 1, "
		 "innodb_lock_wait_timeout = %u, net_write_timeout = %u, "
		 "max_statement_time = %u",
		 timeout_secs - 1, timeout_secs + 1, 2 * timeout_secs);
	return set(connection, MYSQL_INIT_COMMAND, session) &&
	       set(connection, MYSQL_INIT_COMMAND,
		   "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
}

static bool set_options(MYSQL *connection, const struct settings *settings)
{
	unsigned timeout_secs = (unsigned)settings->db_timeout_secs;
	unsigned protocol = settings->db_socket != NULL ? MYSQL_PROTOCOL_SOCKET
							: MYSQL_PROTOCOL_TCP;
	unsigned local_infile = 0;
	my_bool reconnect = 0; /* it would lose statements and locks */

	return set(connection, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_secs) &&
	       set(connection, MYSQL_OPT_READ_TIMEOUT, &timeout_secs) &&
	       set(connection, MYSQL_OPT_WRITE_TIMEOUT, &timeout_secs) &&
	       set(connection, MYSQL_OPT_RECONNECT, &reconnect) &&
	       set(connection, MYSQL_OPT_LOCAL_INFILE, &local_infile) &&
	       set(connection, MYSQL_OPT_PROTOCOL, &protocol) &&
	       set(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4") &&
	       set_tls(connection, settings) &&
	       set_session(connection, timeout_secs);
}

/*
 * A limit of connections concerns the one who wants one more: it waits, a
 * longer time each time, while the others serve on.
 */
static void meet_limit(struct mariadb_store *mariadb, unsigned error,
		       const char *text)
{
	int64_t pause_ms = 2 * mariadb->limit_pause_ms;

	if (pause_ms == 0)
		pause_ms = LIMIT_PAUSE_FIRST_MS;
	else if (pause_ms > LIMIT_PAUSE_MAX_MS)
		pause_ms = LIMIT_PAUSE_MAX_MS;
	mariadb->limit_pause_ms = pause_ms;
	mariadb->no_connect_until_ms = clock_now_ms() + pause_ms;
	if (atomic_exchange(&mariadb->database->limit, error) != error)
		log_event(LOG_WARNING, "database_limit", NULL,
			  "error %u: %s; requests that need one more "
			  "connection get 503",
			  error, text);
}

static void pass_limit(struct mariadb_store *mariadb)
{
	if (mariadb->limit_pause_ms == 0)
		return;
	mariadb->limit_pause_ms = 0;
	mariadb->no_connect_until_ms = 0;
	atomic_store(&mariadb->database->limit, 0);
}

static void fail_to_connect(struct mariadb_store *mariadb, unsigned error,
			    const char *text)
{
	switch (error) {
	case ER_CON_COUNT_ERROR:
	case ER_TOO_MANY_USER_CONNECTIONS:
	case ER_USER_LIMIT_REACHED:
		meet_limit(mariadb, error, text);
		return;
	default:
		break;
	}
	if (atomic_load(&mariadb->database->state) != DATABASE_AWAY)
		log_event(LOG_WARNING, "database_connect_failed", NULL,
			  "error %u: %s", error, text);
	store_mariadb_set_away(mariadb);
}

static bool open_connection(struct mariadb_store *mariadb)
{
	const struct settings *settings = mariadb->database->settings;
	MYSQL *connection = mysql_init(NULL);

	if (connection == NULL) {
		store_mariadb_set_away(mariadb);
		return false;
	}
	if (!set_options(connection, settings) ||
	    mysql_real_connect(connection,
			       settings->db_socket != NULL ? NULL
							   : settings->db_host,
			       settings->db_user, settings->db_password,
			       settings->db_name, (unsigned)settings->db_port,
			       settings->db_socket, 0) == NULL) {
		fail_to_connect(mariadb, mysql_errno(connection),
				mysql_error(connection));
		mysql_close(connection);
		return false;
	}
	pass_limit(mariadb);
	mariadb->connection = connection;
	return true;
}

enum err store_mariadb_connect(struct mariadb_store *mariadb, bool at_once)
{
	if (mariadb->connection != NULL) {
		if (!is_stale(mariadb))
			return ERR_OK;
		store_mariadb_disconnect(mariadb);
	}
	if (at_once && atomic_load(&mariadb->database->state) == DATABASE_AWAY)
		return ERR_DATABASE_UNAVAILABLE;
	if (clock_now_ms() < mariadb->no_connect_until_ms ||
	    !open_connection(mariadb))
		return ERR_DATABASE_UNAVAILABLE;
	/* The one that asks waits for an answer before it says so. */
	if (at_once)
		store_mariadb_set_here(mariadb);
	return ERR_OK;
}

bool store_mariadb_ready(struct mariadb_store *mariadb)
{
	MYSQL *connection = mariadb->connection;

	if (connection == NULL || is_stale(mariadb))
		return false;
	if (!mariadb->never_waits && mysql_get_ssl_cipher(connection) == NULL)
		mariadb->never_waits =
			mysql_optionsv(connection, MYSQL_OPT_NONBLOCK, NULL) ==
			0;
	return mariadb->never_waits;
}
