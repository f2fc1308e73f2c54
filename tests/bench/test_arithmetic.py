# SPDX-License-Identifier: MIT
"""The arithmetic, from made-up figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from figures import (
    Figure,
    Figures,
    MissingFigure,
    NotMeasured,
    Spread,
    better,
    ratio,
    spread,
)
from loads import Load, mean
from machine import ProcessorTime, stolen_share
from plan import PARTS, SIZES, WORKLOADS, Options, rotated, steps
from report import number, with_spread
from targets import Verdict, all_targets, judge

IDLE = 10_000
ROUNDS = 2
OPTIONS = Options(
    rounds=ROUNDS,
    seconds=1,
    sizes=SIZES,
    parts=tuple(PARTS),
    workloads=WORKLOADS,
    idle=IDLE,
    output=Path("nowhere"),
    complete=True,
)

# So fast is each in the made-up run; all but those with a reason are at their limit.
RATES = {
    "buzon-3": 1000.0,
    "buzon-1": 1100.0,
    "flask": 40.0,
    "php": 300.0,
    "go": 400.0,
    "nginx": 1250.0,
    "mariadb-slap": 800.0,
    "mariadb": 1000.0,
}


def made_up() -> list[Figure]:
    """Every figure of a complete run."""
    found = []
    for round_number in range(1, ROUNDS + 1):
        for step in steps(OPTIONS, round_number):
            found.append(
                Figure(
                    **vars(step),
                    round=round_number,
                    rate=RATES[step.contestant],
                    p50_ms=2.0,
                    p99_ms=6.0,
                    memory_kib=10_240,
                )
            )
        where = {"rows": 1, "connections": 64, "kept": True, "round": round_number}
        found.append(Figure("idle", "buzon-1", "idle", idle=IDLE, memory_kib=120_000, **where))
        for workload in ("test", "get"):
            for idle, rate in ((0, 1000), (IDLE, 980)):
                found.append(Figure("idle", "buzon-1", workload, idle=idle, rate=rate, **where))
    return found


def verdict(name: str, figures: list[Figure], options: Options = OPTIONS) -> Verdict:
    (found,) = (v for v in judge(options, Figures(ROUNDS, figures)) if v.target.name == name)
    return found


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([3.0], Spread(3, 3, 3)),
        ([3.0, 1.0, 2.0], Spread(2, 1, 3)),
        ([4.0, 1.0, 2.0, 3.0], Spread(2.5, 1, 4)),
    ],
)
def test_spread(values: list[float], wanted: Spread) -> None:
    assert spread(values) == wanted


def test_spread_of_nothing() -> None:
    with pytest.raises(MissingFigure):
        spread([])


def test_ratio_is_of_each_round() -> None:
    assert ratio({1: 10, 2: 30}, {1: 5, 2: 10}) == {1: 2, 2: 3}


def test_mean_of_loads() -> None:
    assert mean([Load(100, 1, 4), Load(200, 2, 8)]) == Load(150, 1.5, 6)
    assert mean([Load(100), Load(200)]) == Load(150)


def test_better_is_of_each_round() -> None:
    assert better({1: 10, 2: 30}, {1: 20, 2: 5}) == {1: 20, 2: 30}


@pytest.mark.parametrize("combine", [ratio, better])
def test_a_round_that_one_has_not(combine: object) -> None:
    assert callable(combine)
    with pytest.raises(MissingFigure, match="2"):
        combine({1: 10.0, 2: 10.0}, {1: 5.0})


def test_by_round_needs_every_round() -> None:
    figure = Figure("load", "go", "get", 1, 64, True, 1, rate=5)
    figures = Figures(2, [figure])
    with pytest.raises(MissingFigure, match="round 2 has no rate of contestant go") as caught:
        figures.by_round("rate", contestant="go")
    assert not isinstance(caught.value, NotMeasured)
    with pytest.raises(NotMeasured, match="contestant php"):
        figures.by_round("rate", contestant="php")
    figures.add(replace(figure, round=2, rate=7))
    assert figures.by_round("rate", contestant="go") == {1: 5, 2: 7}


@pytest.mark.parametrize(
    ("name", "figure", "reached"),
    [
        ("GET /api/test: buzon, 3 replicas ÷ nginx alone", 0.8, True),
        ("POST: buzon, 3 replicas ÷ mariadb-slap", 1.25, True),
        ("NDJSON export: buzon, 3 replicas ÷ mariadb --quick", 1, True),
        ("GET /api/test: buzon, 3 replicas ÷ Flask", 25, True),
        ("POST: buzon, 3 replicas ÷ the better of PHP-FPM and Go", 2.5, True),
        ("GET by ID: buzon, 3 replicas ÷ the better of PHP-FPM and Go", 2.5, True),
        ("POST: 3 replicas ÷ 1 replica", 1 / 1.1, True),
        # 2 ms against 1/800 s.
        ("POST, one alone: median latency ÷ that of an INSERT", 1.6, True),
        ("POST of 4 KB: p99 ÷ p50, buzon, 1 replica", 3, True),
        ("page of 100: 10,000,000 ÷ 10,000 rows", 1, True),
        ("memory of an idle connection, KiB", 12, True),
        ("GET by ID: with 10,000 idle connections ÷ without", 0.98, True),
        ("memory of a replica under load, MiB", 10, True),
        ("memory of a replica in exports: 10,000,000 ÷ 10,000 rows", 1, True),
    ],
)
def test_target(name: str, figure: float, reached: bool) -> None:
    found = verdict(name, made_up())
    assert found.figure == Spread(*[pytest.approx(figure)] * 3)
    assert found.reached is reached


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("POST: buzon, 3 replicas ÷ mariadb-slap", {"contestant": "buzon-3", "rate": 900.0}),
        ("POST: buzon, 3 replicas ÷ Flask", {"contestant": "flask", "rate": 51.0}),
        ("POST: p99 ÷ p50, buzon, 3 replicas", {"workload": "post", "p99_ms": 8.1}),
        ("POST: 10,000,000 ÷ 10,000 rows", {"rows": SIZES[-1], "rate": 790.0}),
        ("memory of a replica under load, MiB", {"contestant": "buzon-1", "memory_kib": 33_000.0}),
        ("memory of an idle connection, KiB", {"workload": "idle", "memory_kib": 250_000.0}),
        (
            "memory of a replica in exports: 10,000,000 ÷ 10,000 rows",
            {"rows": SIZES[-1], "memory_kib": 12_000.0},
        ),
    ],
)
def test_target_that_is_missed(name: str, change: dict[str, float | str]) -> None:
    values = {n: v for n, v in change.items() if isinstance(v, float)}
    where = {n: v for n, v in change.items() if not isinstance(v, float)}
    changed = [
        replace(f, **values) if all(getattr(f, n) == v for n, v in where.items()) else f
        for f in made_up()
    ]
    assert verdict(name, changed).reached is False


def test_every_target_needs_its_figures() -> None:
    """Each single figure that a target needs: without it a run has no verdict."""
    figures = made_up()
    needed = 0
    for index in range(len(figures)):
        rest = figures[:index] + figures[index + 1 :]
        try:
            judge(OPTIONS, Figures(ROUNDS, rest))
        except MissingFigure:
            needed += 1
    # Of each target at least one figure in each round.
    assert needed >= ROUNDS * len(all_targets(OPTIONS)) / 2


def test_a_part_left_out() -> None:
    figures = [f for f in made_up() if f.part != "idle"]
    with pytest.raises(MissingFigure, match="idle"):
        judge(OPTIONS, Figures(ROUNDS, figures))
    name = "memory of an idle connection, KiB"
    found = verdict(name, figures, replace(OPTIONS, complete=False))
    assert found.figure is None and found.reached is None


def test_a_round_lost_is_no_part_left_out() -> None:
    figures = [f for f in made_up() if (f.part, f.round) != ("idle", 2)]
    with pytest.raises(MissingFigure, match="round 2"):
        judge(replace(OPTIONS, complete=False), Figures(ROUNDS, figures))


def test_each_round_begins_with_another() -> None:
    contestants = ("a", "b", "c")
    rounds = [rotated(contestants, number) for number in (1, 2, 3)]
    assert rounds == [("b", "c", "a"), ("c", "a", "b"), ("a", "b", "c")]


def test_stolen_share() -> None:
    assert stolen_share(ProcessorTime(100, 5), ProcessorTime(300, 15)) == 0.05


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1234567, "1,234,567"), (99.96, "100.0"), (12.34, "12.3"), (0.654, "0.65")],
)
def test_number(value: float, wanted: str) -> None:
    assert number(value) == wanted


def test_with_spread() -> None:
    assert with_spread(Spread(1200, 900, 1500)) == "1,200 (900–1,500)"
