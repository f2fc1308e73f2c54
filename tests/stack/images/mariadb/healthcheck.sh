#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests of the official image's healthcheck.sh that need no replication. All
# that are named have to be true.
set -euo pipefail

# ask STATEMENT OPTION…: as the account that the first setup made for this.
ask() {
  local statement=$1 options=()
  shift
  # Otherwise whoever asks: without access, but not without an answer.
  [[ ! -f /var/lib/mysql/.my-healthcheck.cnf ]] ||
    options=(--defaults-extra-file=/var/lib/mysql/.my-healthcheck.cnf)
  mariadb "${options[@]}" --skip-ssl --batch --skip-column-names "$@" --execute="$statement"
}

# False while the first setup is under way: its server has no network.
check_connect() {
  local answer
  if answer=$(ask 'SELECT @@skip_networking' --protocol=socket 2>/dev/null); then
    [[ $answer == 0 ]]
    return
  fi
  # Also an answer is that of a server that knows this account no more.
  answer=$(ask 'SELECT @@skip_networking' --host=127.0.0.1 --protocol=tcp 2>&1) ||
    [[ $answer == *'(28000)'* ]]
}

check_innodb_initialized() {
  [[ $(ask "SELECT 1 FROM information_schema.ENGINES
    WHERE engine = 'innodb' AND support IN ('YES', 'DEFAULT', 'ENABLED')" \
    --protocol=socket) == 1 ]]
}

if (($# == 0)); then
  printf 'healthcheck: no test is named; there is: --connect --innodb_initialized\n' >&2
  exit 1
fi
connected=
for option; do
  case $option in
    --connect | --innodb_initialized) ;;
    *)
      printf "healthcheck: unknown test '%s'; there is: --connect --innodb_initialized\n" \
        "$option" >&2
      exit 1
      ;;
  esac
  if ! "check_${option#--}"; then
    printf 'healthcheck: %s failed\n' "${option#--}" >&2
    exit 1
  fi
  [[ $option != --connect ]] || connected=yes
done
# Without it the server of the first setup would count as healthy.
[[ -n $connected ]] || check_connect
