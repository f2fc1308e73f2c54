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
def stacks_by_proxy(build_seconds: float) -> Iterator[dict[str, Stack]]:
    started: dict[str, Stack] = {}
    try:
        for proxy in PROXIES:
            started[proxy] = Stack(proxy).__enter__()
        yield started
    finally:
        for stack in started.values():
            stack.__exit__()


@pytest.fixture(scope="session", params=PROXIES)
def each_stack(
    request: pytest.FixtureRequest, stacks_by_proxy: dict[str, Stack]
) -> Stack:
    """A stack behind each of the proxies. Nobody may stop any part of it."""
    return stacks_by_proxy[request.param]


@pytest.fixture(scope="session")
def stack(stacks_by_proxy: dict[str, Stack]) -> Stack:
    """The stack as it comes, behind nginx. Nobody may stop any part of it."""
    return stacks_by_proxy["nginx"]


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
