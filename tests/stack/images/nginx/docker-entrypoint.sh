#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs what a derived image or a mount put into /docker-entrypoint.d, and then the
# command.
set -eu

if [ "${1:-}" = nginx ]; then
  for file in /docker-entrypoint.d/*.sh; do
    [ ! -x "$file" ] || "$file"
  done
fi
exec "$@"
