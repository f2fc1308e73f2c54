# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# Builds the tree, in folders below build/. Needs common.sh. Also called where bash
# ignores `set -e`, so each step asks for the one before.

# Makes configure, unless it is newer than what it is made from.
build_bootstrap() {
  local configure=$repository/configure
  if [[ ! -x $configure || $repository/configure.ac -nt $configure ]]; then
    (cd "$repository" && ./bootstrap)
  fi
}

# build_configure FOLDER OPTION…: configures FOLDER, unless it is already.
build_configure() {
  local folder=$1
  shift
  [[ -f $folder/Makefile ]] || (
    mkdir -p "$folder" && cd "$folder" && "$repository/configure" --quiet "$@"
  )
}

# Waits for other builds of this tree.
build_take_lock() {
  mkdir -p "$repository/build"
  exec {build_lock}<"$repository/build"
  flock -w 600 "$build_lock" ||
    fail "another build of $repository has been going on for 600 s"
}

build_free_lock() {
  exec {build_lock}>&-
}

# build_program FOLDER: builds, and leaves the program at FOLDER/buzon.
build_program() {
  build_bootstrap &&
    build_configure "$1" &&
    make -C "$1" -j "$(nproc)" --no-print-directory
}
