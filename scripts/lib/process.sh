# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# Processes that outlive the script. Each has a name; var/run/NAME.pid tells its
# process ID, and var/run/NAME.started what tells it from a stranger that has got
# the same ID later. Needs common.sh and the variable `var`.
#
# Much of this runs in an EXIT trap as well, where a bare `return` gives the status
# that ended the script; so it is always told what to return.

# Prints when a process started, and nothing for one that is gone or a zombie.
process_start_time() {
  local stat fields
  # It may end at any moment; then there is nothing to read.
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # The second field is the command in parentheses and may hold anything.
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} == Z ]] || printf '%s' "${fields[19]}"
}

# Prints the name of the program that a process runs.
process_command() {
  # It may end at any moment.
  { cat "/proc/$1/comm"; } 2>/dev/null || :
}

# process_record NAME PID: remembers a process that was just started.
process_record() {
  local start_time
  start_time=$(process_start_time "$2")
  printf '%s %s %s\n' "$2" "${start_time:-0}" \
    "$(</proc/sys/kernel/random/boot_id)" >"$var/run/$1.started"
  printf '%s\n' "$2" >"$var/run/$1.pid"
}

# process_find NAME: sets `process_id`. False when the process of this name does
# not run.
process_find() {
  process_find_started "$1" || process_find_replaced "$1"
}

# The process that was started by us.
process_find_started() {
  local start_time boot_id
  [[ -r $var/run/$1.started ]] || return 1
  read -r process_id start_time boot_id <"$var/run/$1.started" || return 1
  [[ $boot_id == "$(</proc/sys/kernel/random/boot_id)" &&
    $start_time == "$(process_start_time "$process_id")" ]]
}

# One that somebody has started in its place: the command line of each of them
# names the folder.
process_find_replaced() {
  local arguments
  [[ -r $var/run/$1.pid ]] || return 1
  read -r process_id <"$var/run/$1.pid" || return 1
  [[ $process_id =~ ^[0-9]+$ && -n $(process_start_time "$process_id") ]] || return 1
  # It may end at any moment.
  { arguments=$(tr '\0' ' ' <"/proc/$process_id/cmdline"); } 2>/dev/null || return 1
  [[ $arguments == *"$var/"* ]]
}

process_gone() {
  ! process_find "$1"
}

process_forget() {
  rm -f "$var/run/$1.started" "$var/run/$1.pid" "$var/run/$1.version"
}

# What a signal does to a script that starts processes: it ends, and its EXIT trap
# stops them.
catch_signals() {
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
}

# process_start NAME LOG COMMAND…: runs COMMAND in the background, in a session of
# its own, its words going to LOG.
process_start() {
  local name=$1 log=$2 interrupted=
  shift 2
  # A signal has to wait until the process is on record.
  trap 'interrupted=yes' INT TERM HUP
  # Nothing of ours is handed on: neither the terminal nor a lock, nor a folder that
  # other users may not enter.
  (
    cd /
    [[ -z ${var_lock:-} ]] || exec {var_lock}>&-
    exec setsid "$@" </dev/null >>"$log" 2>&1
  ) &
  process_record "$name" "$!"
  started+=("$name")
  catch_signals
  [[ -z $interrupted ]] || exit 130
}

# process_stop NAME SIGNAL SECONDS LAST: sends SIGNAL and waits. When the process
# has not ended by then it gets LAST, or where that is empty the call fails.
process_stop() {
  local name=$1 signal=$2 seconds=$3 last=$4
  if ! process_find "$name"; then
    process_forget "$name"
    return 0
  fi
  # It may end by itself meanwhile.
  kill -s "$signal" "$process_id" 2>/dev/null || :
  if ! wait_until "$seconds" process_gone "$name"; then
    if [[ -z $last ]]; then
      printf '%s (process %s) has not ended within %s s\n' \
        "$name" "$process_id" "$seconds" >&2
      return 1
    fi
    printf '%s (process %s) has not ended within %s s: sending SIG%s\n' \
      "$name" "$process_id" "$seconds" "$last" >&2
    kill -s "$last" "$process_id" 2>/dev/null || :
    wait_until 10 process_gone "$name" || return 1
  fi
  process_forget "$name"
}
