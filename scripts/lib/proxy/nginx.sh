# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# nginx in front of the replicas. Every proxy has one file like this one.

readonly proxy_stop_signal=QUIT

# proxy_render PORT COUNT: prints webserver-configs/nginx/nginx.conf in one piece,
# with the user, the paths, the address and the servers of this system.
proxy_render() {
  printf '# Written by scripts/up from webserver-configs/nginx.\n'
  render_file nginx.conf "$@"
}

# render_file FILE PORT COUNT
render_file() {
  local source=$repository/webserver-configs/nginx/$1 line number
  local user="user $proxy_user;" written=
  # Only root can choose one.
  is_root || user='# (nginx runs as the user who started it)'
  while IFS= read -r line; do
    case $line in
      *'include buzon/'*)
        line=${line##*include }
        render_file "${line%;}" "$2" "$3"
        continue
        ;;
      'user www-data;') line=$user ;;
      *'server unix:/run/buzon/buzon-'[0-9]*'.sock '*)
        # The first stands for all of them.
        [[ -z $written ]] || continue
        written=yes
        for ((number = 1; number <= $3; number++)); do
          printf '%s\n' "${line/\/run\/buzon\/buzon-*.sock/"$var/run/buzon-$number.sock"}"
        done
        continue
        ;;
      *'listen 127.0.0.1:8080;') line=${line/8080/$2} ;;
    esac
    line=${line/\/run\/nginx.pid/"$var/run/nginx.pid"}
    line=${line/\/var\/log\/nginx\/error.log/"$var/log/nginx-error.log"}
    line=${line/\/var\/log\/nginx\/access.log/"$var/log/nginx-access.log"}
    line=${line/\/var\/lib\/nginx\//"$var/tmp/nginx-"}
    printf '%s\n' "$line"
  done <"$source"
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
