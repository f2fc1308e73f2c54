# SPDX-License-Identifier: MIT
"""Every call that can fail fails once, as in the torture tests of curl and SQLite."""

import re
import resource
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Figure, Scale
from system import System
from torture import build, called
from torture_campaign import Choice, Ledger, Lives, Serving

# One point in so many, and every way to fail at least once; --full takes all.
ONE_IN = 25
POINTS_FULL = 1000

# Whether there is one depends on how soon MariaDB answers.
MAY_BE_MISSED = {"mysql_stmt_execute_cont", "mysql_stmt_fetch_cont", "pthread_cond_timedwait"}

# What else the program calls, and why it needs no look at what that comes to.
CANNOT_FAIL = {
    "they only compute": "explicit_bzero gmtime_r inet_pton mem.* snprintf str.* u8_.*",
    "they ask for what is always there": "clock_gettime environ getpid gettid sched_getscheduler"
    " __errno_location mysql_get_.* mysql_errno mysql_error mysql_stmt_errno"
    " mysql_stmt_error mysql_fetch_row json_object_get_string",
    "in glibc they return 0 for what they are given here": "pthread_(cond|condattr|mutex)_.*"
    " pthread_join pthread_sigmask sigaction sigaddset sigemptyset",
    "a build with sanitizers has no sandbox": "prctl syscall seccomp_.* fstat realpath",
    "they free": "FCGX_Free FCGX_FreeStream json_object_put json_tokener_free munmap mysql_close"
    " mysql_free_result mysql_server_end mysql_thread_end",
    "they say what was wrong before it ends": "fprintf fputc fwrite puts stderr stdout",
    "they end it": "_exit __assert_fail",
}


@pytest.fixture(scope="module")
def program() -> Path:
    return build()


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(1) as system:
        yield system


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Replicas have to raise their own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(280)
def test_every_call_that_can_fail_is_made_to(program: Path) -> None:
    """Whoever adds a call adds it to tests/torture too, or to CANNOT_FAIL."""
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    wrapped = set(re.findall(r" T __wrap_(\w+)", symbols))
    safe = re.compile("|".join("|".join(names.split()) for names in CANNOT_FAIL.values()))
    unknown = [
        name
        for name in called(program)
        if name not in wrapped and not safe.fullmatch(name.removeprefix("__isoc23_"))
    ]
    assert not unknown


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("few_descriptors")
def test_every_call_may_fail(
    system: System, program: Path, scale: Scale, figure: Figure
) -> None:
    """The program dies of none, leaks nothing, serves again, and says nothing untrue."""
    ledger = Ledger(system.database)
    choice = Choice(scale(ONE_IN, 1))
    with Serving(system, program, ledger) as serving:
        serving.run(choice)
    lives = Lives(system, program, ledger)
    lives.run(choice)

    faults = [*serving.result.faults, *lives.result.faults, *ledger.faults()]
    points = Counter(serving.result.points + lives.result.points)
    figure(
        f"{points.total()} points, {len(ledger.answered)} POSTs, {len(faults)} faults: "
        + ", ".join(f"{call} {count}" for call, count in sorted(points.items()))
    )
    assert not faults, "\n".join(faults)
    assert points.total() >= scale(0, POINTS_FULL)
    assert {way.call for way in serving.ways} - set(points) <= MAY_BE_MISSED


# A thread that is done before the gate looks need not wake it, so one try may meet nothing.
TRIES = 20

# what is planted in the program, the step that meets it, what is said of it
PLANTED = [
    ("calloc unchecked", "post with a key", "it died: ERROR: AddressSanitizer: SEGV"),
    ("free forgotten", "post with a key", "ERROR: LeakSanitizer: detected memory leaks"),
    ("mysql_real_connect uncommitted", "post, reconnecting", "the table has nothing"),
    ("mysql_stmt_execute twice", "cut off", "stored 2 times"),
    ("write lost", "lists", "no answer within 5"),
]


@pytest.mark.parametrize("planted, step_name, said", PLANTED, ids=[row[0] for row in PLANTED])
def test_a_planted_fault_is_found(
    system: System, program: Path, planted: str, step_name: str, said: str
) -> None:
    ledger = Ledger(system.database)
    with Serving(system, program, ledger) as serving:
        serving.start()
        (step,) = [step for step in serving.steps if step.name == step_name]
        assert any(serving.point(step, serving.way(planted), 1) for _ in range(TRIES))
    faults = [*serving.result.faults, *ledger.faults()]
    assert any(said in fault for fault in faults), faults
