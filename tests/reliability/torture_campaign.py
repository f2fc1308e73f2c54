# SPDX-License-Identifier: MIT
"""One call after the other fails: while the program starts, serves and ends."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from database import Database
from http_client import unique
from system import System
from torture import Victim, Way
from torture_steps import LARGE, LISTED, LONG, Client, Outcome, Step, get, post, steps
from waiting import wait_until

RECOVERY_SECONDS = 5
# sysexits.h, as --help has it: wrong usage, system error, wrong setting.
ORDERLY = {64, 71, 78}
TOGETHER = 4  # programs at once where each point takes one of its own


@dataclass
class Result:
    points: list[str] = field(default_factory=list)  # the call of each
    faults: list[str] = field(default_factory=list)


class Choice:
    """Which points are tried: all, or one in so many and one of each way at least."""

    def __init__(self, one_in: int) -> None:
        self.one_in = one_in
        self.number = 0
        self.seen: set[Way] = set()

    def takes(self, way: Way) -> bool:
        self.number += 1
        return way not in self.seen or self.number % self.one_in == 0


class Ledger:
    """What was answered to each POST, held against the table."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mark = unique("torture")
        self.numbers = itertools.count(1)
        self.answered: dict[str, list[tuple[str, Outcome]]] = {}

    def new_mark(self) -> str:
        return f"{self.mark}-{next(self.numbers)}"

    def note(self, outcomes: Iterable[Outcome], point: str) -> None:
        for outcome in outcomes:
            if outcome.request.sender:
                of_sender = self.answered.setdefault(outcome.request.sender, [])
                of_sender.append((point, outcome))

    def faults(self) -> Iterator[str]:
        rows = self.database.run(
            "SELECT sender, id, DATE_FORMAT(stored_at, '%Y-%m-%dT%H:%i:%s.%fZ')"
            f" FROM message WHERE sender LIKE '{self.mark}-%'"
        )
        stored: dict[str, list[tuple[int, str]]] = {}
        for sender, row_id, date in rows:
            stored.setdefault(sender, []).append((int(row_id), date))
        for sender, answers in self.answered.items():
            yield from judge_sender(answers, stored.get(sender, []))


def judge_sender(
    answers: list[tuple[str, Outcome]], rows: list[tuple[int, str]]
) -> Iterator[str]:
    """Every sender sent one message, maybe more than once with a key."""
    point = answers[0][0]
    if len(rows) > 1:
        yield f"{point}: stored {len(rows)} times"
    unsure = False
    for _, outcome in answers:
        answer = outcome.answer
        if answer is not None and answer.status == 201:
            unsure = True
            told = (answer.json()["ID"], answer.json()["Date"])
            if told not in rows:
                yield f"{point}: acknowledged as {told}, and the table has {rows or 'nothing'}"
        elif outcome.code == "write_uncertain" or answer is None:
            unsure = unsure or not outcome.request.cut
    if rows and not unsure:
        told_codes = [outcome.code or "nothing" for _, outcome in answers]
        yield f"{point}: answered {told_codes}, and stored all the same"


