#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Starts MariaDB as the official image does: an empty data folder is set up first,
# by a server that no network reaches, from the documented variables.
set -euo pipefail
shopt -s nullglob

say() {
  printf '%s [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"
}

fail() {
  say "ERROR: $*" >&2
  exit 1
}

# read_setting NAME [DEFAULT]: sets the variable NAME from the environment's
# MARIADB_NAME, MARIADB_NAME_FILE, MYSQL_NAME or MYSQL_NAME_FILE, the first that is
# not empty.
read_setting() {
  local prefix variable file value=
  for prefix in MYSQL MARIADB; do
    variable=${prefix}_$1 file=${prefix}_$1_FILE
    [[ -z ${!variable:-} || -z ${!file:-} ]] ||
      fail "$variable and $file are both set, and only one of them may be"
    if [[ -n ${!file:-} ]]; then
      value=$(<"${!file}")
    elif [[ -n ${!variable:-} ]]; then
      value=${!variable}
    fi
    unset "$variable" "$file"
  done
  printf -v "$1" '%s' "${value:-${2:-}}"
}

read_settings() {
  read_setting ROOT_PASSWORD
  read_setting ROOT_HOST %
  read_setting DATABASE
  read_setting USER
  read_setting PASSWORD
  allow_empty=${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-${MYSQL_ALLOW_EMPTY_PASSWORD:-}}
  random=${MARIADB_RANDOM_ROOT_PASSWORD:-${MYSQL_RANDOM_ROOT_PASSWORD:-}}
  skip_time_zones=${MARIADB_INITDB_SKIP_TZINFO:-${MYSQL_INITDB_SKIP_TZINFO:-}}
}

# ask_server NAME: one value of the server's own configuration. Its help has lines
# with the same words, all of them indented.
ask_server() {
  awk -v name="$1" '/^[a-z]/ && $1 == name { sub(/^[^ \t]+[ \t]+/, ""); print; exit }' <<<"$configuration"
}

make_password() {
  pwgen --secure --numerals --capitalize 32 1
}

# quote TEXT: as a string of SQL.
quote() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\\\'}"
}

# run_sql [OPTION…]: statements on stdin, as root over the socket.
run_sql() {
  MYSQL_PWD=$current_password mariadb --protocol=socket --socket="$socket" --user=root \
    --skip-ssl --binary-mode ${DATABASE:+--database="$DATABASE"} "$@"
}

start_server() {
  local attempt
  "$@" --skip-networking --socket="$socket" --expire-logs-days=0 --skip-ssl \
    --loose-innodb_buffer_pool_load_at_startup=0 &
  server=$!
  for ((attempt = 0; attempt < 300; attempt++)); do
    ! run_sql --database=mysql <<<'SELECT 1' &>/dev/null || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  fail 'the server for the first setup did not start; its words stand above'
}

stop_server() {
  kill "$server"
  wait "$server"
}

write_accounts() {
  local host health_password
  health_password=$(make_password)
  printf 'SET SESSION sql_log_bin = 0;\n'
  # Accounts without a password, which mariadb-install-db makes.
  printf "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';\n"
  printf "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@\\\'', @@hostname, '\\\'');\n"
  if [[ $ROOT_HOST != localhost ]]; then
    printf 'CREATE USER root@%s IDENTIFIED BY %s;\n' \
      "$(quote "$ROOT_HOST")" "$(quote "$ROOT_PASSWORD")"
    printf 'GRANT ALL ON *.* TO root@%s WITH GRANT OPTION;\n' "$(quote "$ROOT_HOST")"
    printf "GRANT PROXY ON ''@'%%' TO root@%s WITH GRANT OPTION;\n" "$(quote "$ROOT_HOST")"
  fi
  for host in localhost 127.0.0.1 ::1; do
    printf 'CREATE USER healthcheck@%s IDENTIFIED BY %s;\n' \
      "$(quote "$host")" "$(quote "$health_password")"
  done
  (
    umask 077
    printf '[mariadb-client]\nport=%s\nsocket=%s\nuser=healthcheck\npassword=%s\n' \
      "$(ask_server port)" "$socket" "$health_password" >"$data/.my-healthcheck.cnf"
  )
  printf 'SET PASSWORD FOR root@localhost = PASSWORD(%s);\n' "$(quote "$ROOT_PASSWORD")"
  printf 'SET SESSION sql_log_bin = 1;\n'
  [[ -z $DATABASE ]] ||
    printf "CREATE DATABASE IF NOT EXISTS \`%s\`;\n" "$DATABASE"
  if [[ -n $USER && -n $PASSWORD ]]; then
    printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(quote "$USER")" "$(quote "$PASSWORD")"
    # _ would stand for any character.
    [[ -z $DATABASE ]] ||
      printf "GRANT ALL ON \`%s\`.* TO %s@'%%';\n" "${DATABASE//_/\\_}" "$(quote "$USER")"
  fi
}

run_folder() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    say "$file"
    case $file in
      *.sh)
        if [[ -x $file ]]; then
          "$file"
        else
          # shellcheck source=/dev/null
          . "$file"
        fi
        ;;
      *.sql) run_sql <"$file" ;;
      *.sql.gz) gzip -dc "$file" | run_sql ;;
      *.sql.xz) xz -dc "$file" | run_sql ;;
      *.sql.zst) zstd -dc "$file" | run_sql ;;
      *) say "ignored: $file" ;;
    esac
  done
}

set_up() {
  [[ -n $ROOT_PASSWORD$allow_empty$random ]] ||
    fail 'the data folder is empty and no password for root is named; set one of MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_FILE, MARIADB_RANDOM_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD'
  if [[ -n $random ]]; then
    ROOT_PASSWORD=$(make_password)
    say "GENERATED ROOT PASSWORD: $ROOT_PASSWORD"
  fi
  # Before anything is written, so that no half of a database stays behind.
  ls /docker-entrypoint-initdb.d >/dev/null

  say 'setting up the data folder'
  mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal \
    "${@:2}" --cross-bootstrap --skip-test-db --skip-log-bin --expire-logs-days=0 \
    --loose-innodb_buffer_pool_load_at_startup=0
  current_password=
  start_server "$@"
  if [[ -z $skip_time_zones ]]; then
    mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo |
      DATABASE='' run_sql --database=mysql
  fi
  write_accounts | DATABASE='' run_sql --database=mysql
  current_password=$ROOT_PASSWORD
  run_folder
  stop_server
  say 'the data folder is set up'
}

main() {
  local argument
  if [[ ${1:-} == -* ]]; then
    set -- mariadbd "$@"
  fi
  if [[ ${1:-} != mariadbd && ${1:-} != mysqld ]]; then
    exec "$@"
  fi
  for argument; do
    case $argument in
      '-?' | --help | --print-defaults | -V | --version) exec "$@" ;;
    esac
  done

  if ! configuration=$("$@" --verbose --help 2>/dev/null); then
    fail "the server refuses its options: $*: $("$@" --verbose --help 2>&1 >/dev/null)"
  fi
  data=$(ask_server datadir)
  socket=$(ask_server socket)
  if ((EUID == 0)); then
    mkdir -p "$data"
    find "$data" ! -user mysql -exec chown mysql: {} +
    find "${socket%/*}" -maxdepth 0 ! -user mysql -exec chown mysql: {} +
    exec gosu mysql "$0" "$@"
  fi
  read_settings
  if [[ ! -d $data/mysql ]]; then
    set_up "$@"
  fi
  exec "$@"
}

main "$@"
