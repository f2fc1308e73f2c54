# SPDX-License-Identifier: MIT
"""What a run leaves: every figure as JSON, tables as Markdown, plots."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import plots
from figures import Figure, Figures, Spread, ratio, spread
from plan import CONNECTIONS, EXPORTED, LIMITS, PARTS, Options
from targets import NAMES, TITLES, Verdict, judge


@dataclass(frozen=True)
class About:
    """When, on what and of what a run was."""

    began: str
    minutes: float
    machine: dict[str, str | int]
    versions: dict[str, str]
    # The share of the processors' time that the hypervisor gave to others.
    stolen: float


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_spread(found: Spread) -> str:
    return f"{number(found.median)} ({number(found.lowest)}–{number(found.highest)})"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def targets_table(verdicts: list[Verdict]) -> str:
    words = {True: "yes", False: "**no**", None: "not measured"}
    return table(
        ("target", "wanted", "median", "lowest–highest", "reached"),
        (
            (
                verdict.target.name,
                f"{verdict.target.bound} {verdict.target.wanted:g}",
                f"{number(verdict.figure.median)}" if verdict.figure else "",
                f"{number(verdict.figure.lowest)}–{number(verdict.figure.highest)}"
                if verdict.figure
                else "",
                words[verdict.reached],
            )
            for verdict in verdicts
        ),
    )


def key(figure: Figure) -> dict[str, object]:
    """What tells one series of rounds from another, but for the contestant."""
    return {n: getattr(figure, n) for n in ("part", "workload", "rows", "connections", "kept")}


def compared(figures: Figures, figure: Figure, other: str | None) -> str:
    """Its rate ÷ that of another one, where that was measured beside it."""
    where = key(figure)
    if other is None or not figures.where(contestant=other, **where):
        return ""
    one, two = (
        figures.by_round("rate", contestant=name, **where) for name in (figure.contestant, other)
    )
    return number(spread(ratio(one, two).values()).median)


def rates_row(figures: Figures, figure: Figure, first: str) -> list[str]:
    where = {**key(figure), "contestant": figure.contestant}
    rate = spread(figures.by_round("rate", **where).values())
    latencies = ["", ""]
    if figure.p50_ms is not None:
        latencies = [
            number(spread(figures.by_round(value, **where).values()).median)
            for value in ("p50_ms", "p99_ms")
        ]
    return [
        first,
        with_spread(rate),
        compared(figures, figure, "flask"),
        compared(figures, figure, LIMITS.get(figure.workload)),
        *latencies,
    ]


def case_of(figure: Figure) -> str:
    if figure.part == "sizes":
        return f"{figure.rows:,} rows"
    if figure.part == "connections":
        return f"{figure.connections} connection{'s' if figure.connections > 1 else ''}"
    return ""


def rates_tables(figures: Figures, part: str) -> str:
    """One for each workload of the part."""
    text = ""
    first_round = figures.where(part=part, round=1)
    for workload in dict.fromkeys(f.workload for f in first_round):
        chosen = [f for f in first_round if f.workload == workload]
        order = list(NAMES)
        chosen.sort(key=lambda f: (f.rows, f.connections, order.index(f.contestant)))
        unit = "rows a second" if workload == "export" else "requests a second"
        head = (TITLES[workload], unit, "÷ Flask", "÷ limit", "p50, ms", "p99, ms")
        rows = (
            rates_row(figures, f, ", ".join(filter(None, (case_of(f), NAMES[f.contestant]))))
            for f in chosen
        )
        text += f"{table(head, rows)}\n"
    return text


def machine_lines(about: About) -> str:
    m = about.machine
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    return (
        f"- {m['processors']} processors ({m['processor']}), {m['memory_mib']:,} MiB of memory\n"
        f"- Debian {m['debian']}, Linux {m['kernel']}\n"
        f"- {versions}\n"
        f"- {about.began}, for {about.minutes:.0f} min; the hypervisor took {about.stolen:.1%} of"
        " the processors' time\n"
    )


def how(options: Options) -> str:
    return f"""\
