# SPDX-License-Identifier: MIT
"""One measurement: the load that is made, and what it was answered."""

import json
import math
import random
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from database import Database

HERE = Path(__file__).resolve().parent
NDJSON = "application/x-ndjson"

# Distinct statements of mariadb-slap; its clients go through them again and again.
STATEMENTS = 4000
CONTENT_BYTES = 100
# So many queries of each client are enough to guess how many take the wanted time.
GUESS_QUERIES = 20
OUTPUT_SHOWN = 2000


class LoadError(Exception):
    """A request was not answered well; the text has the command and what it printed."""

    def __init__(self, what: str, command: Sequence[str], printed: str) -> None:
        super().__init__(f"{what}\ncommand: {' '.join(command)}\n{printed[-OUTPUT_SHOWN:]}")


class TooShort(LoadError):
    """Nothing was answered, neither well nor badly, before the time was over."""


@dataclass(frozen=True)
class Load:
    """What came of it: requests (or rows) a second, and latencies where there are any."""

    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None


def mean(measured: Sequence[Load]) -> Load:
    """Of measurements that took the same time."""
    values = zip(*(vars(load).values() for load in measured))
    return Load(*(None if None in of_all else statistics.fmean(of_all) for of_all in values))


def wrk_command(
    url: str, workload: str, rows: int, connections: int, kept: bool, seconds: float
) -> list[str]:
    return [
        *("wrk", "--threads", "1", "--connections", str(connections), "--latency"),
        *("--duration", f"{math.ceil(seconds)}s", "--timeout", "10s"),
        *("--script", str(HERE / "wrk.lua"), url),
        *("--", workload, str(rows), str(random.randrange(1 << 31))),
        *(() if kept else ("close",)),
    ]


