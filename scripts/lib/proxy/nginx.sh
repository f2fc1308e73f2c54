# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# nginx in front of the replicas; see scripts/lib/proxy.sh.

readonly proxy_stop_signal=QUIT

# webserver-configs/nginx/nginx.conf in one piece, with what it includes.
proxy_render() {
  local user="user $proxy_user;"
  # Only root can choose one.
  is_root || user='# (nginx runs as the user who started it)'
  printf '# Written by scripts/up from webserver-configs/nginx.\n'
  nginx_join nginx.conf | render_lines "$2" \
    'user www-data;' "$user" \
    127.0.0.1:8080 "127.0.0.1:$1" \
    127.0.0.1:8081 "127.0.0.1:$3" \
    /run/nginx.pid "$var/run/nginx.pid" \
    /var/log/nginx/error.log "$var/log/nginx-error.log" \
    /var/log/nginx/access.log "$var/log/nginx-access.log" \
    /var/lib/nginx/ "$var/tmp/nginx-"
}

# nginx_join FILE: prints it with the files of its folder in place of their includes.
nginx_join() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^[[:blank:]]*include\ (buzon/[^\;]+)\; ]]; then
      nginx_join "${BASH_REMATCH[1]}"
    else
      printf '%s\n' "$line"
    fi
  done <"$repository/webserver-configs/nginx/$1"
}

proxy_check() {
  nginx -t -q -p "$var" -e "$var/log/nginx-error.log" -c "$var/etc/nginx.conf" \
    >"$var/log/nginx.out" 2>&1
}

proxy_start() {
  process_start nginx "$var/log/nginx.out" nginx -p "$var" \
    -e "$var/log/nginx-error.log" -c "$var/etc/nginx.conf" -g 'daemon off;'
}

# Returns when only workers with the new configuration take connections.
proxy_reload() {
  local children before
  process_find nginx
  children=/proc/$process_id/task/$process_id/children
  before=$(<"$children")
  kill -s HUP "$process_id"
  wait_until 10 proxy_taken_over "$children" "$before" ||
    fail 'nginx has not taken over its new configuration after 10 s'
}

# proxy_taken_over FILE BEFORE: the workers named in BEFORE have stopped to
# listen, and others have come.
proxy_taken_over() {
  local worker title now
  now=" $(<"$1") "
  for worker in $2; do
    # One that has ended has no title.
    { title=$(tr '\0' ' ' <"/proc/$worker/cmdline"); } 2>/dev/null || title=
    [[ -z $title || $title == *'shutting down'* ]] || return 1
    now=${now/ $worker / }
  done
  [[ $now == *[0-9]* ]]
}