Everything runs on one machine, at the same time up and one after the other under load: the
load generator, nginx, the services, MariaDB. All services are behind the same nginx, with
the same log and the same settings, and store in the same table of the same MariaDB, which
writes each commit to the disk before it is answered. It has a quarter of the memory for its
pages, a redo log in which some seconds of writing have room, and indexes as full as those
that have grown; what it has not yet written to its tables it writes before each measurement.
A round measures each contestant once, for {options.seconds:g} s each, and begins with another one
than the round before (number of rounds: {options.rounds}). A ratio is of two figures of the same
round. What stands here is the median of the rounds, with the lowest and the highest.

- **test**, **POST** (100 bytes, and 4 KB), **GET by ID**, **page** (100 messages of one
  sender behind a random ID), **mixed**: `wrk`, {CONNECTIONS} kept connections and
  {options.main_size:,} messages in the table unless said otherwise. wrk counts with each slow
  answer those that could have begun meanwhile, which raises p99.
- **NDJSON export**: the first {min(EXPORTED, options.main_size):,} messages by `curl`; each
  export has to be whole.
- **nginx alone** answers `/api/test` by itself. **mariadb-slap** sends the same `INSERT`s and
  `SELECT`s by ID to MariaDB from as many clients, without a service between;
  **mariadb --quick** reads the same rows. "÷ limit" is against these.
- **Flask** under gunicorn, **PHP-FPM** and **Go** are in `tests/bench/peers/`.
"""


def readme(
    options: Options, figures: Figures, about: About, verdicts: list[Verdict], drawn: list[str]
) -> str:
    text = "# Benchmark\n\nWritten by `scripts/bench`"
    text += "" if options.complete else ", which has left parts out"
    text += "; `results.json` has every figure.\n\n"
    text += f"## Targets\n\n{targets_table(verdicts)}\n"
    text += f"## The machine\n\n{machine_lines(about)}\n## How\n\n{how(options)}\n"
    for part in ("load", "connections", "closed", "sizes"):
        if figures.where(part=part):
            text += f"## Rates: {PARTS[part]}\n\n"
            shown = [name for name in drawn if plots.PART[name] == part]
            text += "".join(f"![{plots.TITLES[name]}]({name}.svg)\n\n" for name in shown)
            text += rates_tables(figures, part)
    if figures.where(part="export"):
        text += f"## Memory: {PARTS['export']}\n\n{memory_table(figures)}\n"
    return text.rstrip("\n") + "\n"


def memory_table(figures: Figures) -> str:
    rows = sorted({f.rows for f in figures.where(part="export")})
    found = (
        spread(figures.by_round("memory_kib", part="export", rows=count).values()) for count in rows
    )
    return table(
        ("rows", "highest memory of the replica, KiB"),
        ((f"{count:,}", with_spread(kib)) for count, kib in zip(rows, found)),
    )


def results(options: Options, figures: Figures, about: About, verdicts: list[Verdict]) -> str:
    kept = {name: value for name, value in vars(options).items() if name != "output"}
    targets = [
        {
            "name": verdict.target.name,
            "bound": verdict.target.bound,
            "wanted": verdict.target.wanted,
            "reached": verdict.reached,
            **(vars(verdict.figure) if verdict.figure else {}),
        }
        for verdict in verdicts
    ]
    lines = ",\n".join(f"  {json.dumps(vars(figure))}" for figure in figures)
    head = json.dumps({**vars(about), "options": kept, "targets": targets}, indent=1)
    # A figure a line.
    return head.removesuffix("\n}") + f',\n "figures": [\n{lines}\n ]\n}}\n'


def write(options: Options, figures: Figures, about: About) -> str:
    """Into the output folder; returns the table of targets."""
    verdicts = judge(options, figures)
    options.output.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw(options, figures, options.output)
    (options.output / "results.json").write_text(results(options, figures, about, verdicts))
    text = readme(options, figures, about, verdicts, drawn)
    (options.output / "README.md").write_text(text)
    return targets_table(verdicts)
