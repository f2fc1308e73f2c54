# SPDX-License-Identifier: MIT
"""The clock of the program, of MariaDB or of both is set, forth and back."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from conftest import Figure
from http_client import unique
from mariadb_process import MariadbProcess
from replica import Replica
from system import System
from waiting import wait_until

[LIBRARY] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
STEPS = {"a day forth": 86_400, "a day back": -86_400, "ten years forth": 315_360_000}
PROMPT_SECONDS = 1.0


class Clock:
    """The time that who is started with environment() takes for the true one. What only
    counts seconds goes on as ever, as it does when a real clock is set."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        # All at once: it is read at every look at the clock.
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.chmod(0o644)
        new.rename(self.file)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(1) as system:
        system.var.chmod(0o755)
        yield system


@pytest.fixture(scope="module")
def clocks(system: System) -> tuple[Clock, Clock]:
    """Of the program and of MariaDB."""
    return Clock(system.var / "clock-program"), Clock(system.var / "clock-database")


@pytest.fixture(scope="module")
def replica(system: System, clocks: tuple[Clock, Clock]) -> Iterator[Replica]:
    of_program, of_database = clocks
    mariadb = MariadbProcess(system)
    with ExitStack() as stack:
        stack.callback(mariadb.restore)
        mariadb.kill()
        mariadb.start(of_database.environment())
        mariadb.wait_until_it_answers()
        # The sandbox would not let the program read what tells the time.
        settings = {"BUZON_STALL_TIMEOUT": "1", "BUZON_SANDBOX": "off"}
        settings |= of_program.environment()
        yield stack.enter_context(Replica(system, **settings))


def moment(date: str) -> datetime:
    return datetime.strptime(date, "%Y-%m-%dT%H:%M:%S.%f%z")


def step_of_the_log(replica: Replica) -> timedelta:
    """How far the clock of the replica is from the true one."""
    last = replica.log().splitlines()[-1]
    return moment(last.partition('"time":"')[2].partition('"')[0]) - datetime.now(timezone.utc)


@pytest.mark.parametrize("seconds", STEPS.values(), ids=STEPS)
def test_nobody_notices_but_the_dates(
    replica: Replica, clocks: tuple[Clock, Clock], seconds: int, figure: Figure
) -> None:
    sender, stored = unique("step"), []
    longest = 0.0
    with replica.api() as api:
        # The program's first, MariaDB's then, and both back in one go.
        for steps in [(0, 0), (seconds, 0), (seconds, seconds), (0, 0)]:
            for clock, step in zip(clocks, steps):
                clock.set(step)
            began = time.monotonic()
            stored.append(api.store(sender, str(steps)))
            assert api.get("/api/health").status == 200
            longest = max(longest, time.monotonic() - began)
        # In the order of their IDs, whatever the dates are.
        assert api.messages(From=sender) == stored
        assert api.messages(From=sender, after=stored[1]["ID"]) == stored[2:]
    ids = [message["ID"] for message in stored]
    assert ids == sorted(ids)
    assert longest < PROMPT_SECONDS
    stepped = moment(stored[2]["Date"]) - moment(stored[1]["Date"])
    assert abs(stepped - timedelta(seconds=seconds)) < timedelta(seconds=60)
    figure(f"MariaDB's clock stepped by {stepped}: stored and read within {longest:.2f} s")


def test_who_stalls_is_closed_in_time_all_the_same(
    replica: Replica, clocks: tuple[Clock, Clock]
) -> None:
    for seconds in (86_400, -86_400):
        with replica.connect(timeout=10) as stalled:
            stalled.send(b"\1")
            began = time.monotonic()
            clocks[0].set(seconds)
            stalled.wait_for_end()
            assert 0.5 < time.monotonic() - began < 4


def test_control_the_program_has_that_clock(
    replica: Replica, clocks: tuple[Clock, Clock]
) -> None:
    """Whose log would tell the true time otherwise."""
    clocks[0].set(86_400)
    with replica.connect() as enemy:
        enemy.send_what_is_taken(b"not FastCGI")
        enemy.wait_for_end()
    with replica.api() as api:
        api.get("/api/nothing")
    replica.terminate()
    wait_until(lambda: not replica.runs(), 12, "it has ended")
    assert abs(step_of_the_log(replica) - timedelta(days=1)) < timedelta(seconds=60)
