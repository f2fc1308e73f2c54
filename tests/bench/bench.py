#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures the program beside other services and beside what limits it; see
scripts/bench --help."""

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

# Not at the top, because they are found by the path above only.
import exports  # noqa: E402
import idle  # noqa: E402
import loads  # noqa: E402
import machine  # noqa: E402
import memory  # noqa: E402
import report  # noqa: E402
import tables  # noqa: E402
from figures import Figure, Figures, MissingFigure  # noqa: E402
from peers import PeerError, Peers  # noqa: E402
from plan import EXPORTED, PARTS, SIZES, WORKLOADS, Options, Step, steps  # noqa: E402
from progress import Progress, say  # noqa: E402
from system import ROOT, ScriptError, System  # noqa: E402

FAULTS = (
    loads.LoadError,
    idle.LimitError,
    tables.FillError,
    ScriptError,
    PeerError,
    MissingFigure,
)
WARM_UP_SECONDS = 0.3
# MariaDB's redo log: so large that it does not stop writers to make room for more.
LOG_MIB = 1024
BUZON = ("buzon-3", "buzon-1")


def mariadb_options() -> list[str]:
    """A server for itself, as MariaDB's documentation would have it."""
    return [
        f"innodb_buffer_pool_size={machine.memory_mib() // 4}M",
        f"innodb_log_file_size={LOG_MIB}M",
        f"innodb_fill_factor={tables.FILL_FACTOR}",
        "max_connections=1500",
    ]


@dataclass
class Site:
    """A system with the others beside it, and a table of a size of its own."""

    system: System
    peers: Peers
    rows: int
    folder: Path
    exports: dict[str, loads.HttpExport | loads.ClientExport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slap = loads.Slap(self.system.database, self.rows, self.folder)

    def settle(self) -> None:
        """What was before does not burden what comes."""
        tables.trim(self.system.database, self.rows)
        tables.write_back(self.system.database)
        log = self.system.var / "log" / "nginx-access.log"
        if log.exists():
            # nginx appends; a log of a whole run would fill disks.
            os.truncate(log, 0)

    def replicas(self, contestant: str) -> list[int]:
        """The processes that answer."""
        if contestant not in BUZON:
            return []
        names = self.system.replica_names() if contestant == "buzon-3" else ["buzon-1"]
        return [self.system.pid(name) for name in names]

    def load(self, step: Step, seconds: float) -> loads.Load:
        if step.workload == "export":
            return self.export(step).run(seconds)
        if step.contestant == "mariadb-slap":
            return self.slap.run(step.workload, step.connections, seconds)
        url = self.peers.url(step.contestant)
        return loads.wrk(url, step.workload, step.rows, step.connections, step.kept, seconds)

    def warm_up(self, step: Step) -> None:
        """An export is read once before it is measured anyway."""
        if step.workload != "export":
            with suppress(loads.TooShort):
                self.load(step, WARM_UP_SECONDS)

    def export(self, step: Step) -> loads.HttpExport | loads.ClientExport:
        rows, name = min(step.rows, EXPORTED), step.contestant
        if name not in self.exports:
            if name == "mariadb":
                self.exports[name] = loads.ClientExport(self.system.database, rows)
            else:
                self.exports[name] = loads.HttpExport(self.peers.url(name), rows)
        return self.exports[name]

    def measure(self, step: Step, round_number: int, seconds: float) -> Figure:
        load, kib = self.load_and_memory(step, seconds)
        return Figure(**vars(step), round=round_number, **vars(load), memory_kib=kib)

    def load_and_memory(self, step: Step, seconds: float) -> tuple[loads.Load, int | None]:
        """With the highest memory that a replica had meanwhile."""
        if step.part == "export":
            return exports.measure(self.system, step.rows)
        replicas = self.replicas(step.contestant)
        for pid in replicas:
            memory.forget_highest(pid)
        load = self.load(step, seconds)
        return load, max((memory.kib(pid, "VmHWM") for pid in replicas), default=None)


class Run:
    """All rounds."""

    def __init__(self, options: Options, make_peers: Callable[[System], Peers]) -> None:
        self.options = options
        self.make_peers = make_peers
        self.figures = Figures(options.rounds)
        self.sites: dict[int, Site] = {}
        self.versions: dict[str, str] = {}

    def execute(self) -> None:
        if "idle" in self.options.parts:
            idle.allow_files(self.options.idle)
        with ExitStack() as stack:
            if set(self.options.parts) != {"idle"}:
                for rows in self.options.sizes:
                    self.sites[rows] = self.start_site(stack, rows)
            self.run_rounds()

    def start_site(self, stack: ExitStack, rows: int) -> Site:
        system = System(3, mariadb_options())
        say(f"starting a system in {system.var}, and filling its table with {rows:,} messages")
        stack.enter_context(system)
        self.versions = self.versions or machine.versions(system.program())
        tables.fill(system.database, rows)
        peers = stack.enter_context(self.make_peers(system))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="buzon-")))
        return Site(system, peers, rows, folder)

    def run_rounds(self) -> None:
        numbers = range(1, self.options.rounds + 1)
        of_a_round = len(steps(self.options, 1)) + (5 if "idle" in self.options.parts else 0)
        progress = Progress(of_a_round * self.options.rounds)
        for number in numbers:
            for step in steps(self.options, number):
                site = self.sites[step.rows]
                for each in self.sites.values():
                    each.settle()
                machine.rest()
                if number == 1:
                    site.warm_up(step)
                figure = site.measure(step, number, self.options.seconds)
                self.figures.add(figure)
                progress.show(figure, str(step))
            if "idle" in self.options.parts:
                self.run_idle(number, progress)

    def run_idle(self, number: int, progress: Progress) -> None:
        def keep(figure: Figure) -> None:
            self.figures.add(figure)
            progress.show(figure, f"{figure.workload}, {figure.idle:,} idle connections")

        idle.IdleRound(number, self.options.idle, self.options.seconds, WARM_UP_SECONDS).run(keep)


def positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; it must be a number, 1 or more")
    return int(text)


def duration(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?", text) or not 0.1 <= float(text) <= 60:
        raise argparse.ArgumentTypeError(f"{text!r}; it must be 0.1 to 60 seconds")
    return float(text)


def sizes(text: str) -> tuple[int, ...]:
    found = tuple(sorted({positive(word) for word in text.split(",")}))
    if found[0] < 1000:
        raise argparse.ArgumentTypeError(f"{found[0]}; a table must have 1000 rows or more")
    return found


def read_options(arguments: list[str]) -> Options:
    """scripts/bench --help explains them."""
    parser = argparse.ArgumentParser(prog="bench", allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=duration)
    parser.add_argument("--rows", type=sizes)
    parser.add_argument("--part", action="append", choices=tuple(PARTS))
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--idle", type=positive, default=10_000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    quick_workloads = tuple(w for w in WORKLOADS if w not in ("post-4k", "page"))
    complete = not (given.quick or given.part or given.workload or given.rows)
    return Options(
        rounds=given.rounds,
        seconds=given.seconds or (0.5 if given.quick else 2.0),
        sizes=given.rows or ((100_000,) if given.quick else SIZES),
        parts=tuple(given.part or (("load",) if given.quick else PARTS)),
        workloads=tuple(given.workload or (quick_workloads if given.quick else WORKLOADS)),
        idle=given.idle,
        output=given.output or ROOT / ("docs/benchmark" if complete else "build/benchmark"),
        complete=complete,
    )


def main(arguments: list[str], make_peers: Callable[[System], Peers] = Peers) -> int:
    options = read_options(arguments)
    # What was started is stopped, whatever ends this.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    run = Run(options, make_peers)
    began, before = datetime.now(timezone.utc), machine.ProcessorTime.now()
    try:
        run.execute()
        about = report.About(
            began=began.strftime("%Y-%m-%d %H:%M UTC"),
            minutes=(datetime.now(timezone.utc) - began).total_seconds() / 60,
            machine=machine.describe(),
            versions=run.versions,
            stolen=machine.stolen_share(before, machine.ProcessorTime.now()),
        )
        print(report.write(options, run.figures, about))
    except FAULTS as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    say(f"written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
