# SPDX-License-Identifier: MIT
"""The suite of tests/integration once more, with a program that sanitizers and valgrind
look at: no report. What is planted is reported in the same way."""

import re
from collections.abc import Iterator

import pytest

from checkers import ADDRESS, MEMCHECK, THREAD, Checked, Checker, checked, undefined_functions
from conftest import Figure

CHECKERS = {"address and undefined": ADDRESS, "thread": THREAD, "memcheck": MEMCHECK}

# Choices that together reach every module of the program, take seconds, and have no
# bounds that a slow machine could miss.
SHORT = {
    "address and undefined": [
        *("test_endpoints.py", "test_post_bodies.py", "test_list.py", "test_ndjson.py"),
        *("test_idempotency.py", "test_limits.py"),
    ],
    "thread": [
        *("test_endpoints.py", "test_list.py", "test_ndjson.py", "test_idempotency.py"),
        "test_commit.py",
    ],
    "memcheck": ["test_endpoints.py", "-k", "message or health or 405"],
}

# Valgrind makes the program about twenty times as slow: what is bound by time, and what
# asks for much, is left to the others. So are replicas that are cut short at their end:
# they call _exit() with a worker that hangs, and valgrind takes all they had for lost.
FULL = {
    "address and undefined": ["--timeout=600"],
    "thread": ["--timeout=600"],
    "memcheck": [
        *("test_endpoints.py", "test_post_bodies.py", "test_list.py", "test_ndjson.py"),
        *("test_idempotency.py", "test_limits.py"),
        *("test_json_strictness.py", "test_round_trip.py", "--timeout=1200"),
    ],
}

# What each of them has to report, in its own words.
FAULTS = [
    ("address and undefined", "overflow", "heap-buffer-overflow"),
    ("address and undefined", "leak", "12345 byte"),
    ("address and undefined", "undefined", "signed integer overflow"),
    ("thread", "race", "data race"),
    ("memcheck", "leak", "12,345 bytes"),
    ("memcheck", "uninitialized", "uninitialised value"),
]


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Checked]:
    with checked(CHECKERS[request.param]) as running:
        yield running


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("program", CHECKERS, indirect=True)
def test_there_is_nothing_to_report(
    program: Checked, request: pytest.FixtureRequest, figure: Figure
) -> None:
    name = request.node.callspec.params["program"]
    full = request.config.getoption("--full")
    done = program.run_integration(*(FULL if full else SHORT)[name])
    assert not program.found(), program.found()[:10_000]
    assert done.returncode == 0, done.stdout[-10_000:]
    passed = re.search(r"(\d+) passed.* in ([0-9.]+)s", done.stdout)
    assert passed, done.stdout[-1_000:]
    figure(f"0 reports in {passed[1]} tests of tests/integration, {passed[2]} s")


@pytest.mark.parametrize("program, fault, words", FAULTS, indirect=["program"])
def test_control_a_fault_is_reported(program: Checked, fault: str, words: str) -> None:
    assert program.run("--version") + program.found() == ""
    program.plant(fault)
    assert words in program.run("--version") + program.found()


@pytest.mark.parametrize(
    "program, fault, words",
    FAULTS[1:5],
    indirect=["program"],
)
def test_control_a_fault_of_a_replica_is_reported(
    program: Checked, fault: str, words: str
) -> None:
    """As another user, with the few variables that scripts/up gives, until its end."""
    program.plant(fault)
    done = program.run_integration("test_endpoints.py", "-k", "test_test_says_alive")
    assert words in done.stdout + program.found()


@pytest.mark.parametrize("checker", [ADDRESS, THREAD], ids=["address", "thread"])
def test_the_whole_program_is_built_for_it(checker: Checker) -> None:
    with checked(checker) as program, checked(MEMCHECK) as plain:
        assert set(checker.calls) <= undefined_functions(program.folder / "checked")
        assert not set(checker.calls) & undefined_functions(plain.folder / "checked")