class Serving:
    """One program for all points, as it has to serve after each failure. In `with`."""

    def __init__(self, system: System, program: Path, ledger: Ledger) -> None:
        self.system = system
        self.program = program
        self.ledger = ledger
        self.result = Result()
        self.steps = steps(*self._listed())
        self.victim: Victim | None = None
        self.ways: list[Way] = []
        self.highest_descriptors = 0

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listed(self) -> tuple[int, list[int]]:
        """Stores what is read; returns the ID of a small message and those of large ones."""
        run = self.system.database.run
        run(
            f"DELETE FROM message WHERE sender IN ('{LISTED}', '{LONG}', '{LARGE}');"
            "INSERT INTO message (sender, content, stored_at)"
            f" SELECT '{LISTED}', seq, UTC_TIMESTAMP(6) FROM seq_1_to_5 UNION"
            f" SELECT '{LONG}', REPEAT(seq, 5000), UTC_TIMESTAMP(6) FROM seq_10_to_49 UNION"
            f" SELECT '{LARGE}', REPEAT(seq, 30000), UTC_TIMESTAMP(6) FROM seq_10_to_21;"
            "COMMIT;"
            # What the program must set for itself, for then no setting is lost unseen.
            "SET GLOBAL autocommit = 0, GLOBAL time_zone = '+05:00'"
        )
        small, *_ = run(f"SELECT id FROM message WHERE sender = '{LISTED}'")
        large = run(f"SELECT id FROM message WHERE sender = '{LARGE}'")
        return int(small[0]), [int(row[0]) for row in large]

    def start(self) -> Victim:
        self.victim = Victim(self.system, self.program).__enter__()
        assert self.victim.wait_until_it_serves(), self.victim.log()
        self.ways = [way for way in self.victim.control.ways() if not way.planted]
        self.victim.control.set_cold()
        for step in self.steps:
            self.settle(step)
        self.highest_descriptors = self.victim.descriptors()
        return self.victim

    def stop(self) -> None:
        if self.victim is None:
            return
        if self.victim.runs():
            self._check_descriptors(self.victim)
            trouble = self.victim.end()
            if trouble:
                self.result.faults.append(f"at its end: {trouble}")
        self.victim.__exit__(None)
        self.victim = None

    def _check_descriptors(self, victim: Victim) -> None:
        most = self.highest_descriptors
        try:
            wait_until(
                lambda: victim.descriptors() <= most,
                RECOVERY_SECONDS,
                f"no more than {most} descriptors are open",
            )
        except AssertionError as error:
            self.result.faults.append(str(error))

    def ask(self, step: Step, point: str, *, plain: bool = False) -> list[Outcome]:
        """plain: without the failure that the step begins with."""
        assert self.victim is not None
        for number, name in enumerate(() if plain else step.first, start=1):
            self.victim.control.arm(self.way(name), 1, number)
        outcomes = Client(self.victim.address).run(step, self.ledger.new_mark())
        self.ledger.note(outcomes, point)
        return outcomes

    def way(self, name: str) -> Way:
        assert self.victim is not None
        return next(way for way in self.victim.control.ways() if str(way) == name)

    def settle(self, step: Step) -> None:
        """Nothing fails: all is right again, soon."""

        def is_right() -> bool:
            outcomes = self.ask(step, f"{step.name}, no failure", plain=True)
            return all(outcome.is_right() for outcome in outcomes)

        wait_until(is_right, RECOVERY_SECONDS, f"all of '{step.name}' is right again")

    def point(self, step: Step, way: Way, nth: int) -> bool:
        """False where there are not so many calls."""
        victim = self.victim or self.start()
        name = f"{step.name}: {way}, call {nth}"
        victim.control.arm(way, nth)
        outcomes = self.ask(step, name)
        fired = victim.control.fired()
        victim.control.disarm()
        if not fired:
            return False
        self.result.points.append(way.call)
        faults = [f"{name}: {o.fault()}" for o in outcomes if o.fault()]
        try:
            if victim.runs():
                self.settle(step)
        except AssertionError as error:
            faults.append(f"{name}: {error}")
        if not victim.runs():
            faults.append(f"{name}: it died: {victim.report() or victim.log()[-500:]}")
        self.result.faults += faults
        if faults:
            self.stop()
        return True

    def counts(self, step: Step) -> dict[Way, int]:
        """How many calls there are when nothing fails, for each way to fail."""
        control = (self.victim or self.start()).control
        self.settle(step)
        before = {way: control.count(way) for way in self.ways}
        self.ask(step, f"{step.name}, no failure")
        return {way: control.count(way) - before[way] for way in self.ways}

    def run(self, choice: Choice) -> None:
        for step in self.steps:
            for way, count in self.counts(step).items():
                if count > 0:
                    self._points(step, way, count, choice)
        self.stop()

    def _points(self, step: Step, way: Way, count: int, choice: Choice) -> None:
        # One failure may lead to further calls, so all means until there are no more.
        nth = 0
        while nth < 2 * count + 10:
            nth += 1
            if nth > count and choice.one_in > 1:
                break
            if not choice.takes(way):
                continue
            if not self.point(step, way, nth):
                break
            choice.seen.add(way)


