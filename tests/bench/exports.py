# SPDX-License-Identifier: MIT
"""What a replica needs of memory while it exports a whole table."""

import time
from collections.abc import Iterator

import memory
from fastcgi import END_REQUEST, STDOUT, Connection, encode
from loads import NDJSON, Load, LoadError
from replica import Replica
from system import System

TIMEOUT = 300


def pieces(connection: Connection) -> Iterator[bytes]:
    """Of the answer, until it ends."""
    while True:
        kind, _, content = connection.read_record()
        if kind == END_REQUEST:
            return
        if kind == STDOUT:
            yield content


def export(replica: Replica, rows: int) -> Load:
    """The messages 1 to ROWS, which must all come."""
    target = f"/api/message?before={rows + 1}"
    began = time.monotonic()
    with replica.connect(TIMEOUT) as connection:
        connection.send(encode("GET", target, {"Accept": NDJSON}))
        # Each line of the answer but those of its head is a message; the head ends in CRLF.
        lines = sum(p.count(b"\n") - p.count(b"\r\n") for p in pieces(connection))
    if lines != rows:
        raise LoadError(f"{lines} lines came; it must be {rows}", [f"GET {target}"], replica.log())
    return Load(rows / (time.monotonic() - began))


def measure(system: System, rows: int) -> tuple[Load, int]:
    """On a replica that has done nothing before: rate, and the highest memory in KiB."""
    with Replica(system) as replica:
        memory.forget_highest(replica.pid)
        load = export(replica, rows)
        return load, memory.kib(replica.pid, "VmHWM")
