# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# The replicas of the program: buzon-1, buzon-2 … Needs common.sh, var.sh,
# process.sh.

# Prints the numbers of the replicas that up has started, running or not.
replicas_known() {
  local file number
  for file in "$var"/run/buzon-*.started "$var"/run/old-buzon-*.started; do
    number=${file##*buzon-}
    number=${number%.started}
    [[ ! -e $file ]] || printf '%s\n' "$number"
  done | sort -nu
}

# replica_start NUMBER PROGRAM SETTING…: starts it, and then puts its socket in
# place of the one that may be there, so that nobody is ever refused.
replica_start() {
  local number=$1 name=buzon-$1 program=$2
  shift 2
  local socket=$var/run/$name.sock.new
  local spawn=(spawn-fcgi -n -s "$socket" -b 1024)
  local environment=(
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
    "BUZON_DB_SOCKET=$var/run/mariadb.sock"
    "BUZON_DB_PASSWORD_FILE=$var/secrets/db-password"
  )
  local variable
  # Tests run programs that were built with sanitizers.
  for variable in ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS; do
    [[ -z ${!variable:-} ]] || environment+=("$variable=${!variable}")
  done
  # The web server gets in, and the replica's own user.
  if is_root; then
    spawn+=(-u "$program_user" -U "$program_user" -G "$proxy_user" -M 0660)
  else
    spawn+=(-M 0600)
  fi
  process_start "$name" "$var/log/$name.log" \
    env -i "${environment[@]}" "$@" "${spawn[@]}" -- "$program"
  wait_until 10 replica_listens_or_gone "$number" ||
    fail "$name does not listen at $socket after 10 s"
  process_find "$name" || fail "$name ended while it started"
  mv "$socket" "$var/run/$name.sock"
}

# spawn-fcgi binds the socket, sets its mode and only then executes the program.
replica_listens_or_gone() {
  process_gone "buzon-$1" || replica_executes "$1"
}

replica_executes() {
  process_find "buzon-$1"
  [[ -S $var/run/buzon-$1.sock.new && $(process_command "$process_id") != spawn-fcgi ]]
}

# replica_replace NUMBER PROGRAM SETTING…: starts another in its place, and then
# stops the one before.
replica_replace() {
  local name=buzon-$1
  replica_stop_old "$1"
  mv "$var/run/$name.started" "$var/run/old-$name.started"
  replica_start "$@"
  replica_stop_old "$1"
}

replica_stop_old() {
  process_stop "old-buzon-$1" TERM 15 KILL
}

# replica_undo NUMBER: stops one that was just started, and leaves the one in whose
# place it came where it was.
replica_undo() {
  local name=buzon-$1
  process_stop "$name" TERM 15 KILL
  rm -f "$var/run/$name.sock.new"
  if process_find "old-$name"; then
    mv "$var/run/old-$name.started" "$var/run/$name.started"
    printf '%s\n' "$process_id" >"$var/run/$name.pid"
    printf 'unknown\n' >"$var/run/$name.version"
  else
    rm -f "$var/run/$name.sock"
  fi
}

# replica_stop NUMBER
replica_stop() {
  # First nobody finds it any more: who has connected when it stops to listen would get
  # no answer.
  rm -f "$var/run/buzon-$1.sock" "$var/run/buzon-$1.sock.new"
  process_stop "buzon-$1" TERM 15 KILL
  replica_stop_old "$1"
}

# replica_signal NUMBER: asks it to end, and does not wait.
replica_signal() {
  ! process_find "buzon-$1" || kill -s TERM "$process_id" 2>/dev/null || :
}
