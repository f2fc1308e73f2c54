# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# What every script needs. Sourced, after `set -euo pipefail`.

# Where Debian keeps servers; not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly repository

say() {
  printf '%s\n' "$*"
}

# fail TEXT…: says on stderr what is wrong, and ends the script.
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# fail_usage TEXT…: for a wrong command line.
fail_usage() {
  printf '%s: %s; see scripts/%s --help\n' "${0##*/}" "$*" "${0##*/}" >&2
  exit 64
}

is_root() {
  ((EUID == 0))
}

# wait_until SECONDS COMMAND…: runs COMMAND until it succeeds. False when it has
# not by then.
wait_until() {
  local deadline=$((${EPOCHREALTIME//[!0-9]/} + $1 * 1000000))
  shift
  until "$@"; do
    ((${EPOCHREALTIME//[!0-9]/} < deadline)) || return 1
    sleep 0.05
  done
}
