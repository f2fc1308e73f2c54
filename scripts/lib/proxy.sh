# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # variables of the other files
#
# What the files of the folder proxy/ have in common, one for each web server. Each of
# them gives:
#
#   proxy_stop_signal                     ends it, when what is under way is answered
#   proxy_render PORT COUNT PANEL_PORT    prints its configuration
#   proxy_check                           lets the server check $var/etc/NAME.conf
#   proxy_start                           starts it
#   proxy_reload                          returns when only the new one serves
#
# Needs common.sh, var.sh, process.sh.

# Prints the names of the web servers, one a line.
proxy_names() {
  local file
  for file in "$repository"/scripts/lib/proxy/*.sh; do
    basename "$file" .sh
  done
}

# proxy_load NAME: defines the above.
proxy_stop_signal=''
proxy_load() {
  # shellcheck source=proxy/nginx.sh
  source "$repository/scripts/lib/proxy/$1.sh"
}

# render FILE COUNT FROM TO [FROM TO]…: prints a file of webserver-configs. The line
# of the first replica stands for all COUNT of them, unless it has a weight, which is its
# own; elsewhere each text FROM becomes TO. Comments stay as they are.
render() {
  local file=$repository/webserver-configs/$1 count=$2
  shift 2
  render_lines "$count" "$@" <"$file"
}

# render_lines COUNT FROM TO [FROM TO]…: the same with what comes on stdin.
render_lines() {
  local count=$1 line index number
  shift
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ ^[[:blank:]]*# ]]; then
      :
    elif [[ $line == */run/buzon/buzon-1.sock*weight=* ]]; then
      line=${line//"/run/buzon/"/"$var/run/"}
    elif [[ $line == */run/buzon/buzon-1.sock* ]]; then
      for ((number = 1; number <= count; number++)); do
        printf '%s\n' "${line//buzon-1/buzon-$number}"
      done | sed "s|/run/buzon/|$var/run/|g"
      continue
    elif [[ $line == */run/buzon/buzon-[0-9]* ]]; then
      continue
    else
      for ((index = 1; index < $#; index += 2)); do
        line=${line//"${!index}"/"${@:index+1:1}"}
      done
    fi
    printf '%s\n' "$line"
  done
}

# proxy_listens_anew FILE BEFORE: of the processes that FILE names, those that are named
# in BEFORE too do not listen any more, and others do.
proxy_listens_anew() {
  local now before=" $2" listening taken=
  listening=$(ss -H -ltnp)
  for now in $(<"$1"); do
    [[ $listening == *"pid=$now,"* ]] || continue
    [[ $before != *" $now "* ]] || return 1
    taken=yes
  done
  [[ -n $taken ]]
}