BASICS = Step(
    "basics",
    lambda mark: [
        get("/api/test"),
        get("/api/health"),
        post(mark, key=mark),
        get("/api/message"),
    ],
)


class Lives:
    """A program of its own for each point: those of its start and of its end."""

    def __init__(self, system: System, program: Path, ledger: Ledger) -> None:
        self.system = system
        self.program = program
        self.ledger = ledger
        self.result = Result()

    @contextmanager
    def victim(self, way: Way | None = None, nth: int = 0) -> Iterator[Victim]:
        victim = Victim(self.system, self.program, BUZON_LOG_REQUESTS="on")
        if way is not None:
            victim.control.arm(way, nth)
        with victim:
            yield victim

    def settle(self, victim: Victim, name: str) -> None:
        def right() -> bool:
            outcomes = Client(victim.address).run(BASICS, self.ledger.new_mark())
            self._take(outcomes, name)
            return all(outcome.is_right() for outcome in outcomes)

        wait_until(right, RECOVERY_SECONDS, "all is right")

    def start(self, name: str, way: Way | None, nth: int) -> dict[Way, int]:
        """A whole life, in which a call of its start fails; how many there were."""
        with self.victim(way, nth) as victim:
            serves = victim.wait_until_it_serves()
            if serves:
                self.settle(victim, name)
            counts = self._counts(victim)
            self._note(victim, name, way)
            if not serves:
                self._judge_early_end(victim, name)
                return counts
            self._judge_end(victim, name)
            return counts

    def end(self, name: str, way: Way | None, nth: int) -> dict[Way, int]:
        """A whole life, in which a call of its end fails; how many there were."""
        with self.victim() as victim:
            assert victim.wait_until_it_serves(), victim.log()
            self.settle(victim, name)
            before = self._counts(victim)
            with victim.api() as idle, victim.connect(5) as busy:
                assert idle.get("/api/test").status == 200
                client = Client(victim.address)
                client.connection = busy
                if way is not None:
                    victim.control.arm(way, nth)
                victim.terminate()
                last = Step("last", lambda mark: [post(mark)])
                outcomes = client.run(last, self.ledger.new_mark())
                self._take(outcomes, name)
                self._judge_end(victim, name)
            self._note(victim, name, way)
            return {w: n - before[w] for w, n in self._counts(victim).items()}

    def _take(self, outcomes: list[Outcome], name: str) -> None:
        self.ledger.note(outcomes, name)
        self.result.faults += [f"{name}: {o.fault()}" for o in outcomes if o.fault()]

    def _counts(self, victim: Victim) -> dict[Way, int]:
        control = victim.control
        return {way: control.count(way) for way in control.ways() if not way.planted}

    def _note(self, victim: Victim, name: str, way: Way | None) -> None:
        if way is not None and victim.control.fired():
            self.result.points.append(way.call)

    def _judge_early_end(self, victim: Victim, name: str) -> None:
        status, log = victim.wait(1), victim.log()
        if status not in ORDERLY or victim.report() or not log.strip():
            self.result.faults.append(f"{name}: it ended with {status}: {log[-3000:]}")

    def _judge_end(self, victim: Victim, name: str) -> None:
        trouble = victim.end()
        if trouble:
            self.result.faults.append(f"{name}: {trouble}")

    def run(self, choice: Choice) -> None:
        for what, live in (("start", self.start), ("end", self.end)):
            self._run_one(what, live, choice)

    def _run_one(
        self, what: str, live: Callable[[str, Way | None, int], object], choice: Choice
    ) -> None:
        counts = live(f"{what}, no failure", None, 0)
        assert isinstance(counts, dict)
        points = []
        for way, count in counts.items():
            for nth in range(1, count + 1):
                if choice.takes(way):
                    points.append((way, nth))
                    choice.seen.add(way)

        def one(point: tuple[Way, int]) -> None:
            way, nth = point
            name = f"{what}: {way}, call {nth}"
            try:
                live(name, way, nth)
            except AssertionError as error:
                self.result.faults.append(f"{name}: {error}")

        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(one, points))
