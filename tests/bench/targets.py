# SPDX-License-Identifier: MIT
"""What the program is to reach, each against something that was measured beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from figures import Figures, MissingFigure, NotMeasured, Spread, better, ratio, spread
from plan import Options

AT_LEAST, AT_MOST = "at least", "at most"

LATENCY_WORKLOADS = ("test", "post", "post-4k", "get", "page", "mixed")
TITLES = {
    "test": "GET /api/test",
    "post": "POST",
    "post-4k": "POST of 4 KB",
    "get": "GET by ID",
    "page": "page of 100",
    "mixed": "90 % GET, 10 % POST",
    "export": "NDJSON export",
}
NAMES = {
    "buzon-3": "buzon, 3 replicas",
    "buzon-1": "buzon, 1 replica",
    "flask": "Flask",
    "php": "PHP-FPM",
    "go": "Go",
    "nginx": "nginx alone",
    "mariadb-slap": "mariadb-slap",
    "mariadb": "mariadb --quick",
}

Measure = Callable[[Figures], dict[int, float]]


@dataclass(frozen=True)
class Target:
    name: str
    bound: str
    wanted: float
    # The figure of each round.
    measure: Measure


@dataclass(frozen=True)
class Verdict:
    target: Target
    # None: not measured in this run.
    figure: Spread | None

    @property
    def reached(self) -> bool | None:
        if self.figure is None:
            return None
        if self.target.bound == AT_LEAST:
            return self.figure.median >= self.target.wanted
        return self.figure.median <= self.target.wanted


def load(figures: Figures, contestant: str, workload: str, value: str = "rate") -> dict[int, float]:
    """Of the part that has all workloads."""
    return figures.by_round(value, part="load", contestant=contestant, workload=workload)


def against(contestant: str, workload: str, other: str) -> Measure:
    """Its rate ÷ that of another one."""
    return lambda figures: ratio(
        load(figures, contestant, workload), load(figures, other, workload)
    )


def against_better(workload: str) -> Measure:
    return lambda figures: ratio(
        load(figures, "buzon-3", workload),
        better(load(figures, "php", workload), load(figures, "go", workload)),
    )


def tail(contestant: str, workload: str) -> Measure:
    return lambda figures: ratio(
        load(figures, contestant, workload, "p99_ms"),
        load(figures, contestant, workload, "p50_ms"),
    )


def by_size(value: str, options: Options, **wanted: object) -> Measure:
    """That with the largest table ÷ that with the smallest."""

    def measure(figures: Figures) -> dict[int, float]:
        if len(options.sizes) < 2:
            raise NotMeasured("there is one size of tables")
        large, small = (
            figures.by_round(value, rows=options.sizes[index], **wanted) for index in (-1, 0)
        )
        return ratio(large, small)

    return measure


def growth(workload: str, options: Options) -> Measure:
    return by_size("rate", options, part="sizes", contestant="buzon-3", workload=workload)


def idle_rate(workload: str, options: Options) -> Measure:
    def rates(figures: Figures, idle: int) -> dict[int, float]:
        return figures.by_round("rate", part="idle", workload=workload, idle=idle)

    return lambda figures: ratio(rates(figures, options.idle), rates(figures, 0))


def idle_memory(figures: Figures) -> dict[int, float]:
    """KiB a connection."""
    grown = figures.by_round("memory_kib", part="idle", workload="idle")
    count = figures.where(part="idle", workload="idle")[0].idle
    return {number: kib / count for number, kib in grown.items()}


def highest_memory(part: str) -> Measure:
    """MiB of the replica that had most."""

    def measure(figures: Figures) -> dict[int, float]:
        found: dict[int, float] = {}
        measured = figures.where(part=part)
        if not measured:
            raise NotMeasured(f"the part {part} was left out")
        for figure in measured:
            if figure.memory_kib is not None:
                mib = figure.memory_kib / 1024
                found[figure.round] = max(found.get(figure.round, 0), mib)
        missing = set(range(1, figures.rounds + 1)) - set(found)
        if missing:
            raise MissingFigure(f"no memory of the part {part} in the rounds {sorted(missing)}")
        return found

    return measure


def post_alone(figures: Figures) -> dict[int, float]:
    """The latency of a POST that nobody else is beside ÷ that of an INSERT."""
    where = {"part": "connections", "workload": "post", "connections": 1}
    ours = figures.by_round("p50_ms", contestant="buzon-3", **where)
    rates = figures.by_round("rate", contestant="mariadb-slap", **where)
    return ratio(ours, {number: 1000 / rate for number, rate in rates.items()})


# Contestant, workload, what it is compared with, the least ratio.
AGAINST = (
    ("buzon-3", "test", "nginx", 0.65),
    ("buzon-1", "test", "nginx", 0.65),
    ("buzon-3", "post", "mariadb-slap", 1.20),
    ("buzon-3", "get", "mariadb-slap", 0.70),
    ("buzon-3", "export", "mariadb", 0.80),
    ("buzon-3", "test", "flask", 15),
    ("buzon-3", "post", "flask", 20),
    ("buzon-3", "get", "flask", 18),
)
AGAINST_BETTER = (("test", 1.5), ("post", 2.5), ("get", 2))


def all_targets(options: Options) -> list[Target]:
    small, large = f"{options.sizes[0]:,}", f"{options.sizes[-1]:,}"
    found = [
        Target(f"{TITLES[w]}: {NAMES[c]} ÷ {NAMES[o]}", AT_LEAST, least, against(c, w, o))
        for c, w, o, least in AGAINST
    ]
    found += [
        Target(
            f"{TITLES[w]}: {NAMES['buzon-3']} ÷ the better of PHP-FPM and Go",
            AT_LEAST,
            least,
            against_better(w),
        )
        for w, least in AGAINST_BETTER
    ]
    found.append(
        Target("POST: 3 replicas ÷ 1 replica", AT_LEAST, 0.9, against("buzon-3", "post", "buzon-1"))
    )
    found.append(
        Target("POST, one alone: median latency ÷ that of an INSERT", AT_MOST, 2, post_alone)
    )
    found += [
        Target(f"{TITLES[w]}: p99 ÷ p50, {NAMES[c]}", AT_MOST, 4, tail(c, w))
        for w in LATENCY_WORKLOADS
        for c in ("buzon-3", "buzon-1")
    ]
    found += [
        Target(f"{TITLES[w]}: {large} ÷ {small} rows", AT_LEAST, 0.8, growth(w, options))
        for w in ("get", "page", "post")
    ]
    found.append(Target("memory of an idle connection, KiB", AT_MOST, 24, idle_memory))
    found += [
        Target(
            f"{TITLES[w]}: with {options.idle:,} idle connections ÷ without",
            AT_LEAST,
            0.95,
            idle_rate(w, options),
        )
        for w in ("test", "get")
    ]
    found.append(Target("memory of a replica under load, MiB", AT_MOST, 32, highest_memory("load")))
    found.append(
        Target("memory of a replica in exports, MiB", AT_MOST, 32, highest_memory("export"))
    )
    found.append(
        Target(
            f"memory of a replica in exports: {large} ÷ {small} rows",
            AT_MOST,
            1.1,
            by_size("memory_kib", options, part="export"),
        )
    )
    return found


def judge(options: Options, figures: Figures) -> list[Verdict]:
    """A complete run must have every figure; another one those of what it measures."""
    found = []
    for target in all_targets(options):
        try:
            found.append(Verdict(target, spread(target.measure(figures).values())))
        except MissingFigure as error:
            if options.complete or not isinstance(error, NotMeasured):
                raise MissingFigure(f"{target.name}: {error}") from error
            found.append(Verdict(target, None))
    return found
