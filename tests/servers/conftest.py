# SPDX-License-Identifier: MIT
"""One system for all tests, and each of the web servers in front of it in turn."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

import system as systems
from http_client import Api
from million import Million
from system import ScriptError, System
from web_server import SERVERS

REPLICAS = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record",
        action="store_true",
        help="write what the web servers send into tests/servers/recorded",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for system in systems.running:
            report.sections.append((f"logs of {system.var}", system.log_tails()))


@pytest.fixture(scope="session")
def behind_none() -> Iterator[System]:
    """Not started yet: a web server that does not start costs the others nothing."""
    # The replicas' logs tell which of them was asked.
    system = System(REPLICAS, settings=["BUZON_LOG_REQUESTS=on"])
    systems.running.append(system)
    yield system
    systems.running.remove(system)
    system.remove()


def last_lines(error: ScriptError) -> str:
    return "\n".join(str(error).splitlines()[-10:])


@pytest.fixture(scope="session", params=SERVERS)
def served(request: pytest.FixtureRequest, behind_none: System) -> System:
    """Three replicas behind the web server whose turn it is."""
    try:
        behind_none.switch(request.param)
    except ScriptError as error:
        # Told again for each test of it.
        pytest.fail(f"no {request.param}: {last_lines(error)}", pytrace=False)
    return behind_none


@pytest.fixture
def api(served: System) -> Iterator[Api]:
    connection = served.api()
    yield connection
    connection.close()


@pytest.fixture
def fragile(served: System) -> Iterator[System]:
    """For tests that stop, kill or change a part; it is whole again afterwards."""
    yield served
    served.replicas = REPLICAS
    served.panel = False
    served.up()


@pytest.fixture(scope="session")
def million(behind_none: System) -> Million:
    """A test that asks for this one asks for `served` first, which starts it all."""
    return Million(behind_none.database)
