# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# Caddy in front of the replicas; see scripts/lib/proxy.sh.

readonly proxy_stop_signal=TERM

# webserver-configs/caddy/Caddyfile in one piece, with what it imports.
proxy_render() {
  # It could rename its logs in a folder of its own only.
  local keep=$' {\n\t\t\troll_disabled\n\t\t}'
  printf '# Written by scripts/up from webserver-configs/caddy.\n'
  caddy_join Caddyfile | render_lines "$2" \
    http://:8080 "http://:$1" \
    127.0.0.1:8081 "127.0.0.1:$3" \
    /var/log/caddy/error.log "$var/log/caddy-error.log$keep" \
    /var/log/caddy/access.log "$var/log/caddy-access.log$keep" \
    /var/lib/caddy/ "$var/tmp/caddy/"
}

# caddy_join FILE: prints it with the files of its folder in place of their imports.
caddy_join() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^[[:blank:]]*import\ (buzon/.+) ]]; then
      caddy_join "${BASH_REMATCH[1]}"
    else
      printf '%s\n' "$line"
    fi
  done <"$repository/webserver-configs/caddy/$1"
}

proxy_check() {
  caddy_prepare
  "${caddy_command[@]}" validate --adapter caddyfile --config "$var/etc/caddy.conf" \
    >"$var/log/caddy.out" 2>&1
}

# Makes what Caddy writes to, as the user whom it runs as, and sets `caddy_command`.
caddy_prepare() {
  local folder=$var/tmp/caddy
  mkdir -p "$folder"
  touch "$var"/log/caddy-{error,access}.log
  chmod 700 "$folder"
  caddy_command=(
    env -i PATH="$PATH" HOME="$folder" XDG_DATA_HOME="$folder" XDG_CONFIG_HOME="$folder"
  )
  if is_root; then
    chown "$proxy_user:" "$folder" "$var"/log/caddy-{error,access}.log
    caddy_command+=(setpriv --reuid "$proxy_user" --regid "$proxy_user" --init-groups)
  fi
  caddy_command+=(caddy)
}

proxy_start() {
  caddy_prepare
  process_start caddy "$var/log/caddy.out" \
    "${caddy_command[@]}" run --adapter caddyfile --config "$var/etc/caddy.conf"
}

# Returns when only the new configuration serves.
proxy_reload() {
  process_find caddy
  caddy_prepare
  "${caddy_command[@]}" reload --adapter caddyfile --config "$var/etc/caddy.conf" \
    --address "unix/$var/tmp/caddy/admin.sock" >>"$var/log/caddy.out" 2>&1
  # That returns before the configuration it replaces has closed its sockets. What came
  # in by them asks for a replica within a moment.
  wait_until 10 caddy_taken_over ||
    fail 'Caddy has not taken over its new configuration after 10 s'
  sleep 0.5
}

# caddy_taken_over: it listens, and no two configurations do so at the same address.
caddy_taken_over() {
  local addresses
  addresses=$(ss -H -ltnp | awk -v "pid=pid=$process_id," 'index($0, pid) { print $4 }') ||
    return
  [[ -n $addresses && -z $(sort <<<"$addresses" | uniq -d) ]]
}
