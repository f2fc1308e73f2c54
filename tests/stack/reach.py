# SPDX-License-Identifier: MIT
"""What can be reached from inside a container, and a host to be reached."""

import contextlib
import ipaddress
import json
import os
import secrets
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from release import APP_IMAGE
from stack import CommandError, docker, inspect, run

# Nothing that a probe asks is further away than this machine.
SECONDS = 2

CONNECTED = "connected"

# One line of "ADDRESS PORT OUTCOME" for each; they run side by side. Bash has what it
# takes to connect.
PROBE = r"""
probe() {
  local words status=0
  words=$(LC_ALL=C timeout "$1" \
    bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>&1) || status=$?
  case $status:$words in
    0:*) words=connected ;;
    124:*) words=timed-out ;;
    *'Connection refused'*) words=refused ;;
    *unreachable* | *'No route to host'*) words=unreachable ;;
  esac
  printf '%s %s %s\n' "$2" "$3" "$words"
}
seconds=$1
shift
while (($# > 0)); do
  probe "$seconds" "$1" "$2" &
  shift 2
done
wait
"""

Target = tuple[str, int]


def probe(container: str, targets: Iterable[Target]) -> dict[Target, str]:
    """What comes of connecting from a container's network to each target:
    connected, refused, timed-out or unreachable.

    It needs nothing of what is in the container: the probe is another one, in the
    network of the first.
    """
    words = [str(word) for target in targets for word in target]
    printed = docker(
        *("run", "--rm", "--network", f"container:{container}"),
        *("--entrypoint", "bash", APP_IMAGE),
        *("-c", PROBE, "probe", str(SECONDS), *words),
    )
    found: dict[Target, str] = {}
    for line in printed.splitlines():
        address, port, outcome = line.split(" ", 2)
        assert outcome in (CONNECTED, "refused", "timed-out", "unreachable"), line
        found[address, int(port)] = outcome
    return found


def probe_nearby(container: str, targets: Mapping[Target, str]) -> dict[Target, str]:
    """The same for targets that are on the networks named beside them. What this
    machine would send elsewhere, where others may answer, is unreachable."""
    own_networks = inspect(container)["NetworkSettings"]["Networks"]
    nearby = {
        target
        for target, network in targets.items()
        if network in own_networks or is_routed(target[0], network)
    }
    astray = {target: "unreachable" for target in targets.keys() - nearby}
    return astray | (probe(container, nearby) if nearby else {})


def probe_each(
    containers: list[str], targets: Iterable[Target]
) -> list[dict[Target, str]]:
    """The same from several containers at once."""
    assert containers
    with ThreadPoolExecutor(len(containers)) as pool:
        return list(pool.map(lambda container: probe(container, targets), containers))


def listening(container: str) -> set[Target]:
    """The addresses and TCP ports that a container listens on."""
    table = docker(
        *("run", "--rm", "--network", f"container:{container}"),
        *("--entrypoint", "cat", APP_IMAGE, "/proc/net/tcp", "/proc/net/tcp6"),
    )
    found: set[Target] = set()
    for line in table.splitlines():
        fields = line.split()
        # 0A is LISTEN.
        if fields[0] == "sl" or fields[3] != "0A":
            continue
        digits, _, port = fields[1].partition(":")
        # Words of four bytes, each in the order of the machine.
        raw = b"".join(
            int(digits[i : i + 8], 16).to_bytes(4, "little")
            for i in range(0, len(digits), 8)
        )
        found.add((str(ipaddress.ip_address(raw)), int(port, 16)))
    return found


def is_routed(address: str, network: str) -> bool:
    """Whether this machine would send what is for the address to that network."""
    try:
        (route,) = json.loads(run("ip", "-json", "route", "get", address))
    except CommandError:
        # This machine knows of no way at all.
        return False
    found = inspect(network)
    usual_name = f"br-{found['Id'][:12]}"
    return route["dev"] == found["Options"].get(
        "com.docker.network.bridge.name", usual_name
    )


def own_addresses() -> list[str]:
    """This machine's, on whatever network."""
    interfaces = json.loads(run("ip", "-json", "-4", "address", "show"))
    return [
        address["local"]
        for interface in interfaces
        for address in interface["addr_info"]
        if address["scope"] != "host"
    ]


def as_root(*command: str) -> list[str]:
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


def unused_range() -> ipaddress.IPv4Network:
    """Four addresses, out of the ranges for examples, that no route leads to."""
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    taken = [
        ipaddress.ip_network(route["dst"], strict=False)
        for route in routes
        if route["dst"] != "default"
    ]
    for example in ("203.0.113.0/24", "198.51.100.0/24"):
        candidates = list(ipaddress.IPv4Network(example).subnets(new_prefix=30))
        secrets.SystemRandom().shuffle(candidates)
        for candidate in candidates:
            if not any(candidate.overlaps(network) for network in taken):
                return candidate
    raise AssertionError(f"every range for examples is in use: {taken}")


# Runs in a network of its own, which ends with it: when its stdin does.
HOST = """
import os, selectors, socket, subprocess, sys
print(os.getpid(), flush=True)
name, address, router = sys.stdin.readline().split()
for command in (
    ["link", "set", "lo", "up"],
    ["address", "add", address + "/30", "dev", name],
    ["link", "set", name, "up"],
    ["route", "add", "default", "via", router],
):
    subprocess.run(["ip", *command], check=True)
listener = socket.create_server((address, 0))
print(listener.getsockname()[1], flush=True)
chosen = selectors.DefaultSelector()
chosen.register(listener, selectors.EVENT_READ)
chosen.register(sys.stdin, selectors.EVENT_READ)
while all(key.fileobj is listener for key, _ in chosen.select()):
    listener.accept()[0].close()
"""


@contextlib.contextmanager
def host_outside() -> Iterator[Target]:
    """A host on the other side of this machine's router, which listens on a TCP
    port: it stands for the internet."""
    router, address = map(str, unused_range().hosts())
    mark = secrets.token_hex(4)
    here, there = f"bz-{mark}-a", f"bz-{mark}-b"
    with subprocess.Popen(
        as_root("unshare", "--net", "/usr/bin/python3", "-c", HOST),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdin is not None and host.stdout is not None
        # Closing its stdin ends it, and with its network go both interfaces.
        with host.stdin:
            pid = host.stdout.readline().strip()
            run(
                *as_root("ip", "link", "add", here, "type", "veth"),
                *("peer", "name", there, "netns", pid),
            )
            run(*as_root("ip", "address", "add", f"{router}/30", "dev", here))
            run(*as_root("ip", "link", "set", here, "up"))
            host.stdin.write(f"{there} {address} {router}\n")
            host.stdin.flush()
            yield address, int(host.stdout.readline())
