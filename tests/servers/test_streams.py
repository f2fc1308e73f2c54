# SPDX-License-Identifier: MIT
"""An answer of 1,000,000 messages: through memory, and little of that."""

import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path

import raw
from http_client import NDJSON, Api
from million import Comparison, Million
from system import System
from waiting import wait_until
from web_server import Watch, processes, resident_bytes

MIB = 1024 * 1024

# What all processes of the web server may need more while an answer of 176 MB
# passes, in memory and in the files where its logs are not.
MEMORY_GROWTH = 40 * MIB
FILE_GROWTH = 0

# Written to disk at all. Its log gets one line.
WRITTEN_GROWTH = MIB

# A slow reader takes so much so often, for so long.
SLOW_PIECE = 16 * 1024
SLOW_INTERVAL = 0.02
SLOW_SECONDS = 3


def assert_bounded(watch: Watch) -> None:
    bounds = {
        "memory": MEMORY_GROWTH,
        "files": FILE_GROWTH,
        "written": WRITTEN_GROWTH,
    }
    grown = {name: watch.growth(name) for name in bounds}
    over = [name for name, bound in bounds.items() if grown[name] > bound]
    assert not over, f"{over} went up too far, in bytes: {grown}; allowed: {bounds}"


def test_a_million_messages_pass_through_memory(
    served: System, million: Million, api: Api
) -> None:
    """A reader that is slow at first, and then as fast as it can."""
    comparison = Comparison(million.blocks())
    connection = api.connection
    with Watch(served) as slowly:
        connection.request("GET", million.target, headers={"Accept": NDJSON})
        response = connection.getresponse()
        assert response.status == 200
        began = due = time.monotonic()
        while due < began + SLOW_SECONDS:
            comparison.take(response.read(SLOW_PIECE))
            due += SLOW_INTERVAL
            time.sleep(max(0, due - time.monotonic()))
    assert_bounded(slowly)
    with Watch(served) as quickly:
        while data := response.read(MIB):
            comparison.take(data)
    comparison.assert_whole()
    assert_bounded(quickly)


# As /proc/net/unix has it.
CONNECTED = "03"

LEAVERS = 8

# Each stream has its buffers while it lasts.
REPLICA_MEMORY_GROWTH = 16 * MIB


def open_sockets(pid: int) -> int:
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += entry.readlink().name.startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def accepted(path: Path) -> int:
    """How many connections there are to the replica that listens here. scripts/up
    renames its socket, which keeps its first name."""
    names = {str(path), f"{path}.new"}
    sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return sum(fields[5] == CONNECTED and fields[-1] in names for fields in sockets)


def begin(stack: ExitStack, system: System, target: str) -> socket.socket:
    """Asks, and reads the beginning of the answer."""
    connection = stack.enter_context(
        socket.create_connection(("127.0.0.1", system.port), timeout=20)
    )
    headers = ["Host: 127.0.0.1", f"Accept: {NDJSON}"]
    connection.sendall(raw.request(f"GET {target} HTTP/1.1", headers))
    read = connection.recv(65_536)
    assert read.startswith(b"HTTP/1.1 200 "), read[:200]
    total = len(read)
    while total < MIB:
        read = connection.recv(65_536)
        assert read, f"the answer ended after {total} bytes"
        total += len(read)
    return connection


def test_clients_that_go_away_leave_nothing_behind(
    served: System, million: Million
) -> None:
    names = served.replica_names()
    sockets = [served.replica_socket(n) for n in range(1, served.replicas + 1)]

    def at_replicas() -> list[int]:
        return [accepted(path) for path in sockets]

    def at_server() -> int:
        return sum(open_sockets(pid) for pid in processes(served))

    def assert_answers_go_on() -> None:
        with closing(served.api()) as api:
            for _ in range(10):
                began = time.monotonic()
                assert len(api.messages(order="desc", limit=10)) == 10
                assert time.monotonic() - began < 2

    # So that connections that are kept are there before as well.
    assert_answers_go_on()
    before, before_at_server = at_replicas(), at_server()
    memory = {name: resident_bytes(served.pid(name)) for name in names}
    with ExitStack() as stack:
        for _ in range(LEAVERS):
            begin(stack, served, million.target)
        assert_answers_go_on()

    def are_gone() -> bool:
        # One that is kept for the next request may be more than there was.
        return all(now <= then + 1 for now, then in zip(at_replicas(), before))

    wait_until(are_gone, 5, f"{LEAVERS} streams have ended; before, there were {before}")
    wait_until(
        lambda: at_server() <= before_at_server + len(names),
        5,
        "the web server has closed its connections",
    )
    for name in names:
        grown = resident_bytes(served.pid(name)) - memory[name]
        assert grown < REPLICA_MEMORY_GROWTH, f"{name} has grown by {grown} bytes"
    assert_answers_go_on()
