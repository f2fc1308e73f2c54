# SPDX-License-Identifier: MIT
"""The systems that the tests run against, and what is watched around them."""

import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest

import system as systems
from database import Database
from http_client import Api, Requester
from mariadb_process import MariadbProcess
from migration import Migration
from system import ScriptError, System

TEST_URL = os.environ.get("BUZON_TEST_URL", "").rstrip("/")

# Whoever asks for one of these needs more than a URL.
NEED_A_SYSTEM = {"system", "fragile", "mariadb", "database"}

deselected_key = pytest.StashKey[int]()


def needs_only_a_url(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return "base_url" in fixtures and not fixtures & NEED_A_SYSTEM


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not TEST_URL:
        return
    others = [item for item in items if not needs_only_a_url(item)]
    config.stash[deselected_key] = len(others)
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if needs_only_a_url(item)]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    count = config.stash.get(deselected_key, 0)
    if count:
        terminalreporter.write_line(
            f"{count} deselected: BUZON_TEST_URL={TEST_URL} is set, and they"
            " need a system of their own, not only its URL"
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for system in systems.running:
            report.sections.append((f"logs of {system.var}", system.log_tails()))


@pytest.fixture(autouse=True)
def replicas_survive() -> Iterator[None]:
    """No test may cost a replica its life, whatever it does to it."""
    yield
    for system in systems.running:
        dead = system.dead_replicas()
        assert not dead, f"dead or restarted: {', '.join(dead)}"


def session_system(replicas: int) -> Iterator[System]:
    try:
        started = System(replicas).__enter__()
    except ScriptError as error:
        # Every other test would say the same.
        pytest.exit(str(error), returncode=1)
    yield started
    started.__exit__()


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Three replicas behind nginx. Nobody may stop any part of it."""
    yield from session_system(3)


@pytest.fixture(scope="session")
def fragile() -> Iterator[System]:
    """A second system, for tests that stop, kill or change its database."""
    yield from session_system(2)


@pytest.fixture
def mariadb(fragile: System) -> Iterator[MariadbProcess]:
    """The fragile system's database server; it runs again afterwards."""
    process = MariadbProcess(fragile)
    yield process
    process.restore()


@pytest.fixture(scope="session")
def database(system: System) -> Database:
    return system.database


@pytest.fixture
def migration(system: System, tmp_path: Path) -> Iterator[Migration]:
    """A database that has no schema yet."""
    migration = Migration(system, tmp_path)
    yield migration
    migration.remove()


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    return TEST_URL or request.getfixturevalue("system").url


@pytest.fixture
def connect(base_url: str) -> Iterator[Callable[[], Api]]:
    """Makes further connections to the web server."""
    opened: list[Api] = []

    def open_one() -> Api:
        opened.append(Api(base_url))
        return opened[-1]

    yield open_one
    for api in opened:
        api.close()


@pytest.fixture
def api(connect: Callable[[], Api]) -> Api:
    return connect()


StoresNothing = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def stores_nothing(api: Requester) -> StoresNothing:
    """`with stores_nothing():` fails if a message appears meanwhile."""

    @contextmanager
    def watch() -> Iterator[None]:
        before = api.newest_id()
        yield
        assert api.newest_id() == before, "a message was stored"

    return watch
