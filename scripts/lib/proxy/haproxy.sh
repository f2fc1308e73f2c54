# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# haproxy in front of the replicas; see scripts/lib/proxy.sh.

readonly proxy_stop_signal=USR1

# webserver-configs/haproxy/haproxy.cfg and http.cfg in one piece.
proxy_render() {
  local folder=$repository/webserver-configs/haproxy limit maxconn=8192
  # haproxy does not start with less than two files a connection, and a few more.
  limit=$(ulimit -Hn)
  if [[ $limit != unlimited ]] && ((limit < 2 * maxconn + 500)); then
    maxconn=$((limit / 2 - 250))
  fi
  printf '# Written by scripts/up from webserver-configs/haproxy.\n'
  cat "$folder"/{haproxy,http}.cfg | render_lines "$2" \
    'maxconn 8192' "maxconn $maxconn" \
    'user haproxy' "user $proxy_user" \
    'group www-data' "group $(id -gn "$proxy_user")" \
    127.0.0.1:8080 "127.0.0.1:$1" \
    127.0.0.1:8081 "127.0.0.1:$3" \
    /run/haproxy/ "$var/run/haproxy-" \
    /etc/haproxy/chunked.lua "$var/etc/haproxy-chunked.lua" \
    'log /dev/log local0 notice' 'log stderr format raw local0 notice' \
    'log /dev/log len 32768 local0 info' 'log stdout len 32768 format raw local0 info'
}

proxy_check() {
  cp "$repository/webserver-configs/haproxy/chunked.lua" "$var/etc/haproxy-chunked.lua"
  haproxy -c -q -f "$var/etc/haproxy.conf" >"$var/log/haproxy.out" 2>&1
}

# haproxy writes no files: its requests go to stdout, and all else to stderr.
proxy_start() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  process_start haproxy "$var/log/haproxy.out" \
    sh -c 'exec "$@" >>"$0-access.log" 2>>"$0-error.log"' "$var/log/haproxy" \
    haproxy -W -f "$var/etc/haproxy.conf"
}

# Returns when only a process with the new configuration listens. The old one goes on
# with the connections that it has.
proxy_reload() {
  local children before attempt
  process_find haproxy
  children=/proc/$process_id/task/$process_id/children
  before=$(<"$children")
  # It may miss a signal that comes while it is still busy with the one before.
  for attempt in 1 2 3; do
    kill -s USR2 "$process_id"
    if wait_until 5 proxy_listens_anew "$children" "$before"; then
      return 0
    fi
  done
  fail "haproxy has not taken over its new configuration after $attempt attempts of 5 s"
}
