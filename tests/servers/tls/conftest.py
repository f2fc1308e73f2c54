# SPDX-License-Identifier: MIT
"""One system of replicas, and before it each of the web servers in turn."""

import os
import socket
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import authority as authorities
import client
import servers
from answers import Answer
from authority import Authority
from servers import DOMAIN, SECOND_DOMAIN, Server
from system import System

FOLDER = Path("/run/authority")
SOCKETS = Path("/run/buzon")
SYSLOG = Path("/var/log/syslog")

# Caddy renews when a third of the time is left.
LONG_SECONDS, SHORT_SECONDS = 90 * 24 * 3600, 30

running: list[Server] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in running:
            report.sections.append((server.name, server.logs()))


def pytest_sessionstart() -> None:
    # tests/servers/tls/run makes them.
    if not Path("/run/private").is_dir():
        pytest.exit("start these tests by tests/servers/tls/run", returncode=4)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of one server stand together, because only one has ports 80 and 443."""
    order = list(servers.SERVERS)

    def place(item: pytest.Item) -> int:
        callspec = getattr(item, "callspec", None)
        name = callspec.params.get("site") if callspec else None
        return order.index(name) if name else -1

    items.sort(key=place)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Three replicas at the places that the configurations name."""
    with open("/etc/hosts", "a") as hosts:
        for name in (DOMAIN, SECOND_DOMAIN):
            hosts.write(f"{client.ADDRESS} {name}\n")
    with System(3) as started:
        SOCKETS.mkdir()
        for name in started.replica_names():
            (SOCKETS / f"{name}.sock").symlink_to(
                started.run_directory / f"{name}.sock"
            )
        yield started


@pytest.fixture(scope="session", autouse=True)
def syslog() -> Iterator[None]:
    """The system's log, in a file."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        SYSLOG.open("wb", buffering=0) as file,
    ):
        receiver.bind("/dev/log")
        os.chmod("/dev/log", 0o666)

        def write_down() -> None:
            # An empty message is the end.
            while message := receiver.recv(65536):
                file.write(message + b"\n")

        thread = threading.Thread(target=write_down, daemon=True)
        thread.start()
        yield
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", "/dev/log")
        thread.join()


@pytest.fixture(scope="session")
def names() -> Iterator[None]:
    FOLDER.mkdir()
    with authorities.names(FOLDER):
        yield


@pytest.fixture(scope="session")
def authority(names: None) -> Iterator[Authority]:
    with Authority(FOLDER / "long", 14000, LONG_SECONDS).serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def short_authority(names: None) -> Iterator[Authority]:
    """Its certificates are soon due."""
    with Authority(FOLDER / "short", 16000, SHORT_SECONDS).serving() as serving:
        yield serving


@dataclass(frozen=True)
class Site:
    """A web server that serves HTTPS, and what it has said on port 80 before."""

    server: Server
    challenge_before: Answer


@pytest.fixture(scope="session", params=servers.SERVERS)
def site(request: pytest.FixtureRequest, system: System) -> Iterator[Site]:
    kind = servers.SERVERS[request.param]
    authority = request.getfixturevalue(kind.authority_fixture)
    server = kind(authority)
    running.append(server)
    # Python's own HTTPS reads the variable each time.
    os.environ["SSL_CERT_FILE"] = str(authority.root)
    try:
        server.serve_http()
        client.wait_for_port(80)
        before = client.plain(DOMAIN, "/.well-known/acme-challenge/none")
        server.obtain(DOMAIN)
        server.serve_https()
        client.wait_for_port(443)
    except Exception as error:
        error.add_note(server.logs())
        raise
    else:
        yield Site(server, before)
    finally:
        running.remove(server)
        del os.environ["SSL_CERT_FILE"]
        server.remove()


@pytest.fixture
def server(site: Site) -> Server:
    return site.server
