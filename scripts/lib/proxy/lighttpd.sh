# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# lighttpd in front of the replicas; see scripts/lib/proxy.sh.

# It ends when what is under way is answered.
readonly proxy_stop_signal=INT

proxy_render() {
  local lua=$repository/webserver-configs/lighttpd/buzon.lua
  # The script's sum, so that another script is another configuration.
  cat <<END
# Written by scripts/up from webserver-configs/lighttpd.
# buzon.lua: $(cksum <"$lua")

# What Debian's lighttpd.conf sets.
server.modules = ( "mod_alias", "mod_redirect" )
server.document-root = "$var/tmp/lighttpd"
server.upload-dirs = ( "$var/tmp/lighttpd" )
server.errorlog = "$var/log/lighttpd-error.log"
server.bind = "127.0.0.1"
server.port = $1
END
  # Only root can choose one.
  ! is_root || printf '%s\n' "server.username = \"$proxy_user\"" "server.groupname = \"$proxy_user\""
  printf '\n'
  render lighttpd/50-buzon.conf "$2" \
    '"port" => 8081' "\"port\" => $3" \
    /etc/lighttpd/ "$var/etc/" \
    /var/log/lighttpd/access.log "$var/log/lighttpd-access.log"
}

proxy_check() {
  local logs=("$var"/log/lighttpd-{access,error}.log)
  mkdir -p "$var"/{run,tmp}/lighttpd
  touch "${logs[@]}"
  # At a reload it opens them as its own user.
  ! is_root || chown "$proxy_user" "$var/tmp/lighttpd" "${logs[@]}"
  # In one step: a running lighttpd reads it as soon as it changes.
  sed "s|/run/lighttpd/|$var/run/lighttpd/|" \
    "$repository/webserver-configs/lighttpd/buzon.lua" >"$var/etc/buzon.lua.new"
  mv "$var/etc/buzon.lua.new" "$var/etc/buzon.lua"
  lighttpd -tt -f "$var/etc/lighttpd.conf" >"$var/log/lighttpd.out" 2>&1
}

proxy_start() {
  # With its path: at a reload it starts itself anew.
  process_start lighttpd "$var/log/lighttpd.out" \
    "$(command -v lighttpd)" -D -f "$var/etc/lighttpd.conf"
}

# What webserver-configs/lighttpd/reload.conf does, and waits for the end of it.
proxy_reload() {
  local port before
  process_find lighttpd
  port=$(sed -n 's/^server.port = //p' "$var/etc/lighttpd.conf")
  if ! lighttpd_listens "$process_id" "$port"; then
    # It would go on listening at the old address as well.
    process_stop lighttpd "$proxy_stop_signal" 15 TERM
    proxy_start
    return
  fi
  before=$(lighttpd_previous)
  touch "$var/run/lighttpd/drain"
  sleep 2
  kill -s USR1 "$process_id"
  wait_until 10 lighttpd_taken_over "$port" "$before" ||
    fail 'lighttpd has not taken over its new configuration after 10 s'
}

# lighttpd_listens PROCESS PORT
lighttpd_listens() {
  [[ $(ss -H -ltnp "sport = :$2") == *",pid=$1,"* ]]
}

# Prints the process that serves with the configuration before, or did.
lighttpd_previous() {
  tr '\0' '\n' <"/proc/$process_id/environ" | sed -n 's/^LIGHTTPD_PREV_GEN=//p'
}

# lighttpd_taken_over PORT BEFORE: the process that was forked off, another one than
# BEFORE, has stopped to listen, and the one with the new configuration listens.
lighttpd_taken_over() {
  local previous
  previous=$(lighttpd_previous)
  [[ -n $previous && $previous != "$2" ]] &&
    lighttpd_listens "$process_id" "$1" && ! lighttpd_listens "$previous" "$1"
}
