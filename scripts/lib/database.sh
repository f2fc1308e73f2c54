# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# The private MariaDB. Needs common.sh, var.sh, process.sh.

database_write_config() {
  install -d -m 700 "$var/tmp/mariadb"
  ! is_root || chown "$mariadb_user" "$var/tmp/mariadb"
  cat >"$var/etc/mariadb.cnf" <<END
# Written by scripts/up at every start.
[mariadbd]
datadir = $var/data
socket = $var/run/mariadb.sock
log_error = $var/log/mariadb.log
# In /tmp, another server that starts would remove what this one has there.
tmpdir = $var/tmp/mariadb
# Nobody comes by network.
skip_networking
skip_name_resolve
character_set_server = utf8mb4
collation_server = utf8mb4_nopad_bin
# What was committed stays, whatever happens to the machine.
innodb_flush_log_at_trx_commit = 1
innodb_buffer_pool_size = 128M
innodb_log_file_size = 128M
max_connections = 400
performance_schema = OFF
END
}

# Makes the system tables. Done in a folder of its own, so that what was
# interrupted is not taken for a database.
database_create() {
  [[ -d $var/data ]] && return
  rm -rf "$var/data.new"
  install -d -m 700 "$var/data.new"
  ! is_root || chown "$mariadb_user" "$var/data.new"
  mariadb-install-db --defaults-file="$var/etc/mariadb.cnf" \
    --datadir="$var/data.new" --user="$mariadb_user" --skip-test-db \
    --auth-root-authentication-method=socket \
    --auth-root-socket-user="$(id -un)" >"$var/log/mariadb-install.log" 2>&1
  mv "$var/data.new" "$var/data"
}

database_answers() {
  mariadb --no-defaults --socket="$var/run/mariadb.sock" --connect-timeout=2 \
    --execute='DO 1' >/dev/null 2>&1
}

database_ready_or_gone() {
  database_answers || process_gone mariadb
}

# database_start OPTION…
database_start() {
  local done='runs already'
  if ! process_find mariadb; then
    done="started, $var/run/mariadb.sock"
    database_write_config
    step_log=$var/log/mariadb-install.log
    database_create
    step_log=$var/log/mariadb.log
    touch "$step_log"
    ! is_root || chown "$mariadb_user" "$step_log"
    process_start mariadb "$var/log/mariadb.out" mariadbd \
      --defaults-file="$var/etc/mariadb.cnf" --user="$mariadb_user" \
      --pid-file="$var/data/mariadb.pid" "$@"
  fi
  wait_until 60 database_ready_or_gone || fail 'MariaDB does not answer after 60 s'
  if process_gone mariadb; then
    fail "MariaDB ended while it started"
  fi
  say "database: $done"
}

database_migrate() {
  env -u BUZON_DB_HOST -u BUZON_DB_PORT -u BUZON_DB_NAME -u BUZON_DB_USER \
    -u BUZON_DB_TLS -u BUZON_DB_TLS_CA -u BUZON_ADMIN_USER \
    -u MIGRATE_USER -u MIGRATE_PASSWORD_FILE \
    BUZON_DB_SOCKET="$var/run/mariadb.sock" \
    BUZON_DB_PASSWORD_FILE="$var/secrets/db-password" \
    BUZON_ADMIN_PASSWORD_FILE="$var/secrets/db-admin-password" \
    "$repository/sql/migrate" >"$var/log/migrate.log" 2>&1
  sed 's/^/database: /' "$var/log/migrate.log"
}

# MariaDB ends cleanly on SIGTERM, but hangs for good when it gets that while it
# starts; so it is let start first. It is never killed: it would have to repair
# itself at its next start.
database_stop() {
  # One that neither answers nor ends is told to end all the same.
  wait_until 60 database_ready_or_gone || :
  process_stop mariadb TERM 60 ''
}
