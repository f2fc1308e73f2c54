# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# The database panel: Adminer under an Apache of its own, which is that of
# docker/adminer with the paths of this system. Needs common.sh, var.sh, process.sh,
# proxy.sh.

# Requests under way are answered first.
readonly panel_stop_signal=WINCH

# panel_start PORT: brings it up on 127.0.0.1:PORT, unless it runs there already.
panel_start() {
  local files=$var/etc/panel version
  panel_render "$1" "$files" "$files.new"
  version=$(cat "$files.new"/{apache.conf,site/*} /usr/share/adminer/adminer.php | sha256sum)
  if process_find panel && [[ $version == "$(cat "$var/run/panel.version")" ]]; then
    rm -r "$files.new"
    say 'panel: runs already'
    return
  fi
  process_stop panel "$panel_stop_signal" 10 TERM
  rm -rf "$files"
  mv "$files.new" "$files"
  step_log=$var/log/panel.out
  "${panel_command[@]}" -t >"$step_log" 2>&1
  step_log=$var/log/panel-error.log
  process_start panel "$step_log" "${panel_command[@]}" -D FOREGROUND
  printf '%s\n' "$version" >"$var/run/panel.version"
  wait_until 10 panel_serves_or_gone "$1" ||
    fail "the database panel does not answer on 127.0.0.1:$1 after 10 s"
  process_find panel || fail 'the database panel ended while it started'
  say "panel: started on 127.0.0.1:$1"
}

# panel_render PORT FOLDER TO: writes what is to stand in FOLDER into the folder TO, and
# sets `panel_command`.
panel_render() {
  local source=$repository/docker/adminer to=$3 private=$var/tmp/panel
  rm -rf "$to"
  # Readable by Apache's own user; its sessions are nobody else's.
  (
    umask 022
    mkdir -p "$to"/{empty,site}
    # A clone may have lost its modes.
    install -m 644 "$source"/*.php "$to/site"
    panel_render_apache "$1" "$2" <"$source/apache.conf" >"$to/apache.conf"
    panel_render_php "$2" "$private" <"$source/php.ini" >"$to/site/php.ini"
  )
  install -d -m 700 "$private"
  ! is_root || chown "$proxy_user:" "$private"
  # Adminer takes "localhost" for the socket that php.ini names.
  panel_command=(
    env -i PATH="$PATH" LANG=C.UTF-8 ADMINER_SERVER=localhost PHP_INI_SCAN_DIR=
    apache2 -f "$2/apache.conf"
  )
}

# panel_render_apache PORT FOLDER
panel_render_apache() {
  printf '# Written by scripts/up from docker/adminer/apache.conf.\n'
  # Only root can choose one.
  ! is_root || printf 'User %s\nGroup %s\n' "$proxy_user" "$proxy_user"
  # No health check is to be left out of the log.
  # shellcheck disable=SC2016 # Apache's variables
  render_lines 1 \
    '${LISTEN_ADDRESS}:8080' "127.0.0.1:$1" \
    ' "expr=%{REMOTE_ADDR} != '\''${LISTEN_ADDRESS}'\''"' '' \
    'DefaultRuntimeDir /tmp' "DefaultRuntimeDir $var/run" \
    'PidFile /tmp/apache2.pid' "PidFile $var/run/panel-apache.pid" \
    /proc/self/fd/2 "$var/log/panel-error.log" \
    /proc/self/fd/1 "$var/log/panel-access.log" \
    'DocumentRoot /srv' "DocumentRoot $2/empty" \
    '<Directory /srv>' "<Directory $2/empty>" \
    /usr/share/buzon-adminer "$2/site"
}

# panel_render_php FOLDER PRIVATE
panel_render_php() {
  printf '; Written by scripts/up from docker/adminer/php.ini.\n'
  render_lines 1 \
    'session.save_path = /tmp' "session.save_path = \"$2\"" \
    /usr/share/adminer/:/usr/share/buzon-adminer/:/tmp/ \
    "\"/usr/share/adminer/:$1/site/:$2/\""
  printf 'sys_temp_dir = "%s"\nmysqli.default_socket = "%s"\n' "$2" "$var/run/mariadb.sock"
}

# panel_serves_or_gone PORT
panel_serves_or_gone() {
  process_gone panel ||
    [[ $(curl -s -m 2 "http://127.0.0.1:$1/db/") == *'auth[password]'* ]]
}
