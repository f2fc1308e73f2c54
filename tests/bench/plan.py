# SPDX-License-Identifier: MIT
"""What is measured, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PEERS = ("flask", "php", "go")
SERVICES = ("buzon-3", "buzon-1", *PEERS)
WORKLOADS = ("test", "post", "post-4k", "get", "page", "mixed", "export")
# What cannot be exceeded: the web server, and the database by its own clients.
LIMITS = {"test": "nginx", "post": "mariadb-slap", "get": "mariadb-slap", "export": "mariadb"}

# Part, and what it measures.
PARTS = {
    "load": "all workloads, 64 kept connections",
    "connections": "1 and 512 connections",
    "closed": "a connection a request",
    "sizes": "small and large tables",
    "idle": "with thousands of idle connections",
    "export": "memory while a whole table is exported",
}
CONNECTIONS = 64
OTHER_CONNECTIONS = (1, 512)
SIZES = (10_000, 1_000_000, 10_000_000)
# The messages that an export asks for at most.
EXPORTED = 1_000_000


@dataclass(frozen=True)
class Options:
    """Of a run."""

    rounds: int
    seconds: float
    # Rows of the tables, in order.
    sizes: tuple[int, ...]
    parts: tuple[str, ...]
    workloads: tuple[str, ...]
    idle: int
    output: Path
    # A run that has all figures must reach a verdict on every target.
    complete: bool

    @property
    def main_size(self) -> int:
        """That of the table which most is measured with."""
        return self.sizes[len(self.sizes) // 2]


@dataclass(frozen=True)
class Step:
    """One measurement of one contestant."""

    part: str
    workload: str
    rows: int
    connections: int
    kept: bool
    contestant: str

    def __str__(self) -> str:
        how = f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        how += "" if self.kept else ", a request each"
        return f"{self.workload}, {self.rows:,} rows, {how}: {self.contestant}"


def rotated(contestants: tuple[str, ...], round_number: int) -> tuple[str, ...]:
    """Each round begins with another one."""
    first = round_number % len(contestants)
    return contestants[first:] + contestants[:first]


def with_limit(workload: str, contestants: tuple[str, ...] = SERVICES) -> tuple[str, ...]:
    limit = LIMITS.get(workload)
    return contestants + ((limit,) if limit else ())


@dataclass(frozen=True)
class Case:
    """One measurement of each of its contestants, side by side."""

    part: str
    workload: str
    rows: int
    connections: int
    kept: bool
    contestants: tuple[str, ...]

    def steps(self, round_number: int) -> Iterator[Step]:
        for contestant in rotated(self.contestants, round_number):
            yield Step(self.part, self.workload, self.rows, self.connections, self.kept, contestant)


def load_cases(options: Options) -> Iterator[Case]:
    for workload in options.workloads:
        connections = 1 if workload == "export" else CONNECTIONS
        contestants = with_limit(workload)
        yield Case("load", workload, options.main_size, connections, True, contestants)


def connections_cases(options: Options) -> Iterator[Case]:
    for workload in ("test", "post", "get"):
        for connections in OTHER_CONNECTIONS:
            contestants = with_limit(workload)
            yield Case("connections", workload, options.main_size, connections, True, contestants)


def closed_cases(options: Options) -> Iterator[Case]:
    for workload in ("test", "post", "get"):
        # mariadb-slap knows no requests that come alone.
        contestants = with_limit(workload) if workload == "test" else SERVICES
        yield Case("closed", workload, options.main_size, CONNECTIONS, False, contestants)


def sizes_cases(options: Options) -> Iterator[Case]:
    for workload in ("post", "get", "page"):
        for rows in options.sizes:
            contestants = with_limit(workload, ("buzon-3",))
            yield Case("sizes", workload, rows, CONNECTIONS, True, contestants)


def export_cases(options: Options) -> Iterator[Case]:
    for rows in options.sizes:
        yield Case("export", "export", rows, 1, True, ("buzon-1",))


CASES = {
    "load": load_cases,
    "connections": connections_cases,
    "closed": closed_cases,
    "sizes": sizes_cases,
    "export": export_cases,
}


def steps(options: Options, round_number: int) -> list[Step]:
    """Those of a round, but for the part `idle`, which idle.py has."""
    chosen = [make for part, make in CASES.items() if part in options.parts]
    cases = [case for make in chosen for case in make(options)]
    return [step for case in cases for step in case.steps(round_number)]
