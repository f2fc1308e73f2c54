# SPDX-License-Identifier: MIT
"""What all attacks share: how long they are, what they measured, and who has died."""

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

import system as systems
from mariadb_process import MariadbProcess
from system import System
from web_server import SERVERS

figures_key = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="the long figures of each attack, not the short ones",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[figures_key] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[figures_key]:
        terminalreporter.section("figures")
    for figure in config.stash[figures_key]:
        terminalreporter.write_line(figure)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for running in systems.running:
            report.sections.append((f"logs of {running.var}", running.log_tails()))


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Three replicas behind nginx, of which nobody may stop any part: who kills something
    has `fragile`, or one of his own."""
    with System(3) as system:
        yield system


@pytest.fixture(scope="module")
def fragile() -> Iterator[System]:
    """The same, but the file's own, for tests that stop and kill."""
    with System(3) as system:
        yield system


@pytest.fixture
def mariadb(fragile: System) -> Iterator[MariadbProcess]:
    """Its database server; it runs again afterwards."""
    process = MariadbProcess(fragile)
    yield process
    process.restore()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--full")


Scale = Callable[[int, int], int]


@pytest.fixture(scope="session")
def scale(full: bool) -> Scale:
    """scale(SHORT, FULL): how much of it, with --full and without."""
    return lambda short, long: long if full else short


Figure = Callable[[str], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """figure("12 of 12 …"): told at the end of the run, beside the test's name."""
    name = request.node.nodeid.rpartition("/")[2]
    return lambda text: request.config.stash[figures_key].append(f"{name}: {text}")


@pytest.fixture(scope="session")
def behind_none() -> Iterator[System]:
    """Three replicas; not started yet, for `served` puts a web server before them."""
    system = System(3)
    systems.running.append(system)
    yield system
    systems.running.remove(system)
    system.remove()


@pytest.fixture(scope="session", params=SERVERS)
def served(request: pytest.FixtureRequest, behind_none: System) -> System:
    """Three replicas behind the web server whose turn it is."""
    behind_none.switch(request.param)
    return behind_none


def cannot_run(reason: str) -> None:
    """Skips the test; where everything must be able to run, it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"with CI=true it must be able to run: {reason}", pytrace=False)
    pytest.skip(reason)
