# SPDX-License-Identifier: MIT
"""What was measured, and the arithmetic of it."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# The figure of each round.
ByRound = Mapping[int, float]


class MissingFigure(Exception):
    """A figure that is needed is not there; the text names it."""


class NotMeasured(MissingFigure):
    """No round has it: the run has left it out."""


@dataclass(frozen=True)
class Figure:
    """One measurement. A rate is of requests a second, that of an export of rows."""

    part: str
    contestant: str
    workload: str
    rows: int
    connections: int
    kept: bool
    round: int
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    # The highest of a replica meanwhile; for the workload `idle` what the idle
    # connections added.
    memory_kib: float | None = None
    # So many more connections were open, and idle.
    idle: int = 0


@dataclass(frozen=True)
class Spread:
    """Of the rounds."""

    median: float
    lowest: float
    highest: float


def spread(values: Iterable[float]) -> Spread:
    found = list(values)
    if not found:
        raise MissingFigure("no figure of any round")
    return Spread(statistics.median(found), min(found), max(found))


def ratio(one: ByRound, other: ByRound) -> dict[int, float]:
    """Of each round: what was measured side by side."""
    if set(one) != set(other):
        lonely = sorted(set(one) ^ set(other))
        raise MissingFigure(f"a ratio needs both figures of each round; one is missing of {lonely}")
    return {number: one[number] / other[number] for number in one}


def better(one: ByRound, other: ByRound) -> dict[int, float]:
    """The higher one of each round."""
    if set(one) != set(other):
        raise MissingFigure(f"rounds {sorted(one)} of one and {sorted(other)} of the other")
    return {number: max(one[number], other[number]) for number in one}


class Figures:
    """All figures of a run of so many rounds."""

    def __init__(self, rounds: int, figures: Iterable[Figure] = ()) -> None:
        self.rounds = rounds
        self.list = list(figures)

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.list)

    def add(self, figure: Figure) -> None:
        self.list.append(figure)

    def where(self, **wanted: object) -> list[Figure]:
        """Those that have these values."""
        items = wanted.items()
        return [f for f in self.list if all(getattr(f, name) == value for name, value in items)]

    def by_round(self, value: str, **wanted: object) -> dict[int, float]:
        """One value of the figure that each round has of it; every round must have one."""
        words = ", ".join(f"{name} {word}" for name, word in wanted.items())
        found = {f.round: getattr(f, value) for f in self.where(**wanted)}
        if not found:
            raise NotMeasured(f"no round has {value} of {words}")
        for number in range(1, self.rounds + 1):
            if found.get(number) is None:
                raise MissingFigure(f"round {number} has no {value} of {words}")
        return found

    def spread(self, value: str, **wanted: object) -> Spread | None:
        """None where it was not measured at all."""
        if not self.where(**wanted):
            return None
        return spread(self.by_round(value, **wanted).values())