def run_wrk(command: list[str], seconds: float) -> str:
    """wrk knows only whole seconds; for less it is told to end."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as wrk:
        try:
            if seconds == math.ceil(seconds):
                return wrk.communicate(timeout=seconds + 60)[0]
            try:
                return wrk.communicate(timeout=seconds)[0]
            except subprocess.TimeoutExpired:
                wrk.send_signal(signal.SIGINT)
                return wrk.communicate(timeout=60)[0]
        except BaseException:
            wrk.kill()
            raise


def wrk(url: str, workload: str, rows: int, connections: int, kept: bool, seconds: float) -> Load:
    """Every request must be answered well."""
    command = wrk_command(url, workload, rows, connections, kept, seconds)
    printed = run_wrk(command, seconds)
    line = re.search(r"^result (.*)$", printed, re.MULTILINE)
    if line is None:
        raise LoadError("wrk has not come to a result", command, printed)
    result = json.loads(line[1])
    if result["errors"]:
        what = f"{result['errors']} of {result['requests']} requests were not answered well"
        raise LoadError(f"{what}; all must be", command, printed)
    if not result["requests"]:
        what = f"no request was answered in {result['seconds']:.1f} s; at least one must be"
        raise TooShort(f"{what}: use a larger --seconds", command, printed)
    rate = result["requests"] / result["seconds"]
    return Load(rate, result["p50_ms"], result["p99_ms"])


def insert_statement() -> str:
    """Its content differs each time, as that of the others does: what was stored before
    would find its place in the index at once."""
    digits = "LPAD(FLOOR(RAND() * 1e14), 14, '0')"
    content = f"CONCAT({digits}, '{'x' * (CONTENT_BYTES - 14)}')"
    return (
        "INSERT INTO message (sender, content, stored_at) VALUES"
        f" ('sender-{random.randrange(100):02}', {content}, UTC_TIMESTAMP(6))"
    )


def select_statement(rows: int) -> str:
    return (
        "SELECT id, sender, content, stored_at FROM message"
        f" WHERE id = {random.randint(1, rows)}"
    )


class Slap:
    """mariadb-slap on one database: what MariaDB alone can do."""

    def __init__(self, database: Database, rows: int, folder: Path) -> None:
        self.database = database
        self.rows = rows
        self.folder = folder
        self.rates: dict[tuple[str, int], float] = {}

    def run(self, workload: str, connections: int, seconds: float) -> Load:
        """As many queries as take that long by what is known of their rate."""
        key = workload, connections
        if key not in self.rates:
            self.rates[key] = self.rate(workload, connections, GUESS_QUERIES * connections)
        self.rates[key] = self.rate(workload, connections, round(self.rates[key] * seconds))
        return Load(self.rates[key])

    def statements(self, workload: str) -> Path:
        """One statement a line."""
        file = self.folder / f"{workload}.sql"
        if not file.exists():
            make = {"post": insert_statement, "get": lambda: select_statement(self.rows)}[workload]
            file.write_text("".join(f"{make()}\n" for _ in range(STATEMENTS)))
        return file

    def rate(self, workload: str, connections: int, queries: int) -> float:
        each = max(queries // connections, 2)
        seconds = self.seconds(str(self.statements(workload)), connections, each)
        # Its clients connect within the time that it tells. Where that is short, connecting
        # alone may happen to take longer.
        connecting = self.seconds("DO 0", connections, 1) if connections > 1 else 0
        return each * connections / max(seconds - connecting, seconds / 2)

    def seconds(self, query: str, connections: int, each: int) -> float:
        command = [
            *("mariadb-slap", "--no-defaults", f"--socket={self.database.socket}"),
            *(f"--create-schema={self.database.name}", "--no-drop", "--iterations=1"),
            *(f"--concurrency={connections}", f"--number-of-queries={each * connections}"),
            f"--query={query}",
        ]
        printed = run(command)
        found = re.search(r"Average number of seconds to run all queries: ([\d.]+)", printed)
        if found is None:
            raise LoadError("mariadb-slap tells no time", command, printed)
        return float(found[1])


def run(command: list[str], timeout: float = 300) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise LoadError(f"{command[0]} ended with {done.returncode}", command, done.stdout)
    return done.stdout


def count_lines(command: list[str]) -> int:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        count = sum(piece.count(b"\n") for piece in iter(lambda: process.stdout.read(1 << 20), b""))
    if process.returncode != 0:
        raise LoadError(f"{command[0]} ended with {process.returncode}", command, "")
    return count


class HttpExport:
    """The messages 1 to ROWS as NDJSON, by curl."""

    def __init__(self, url: str, rows: int) -> None:
        self.rows = rows
        target = f"{url}/api/message?before={rows + 1}"
        self.command = ["curl", "--silent", "--show-error", "--fail"]
        self.command += ["--header", f"Accept: {NDJSON}", target]
        self.bytes: int | None = None

    def check(self) -> None:
        """Once the lines are counted; from then on there must be as many bytes."""
        lines = count_lines(self.command)
        if lines != self.rows:
            raise LoadError(f"{lines} lines came; it must be {self.rows}", self.command, "")
        self.bytes, _ = self.once()

    def once(self) -> tuple[int, float]:
        form = "%{size_download} %{time_total}"
        printed = run([*self.command, "--output", "/dev/null", "--write-out", form])
        size, seconds = printed.split()
        return int(size), float(seconds)

    def run(self, seconds: float) -> Load:
        """As many exports, one after the other, as begin within that time."""
        if self.bytes is None:
            self.check()
        count, took = 0, 0.0
        while took < seconds:
            size, more = self.once()
            if size != self.bytes:
                what = f"{size} bytes came; it must be {self.bytes}"
                raise LoadError(what, self.command, "")
            count, took = count + 1, took + more
        return Load(self.rows * count / took)


class ClientExport:
    """The same rows by MariaDB's own client."""

    def __init__(self, database: Database, rows: int) -> None:
        self.rows = rows
        self.command = [*database.command("--quick"), database.name, "--execute"]
        self.sql = (
            "SELECT id, sender, content, stored_at FROM message"
            f" WHERE id < {rows + 1} ORDER BY id"
        )
        self.checked = False

    def check(self) -> None:
        lines = count_lines([*self.command, self.sql])
        if lines != self.rows:
            raise LoadError(f"{lines} lines came; it must be {self.rows}", self.command, "")
        self.checked = True

    def once(self, sql: str) -> float:
        began = time.monotonic()
        subprocess.run([*self.command, sql], stdout=subprocess.DEVNULL, check=True, timeout=300)
        return time.monotonic() - began

    def run(self, seconds: float) -> Load:
        """What the client needs to start and to end does not count; curl's does not either."""
        if not self.checked:
            self.check()
        count, took = 0, 0.0
        while took < seconds:
            took += self.once(self.sql) - self.once("DO 0")
            count += 1
        return Load(self.rows * count / took)
