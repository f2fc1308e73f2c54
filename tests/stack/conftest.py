# SPDX-License-Identifier: MIT
"""The stacks that the tests run against."""

import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest

import stack as stacks
from http_client import Api
from stack import Stack

PROXIES = ("nginx", "caddy")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for stack in stacks.running:
            report.sections.append((f"stack {stack.name}", stack.logs()))


@pytest.fixture(scope="session")
def build_seconds() -> float:
    """How long it took to build our images."""
    builder = Stack()
    started = time.monotonic()
    builder.compose("build")
    return time.monotonic() - started


@pytest.fixture(scope="session")
def stack(build_seconds: float) -> Iterator[Stack]:
    """The stack as it comes, behind nginx. Nobody may stop any part of it."""
    with Stack() as started:
        yield started


@pytest.fixture(scope="session", params=PROXIES)
def each_stack(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Stack]:
    """A stack behind each of the proxies. Nobody may stop any part of it. Only `stack`
    stays, for health checks of many containers take their time too."""
    if request.param == stack.proxy:
        yield stack
        return
    with Stack(request.param) as other:
        yield other


@pytest.fixture(scope="session", params=PROXIES)
def fragile(
    request: pytest.FixtureRequest, build_seconds: float
) -> Iterator[Stack]:
    """For tests that stop, kill or scale; each leaves it whole. Nothing of it may
    wait for a DNS server outside of it."""
    files = ("compose.yaml", "tests/stack/silent-resolver.yaml")
    with Stack(request.param, files) as stack:
        yield stack


@pytest.fixture
def api(stack: Stack) -> Iterator[Api]:
    connection = stack.api()
    yield connection
    connection.close()
