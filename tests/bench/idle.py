# SPDX-License-Identifier: MIT
"""Thousands of connections that are open and idle: what they take, what they slow down."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import loads
import machine
import memory
import tables
from fastcgi import Connection, encode
from figures import Figure
from plan import CONNECTIONS
from progress import say
from system import System

ROWS = 10_000
WORKLOADS = ("test", "get")
# Files that a process has open besides.
OTHER_FILES = 500
REQUEST = encode("GET", "/api/test", keep=True)


class LimitError(Exception):
    """The machine does not let a process have that many open files."""


def allow_files(count: int) -> None:
    """For this process and what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OTHER_FILES
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError) as error:
        raise LimitError(
            f"{count} idle connections need {wanted} open files, and the limit is {hard};"
            " raise it (ulimit -Hn, as root), or use a smaller --idle"
        ) from error


@contextmanager
def idle_connections(path: Path, count: int) -> Iterator[None]:
    """Each of them has been answered once."""
    opened: list[Connection] = []
    try:
        for _ in range(count):
            opened.append(Connection(path))
            opened[-1].send(REQUEST)
            status = opened[-1].read_reply().answer().status
            if status != 200:
                raise loads.LoadError(f"status {status}; it must be 200", ["GET /api/test"], "")
        yield
    finally:
        for connection in opened:
            connection.close()


class IdleRound:
    """One round, on a replica of its own: memory that was used before would count for
    nothing."""

    def __init__(self, round_number: int, count: int, seconds: float, warm_up: float) -> None:
        self.round = round_number
        self.count = count
        self.seconds = seconds
        self.warm_up = warm_up

    def figure(self, workload: str, idle: int) -> Figure:
        return Figure("idle", "buzon-1", workload, ROWS, CONNECTIONS, True, self.round, idle=idle)

    def run(self, show: Callable[[Figure], None]) -> None:
        system = System(1)
        say(f"starting a system in {system.var} for idle connections")
        with system:
            tables.fill(system.database, ROWS)
            # What a replica has only once it works does not belong to the connections.
            for workload in WORKLOADS:
                loads.wrk(system.url, workload, ROWS, CONNECTIONS, True, self.warm_up)
            show(self.memory_figure(system))
            # In turn, so that what changes in the meantime changes both.
            turns = [self.turn(system, idle) for idle in (0, self.count, self.count, 0)]
        for idle, of_it in ((0, (turns[0], turns[3])), (self.count, (turns[1], turns[2]))):
            for workload in WORKLOADS:
                mean = loads.mean([turn[workload] for turn in of_it])
                show(replaced(self.figure(workload, idle), **vars(mean)))

    def memory_figure(self, system: System) -> Figure:
        pid = system.pid("buzon-1")
        before = memory.kib(pid)
        with idle_connections(system.replica_socket(), self.count):
            grown = memory.kib(pid) - before
        return replaced(self.figure("idle", self.count), memory_kib=grown)

    def turn(self, system: System, idle: int) -> dict[str, loads.Load]:
        with idle_connections(system.replica_socket(), idle):
            return {workload: self.load(system, workload) for workload in WORKLOADS}

    def load(self, system: System, workload: str) -> loads.Load:
        machine.rest()
        return loads.wrk(system.url, workload, ROWS, CONNECTIONS, True, self.seconds)


def replaced(figure: Figure, **values: float) -> Figure:
    return Figure(**{**vars(figure), **values})
