# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the other files
#
# The folder that holds one running system: data/ etc/ log/ run/ secrets/. Needs
# common.sh.

# Who runs what. As root, MariaDB, the program and the web server's workers are
# three users who cannot read each other's files.
if is_root; then
  mariadb_user=mysql
  program_user=nobody
  proxy_user=www-data
else
  mariadb_user=$(id -un)
  program_user=$mariadb_user
  proxy_user=$mariadb_user
fi
readonly mariadb_user program_user proxy_user

readonly var_marker=.made-by-scripts-up

# Waits for other runs of up and down on the same folder.
var_take_lock() {
  exec {var_lock}<"$var"
  flock -w 120 "$var_lock" ||
    fail "another scripts/up or scripts/down has been busy with $var for 120 s"
  # It may have been purged meanwhile.
  [[ $var -ef /proc/self/fd/$var_lock ]] ||
    fail "$var was removed by another run; try again"
}

var_is_ours() {
  [[ -f $var/$var_marker ]]
}

# Root's MariaDB and program run as other users, who must be able to get to the
# folder: in /root, say, they are not. Then the folder is elsewhere, and what
# stands in the repository is a link to it.
var_place() {
  local elsewhere
  [[ ! -e $var && ! -L $var ]] && is_root && var_is_default || return 0
  var_reachable "$repository" && return
  elsewhere=/var/lib/buzon-up-$(printf '%s' "$repository" | sha256sum | cut -c1-12)
  mkdir -p "$elsewhere"
  ln -s "$elsewhere" "$var"
  say "data: in $elsewhere, because other users may not enter $repository"
}

var_is_default() {
  [[ $var == "$repository/var" ]]
}

# Whether all of our users can get to a folder that exists.
var_reachable() {
  local user
  for user in "$mariadb_user" "$program_user" "$proxy_user"; do
    runuser -u "$user" -- test -x "$1" || return 1
  done
}

# var_check_path PATH: whether a folder of this name will do.
var_check_path() {
  local longest=$1/run/buzon-100.sock.new
  [[ $1 =~ ^[A-Za-z0-9/._+@%,=-]+$ ]] ||
    fail "$1: the path of this folder may hold letters, digits and /._+@%,=- only; use another folder (--var DIR)"
  ((${#longest} <= 107)) ||
    fail "$1: this path is too long: a Unix socket's path may have 107 bytes, and $longest has ${#longest}; use --var DIR with a shorter one"
}

var_create() {
  [[ ! -L $var || -e $var ]] || fail "$var is a link that leads nowhere; remove it"
  var_check_path "$(realpath -m "$var")"
  if [[ -e $var ]]; then
    [[ -d $var ]] || fail "$var is not a folder"
    var_is_ours || [[ -z $(ls -A "$var") ]] ||
      fail "$var holds files that scripts/up did not make; use another folder (--var DIR)"
    [[ -O $var ]] ||
      fail "$var belongs to $(stat -Lc %U "$var"), and you are $(id -un); use another folder (--var DIR)"
  else
    mkdir -p "$var"
  fi
  var_take_lock
  var=$(cd "$var" && pwd -P)
  if is_root; then
    chmod 755 "$var"
    var_reachable "$var" ||
      fail "$var cannot be entered by the users $mariadb_user, $program_user and $proxy_user, who run the servers; use another folder (--var DIR)"
  else
    chmod 700 "$var"
  fi
  touch "$var/$var_marker"
  (
    umask 022
    mkdir -p "$var"/{bin,etc,log,run,tmp,secrets}
  )
  if is_root; then
    # MariaDB makes its socket there, but may not touch anybody else's files.
    chown "root:$mariadb_user" "$var/run"
    chmod 1775 "$var/run"
    chown "$program_user" "$var/secrets"
  fi
  chmod 700 "$var/secrets"
}

# secret NAME OWNER: makes a password once.
secret() {
  local file=$var/secrets/$1
  [[ -s $file ]] && return
  (
    umask 077
    head -c 24 /dev/urandom | base64 >"$file.new"
    ! is_root || chown "$2" "$file.new"
    mv "$file.new" "$file"
  )
}
