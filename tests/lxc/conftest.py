# SPDX-License-Identifier: MIT
"""A server, set up by the playbook, and a certificate authority for it."""

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import authority as authorities
import server as servers
from authority import Authority
from server import DOMAIN, Server
from traffic import SecureApi

FOLDER = Path("/root/tests")
VALID_SECONDS = 90 * 24 * 3600


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("server", servers.logs()))


def pytest_sessionstart() -> None:
    if os.environ.get("BUZON_TEST_SERVER") != "own":
        pytest.exit("start these tests by tests/lxc/host tests/lxc/run", returncode=4)


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    FOLDER.mkdir()
    with (
        authorities.names(FOLDER),
        Authority(FOLDER / "authority", 14000, VALID_SECONDS).serving() as serving,
    ):
        yield serving


@dataclass(frozen=True)
class Site:
    """The server, and how long it took to set it up."""

    server: Server
    seconds: float


@pytest.fixture(scope="session")
def site(authority: Authority) -> Iterator[Site]:
    with open("/etc/hosts", "a") as hosts:
        hosts.write(f"127.0.0.1 {DOMAIN}\n")
    server = Server(
        FOLDER,
        authority.url,
        {"REQUESTS_CA_BUNDLE": str(authority.own_certificate)},
    )
    began = time.monotonic()
    server.play("site.yml")
    # Python's own HTTPS reads the variable each time.
    os.environ["SSL_CERT_FILE"] = str(authority.root)
    yield Site(server, time.monotonic() - began)


@pytest.fixture
def server(site: Site) -> Server:
    return site.server


@pytest.fixture
def api(site: Site) -> Iterator[SecureApi]:
    connection = SecureApi(servers.URL)
    yield connection
    connection.close()
