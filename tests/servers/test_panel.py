# SPDX-License-Identifier: MIT
"""The database panel at /db/: how the web server hands requests on to it."""

import http.server
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest

import raw
from answers import Answer
from problems import assert_guarded, assert_no_version
from system import System
from web_server import NO_PANEL_PORT, rerender

MIB = 1024 * 1024
BODY_LIMIT = 8 * MIB


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes


class Panel(http.server.ThreadingHTTPServer):
    """Answers everything, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PanelHandler)
        self.received: list[Received] = []

    def handle_error(self, request: object, client_address: object) -> None:
        # A web server that has read too much goes away in the middle.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            # It takes whatever it is given.
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def port(self) -> int:
        return self.server_address[1]

    def __enter__(self) -> "Panel":
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class PanelHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Apache/2.4.62"

    def answer(self) -> None:
        assert isinstance(self.server, Panel)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        self.server.received.append(Received(self.command, self.path, headers, body))
        content = f"panel, {len(body)} bytes\n".encode()
        self.send_response(200)
        self.send_header("X-Powered-By", "PHP/8.2.1")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def panel() -> Iterator[Panel]:
    with Panel() as panel:
        yield panel


@pytest.fixture(scope="module")
def with_panel(served: System, panel: Panel) -> Iterator[System]:
    """The system with our panel in the place of Adminer."""
    rerender(served, served.replicas, panel.port)
    yield served
    rerender(served, served.replicas, NO_PANEL_PORT)


def ask(
    system: System, line: str, *headers: str, host: str | None = None, body: bytes = b""
) -> Answer:
    host = host or f"127.0.0.1:{system.port}"
    lines = [f"Host: {host}", *headers]
    if body:
        lines += [
            f"Content-Length: {len(body)}",
            "Content-Type: application/octet-stream",
        ]
    return raw.exchange(system.port, raw.request(f"{line} HTTP/1.1", lines, body))


@pytest.mark.parametrize("query", ["", "?server=a&db=b%2Fc"])
def test_db_without_a_slash_leads_to_the_panel(
    with_panel: System, panel: Panel, query: str
) -> None:
    asked = len(panel.received)
    answer = ask(with_panel, f"GET /db{query}")
    assert answer.status == 308
    location = urljoin(f"{with_panel.url}/db", answer.header("Location") or "")
    assert location == f"{with_panel.url}/db/{query}"
    assert_guarded(answer)
    assert len(panel.received) == asked


@pytest.mark.parametrize(
    "target",
    ["/db/", "/db/?server=a&username=root&db=b%2Fc+d", "/db/adminer.css?v=4.8.1"],
)
def test_the_panel_is_told_what_was_asked(
    with_panel: System, panel: Panel, target: str
) -> None:
    host = f"inbox.example.org:{with_panel.port}"
    answer = ask(with_panel, f"GET {target}", "Cookie: a=b; c=d", host=host)
    assert (answer.status, answer.body) == (200, b"panel, 0 bytes\n")
    received = panel.received[-1]
    assert (received.method, received.target) == ("GET", target)
    assert received.headers["host"] == [host]
    assert received.headers["cookie"] == ["a=b; c=d"]


def test_the_panel_is_told_who_asks(with_panel: System, panel: Panel) -> None:
    """By the web server alone: the client may say what it likes."""
    for said in (
        [],
        ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"],
        ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2, 192.0.2.3"],
    ):
        assert ask(with_panel, "GET /db/", *said).status == 200
        headers = panel.received[-1].headers
        assert headers["x-forwarded-for"] == ["127.0.0.1"], said
        assert headers["x-forwarded-proto"] == ["http"], said


def test_a_large_body_reaches_the_panel(with_panel: System, panel: Panel) -> None:
    body = bytes(range(256)) * (BODY_LIMIT // 256)
    answer = ask(with_panel, "POST /db/?import=", body=body)
    assert (answer.status, answer.body) == (200, f"panel, {len(body)} bytes\n".encode())
    assert panel.received[-1].body == body


def test_a_body_that_is_too_large_does_not(with_panel: System, panel: Panel) -> None:
    asked = len(panel.received)
    answer = ask(with_panel, "POST /db/?import=", body=bytes(BODY_LIMIT + 1))
    assert answer.status == 413
    assert_no_version(answer)
    assert len(panel.received) == asked


def test_versions_of_the_panel_are_not_told(with_panel: System, panel: Panel) -> None:
    assert_no_version(ask(with_panel, "GET /db/"))
    # The panel itself tells them.
    told = raw.exchange(panel.port, raw.request("GET /db/ HTTP/1.1", ["Host: panel"]))
    with pytest.raises(AssertionError):
        assert_no_version(told)
