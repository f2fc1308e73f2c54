# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A network, and mounts, of its own for a whole run of tests. Needs common.sh.

readonly migrate=/proc/sys/net/ipv4/tcp_migrate_req

# enter_network ARGUMENT…: runs this script again, with these arguments, in a network of
# its own, where no port of the machine is in the way. There, Linux also hands over
# connections that were not accepted before a reload, as the Caddyfile wants it.
# Whoever may not make one stays where he is. In a chroot there can be no own mounts.
enter_network() {
  local own=(--net --mount)
  if [[ ${BUZON_TEST_NETWORK:-} != own ]]; then
    unshare "${own[@]}" true 2>/dev/null || own=(--net)
    is_root && unshare "${own[@]}" true 2>/dev/null || return 0
    BUZON_TEST_NETWORK=own exec unshare "${own[@]}" "$0" "$@"
  fi
  ip link set lo up
  # Linux before 5.14 cannot.
  [[ ! -e $migrate ]] || printf '1\n' >"$migrate"
}
