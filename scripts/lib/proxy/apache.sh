# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# Apache in front of the replicas.

readonly proxy_stop_signal=WINCH

# proxy_render PORT COUNT PANEL_PORT: what Debian's apache2.conf and the modules
# would set, and then webserver-configs/apache/buzon.conf in one piece.
proxy_render() {
  local module
  printf '# Written by scripts/up from webserver-configs/apache.\n'
  for module in mpm_event authz_core alias asis env headers \
    lbmethod_bybusyness proxy proxy_balancer proxy_fcgi proxy_http reqtimeout \
    setenvif slotmem_shm unique_id; do
    printf 'LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n' "$module" "$module"
  done
  # Only root can choose a user.
  ! is_root || printf 'User %s\nGroup %s\n' "$proxy_user" "$proxy_user"
  cat <<END
ServerRoot $var/etc
ServerName localhost
DefaultRuntimeDir $var/run
PidFile $var/run/apache-httpd.pid
Mutex pthread default
ErrorLog $var/log/apache-error.log
LogLevel warn
# Streams that are under way when scripts/down stops it are cut after that.
GracefulShutdownTimeout 10
<Directory "/">
	AllowOverride None
	Require all denied
</Directory>
END
  apache_join buzon.conf | render_lines "$2" \
    127.0.0.1:8080 "127.0.0.1:$1" \
    127.0.0.1:8081 "127.0.0.1:$3" \
    /etc/apache2/buzon "$var/etc/apache" \
    "\${APACHE_LOG_DIR}/buzon-" "$var/log/apache-"
}

# apache_join FILE: a file of webserver-configs/apache and what it includes.
apache_join() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^[[:blank:]]*Include\ (buzon/.*)$ ]]; then
      apache_join "${BASH_REMATCH[1]}"
    else
      printf '%s\n' "$line"
    fi
  done <"$repository/webserver-configs/apache/$1"
}

proxy_check() {
  # Its children may not be able to read them in the repository.
  install -m 755 -d "$var/etc/apache"
  install -m 644 -t "$var/etc/apache" \
    "$repository"/webserver-configs/apache/buzon/{404.json,again.asis}
  /usr/sbin/apache2 -t -f "$var/etc/apache.conf" >"$var/log/apache.out" 2>&1
}

proxy_start() {
  process_start apache "$var/log/apache.out" \
    env TMPDIR="$var/tmp" /usr/sbin/apache2 -f "$var/etc/apache.conf" -D FOREGROUND
}

# Returns when only children with the new configuration take connections. The old
# ones finish what they have taken.
proxy_reload() {
  local children before
  process_find apache
  children=/proc/$process_id/task/$process_id/children
  before=$(<"$children")
  kill -s USR1 "$process_id"
  wait_until 10 proxy_listens_anew "$children" "$before" ||
    fail 'Apache has not taken over its new configuration after 10 s'
}
