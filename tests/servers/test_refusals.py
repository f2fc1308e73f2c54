# SPDX-License-Identifier: MIT
"""What the web server answers by itself."""

import os
import signal
import threading
import time

import pytest

import raw
from fastcgi import ConnectionEnded, FastcgiApi
from http_client import JSON, json_body
from problems import assert_guarded, assert_no_version, assert_own_problem
from system import System, is_alive
from waiting import wait_until

# From when a replica answers again until the web server has noticed.
NOTICE_SECONDS = 3

# Of what is no HTTP, the same for everybody; it cannot be set.
HAPROXY_BAD_REQUEST = (
    b"<html><body><h1>400 Bad request</h1>\n"
    b"Your browser sent an invalid request.\n</body></html>\n"
)

# Nobody listens: there is nothing to wait for.
REFUSAL_SECONDS = 10


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/nothing", "/apiary", "/api.html", "/index.html", "/index.php"),
        *("/404.json", "/502.json", "/dbase", "/?/api/test", "/x/api/test"),
    ],
)
def test_there_is_nothing_outside_the_api(served: System, target: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        headers = ["Host: 127.0.0.1", *(["Content-Length: 0"] * (method == "POST"))]
        answer = raw.exchange(
            served.port, raw.request(f"{method} {target} HTTP/1.1", headers)
        )
        assert_own_problem(answer, 404)


@pytest.mark.parametrize(
    "request_bytes",
    [
        raw.request("GET /api/test HTTP/1.1", []),
        raw.request("GET /api/test HTTP/1.1", ["Host: a", "no colon"]),
        raw.request("G@T /api/test HTTP/1.1", ["Host: a"]),
        raw.request("GET api/test HTTP/1.1", ["Host: a"]),
        raw.request("GET /api/test XTTP/1.1", ["Host: a"]),
        raw.request("GET /%zz HTTP/1.1", ["Host: a"]),
        raw.request("GET /" + "x" * 300_000 + " HTTP/1.1", ["Host: a"]),
        raw.request("GET /api/test HTTP/1.1", ["Host: a", "X-Long: " + "x" * 300_000]),
        raw.request("POST /api/message HTTP/1.1", ["Host: a", "Content-Length: x"]),
        raw.request("TRACE /api/test HTTP/1.1", ["Host: a"]),
    ],
    ids=[
        *("no host", "no colon", "method", "no slash", "protocol", "escape"),
        *("long line", "long header", "length", "trace"),
    ],
)
def test_a_faulty_request_is_refused_without_a_version(
    served: System, request_bytes: bytes
) -> None:
    answer = raw.exchange(served.port, request_bytes)
    assert 400 <= answer.status < 600, answer
    assert_no_version(answer)
    if answer.body != HAPROXY_BAD_REQUEST or served.proxy != "haproxy":
        assert_guarded(answer)


def test_a_panel_that_is_away_is_told(served: System) -> None:
    host = f"Host: 127.0.0.1:{served.port}"
    answer = raw.exchange(served.port, raw.request("GET /db/ HTTP/1.1", [host]))
    assert answer.status in (502, 503, 504)
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    assert b"The database panel does not answer." in answer.body
    assert_no_version(answer)


def kill_replicas(system: System) -> None:
    pids = [system.pid(name) for name in system.replica_names()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)), 5, "they are dead")


class Return:
    """When a replica answered again, and when the web server had noticed."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.replica_at = self.server_at = 0.0
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not self.server_at:
            if not self.replica_at and self.a_replica_answers():
                self.replica_at = time.monotonic()
            answer = raw.exchange(
                self.system.port,
                raw.request("GET /api/message?limit=1 HTTP/1.1", ["Host: 127.0.0.1"]),
            )
            if answer.status == 200:
                self.server_at = time.monotonic()
            else:
                assert_own_problem(answer, 502, 503, 504)
            time.sleep(0.02)

    def a_replica_answers(self) -> bool:
        for number in range(1, self.system.replicas + 1):
            try:
                with FastcgiApi(self.system.replica_socket(number), 5) as api:
                    return api.get("/api/test").status == 200
            except (FileNotFoundError, ConnectionRefusedError, ConnectionEnded):
                continue
        return False

    def seconds(self) -> float:
        """0 if the server was as quick as we were."""
        self.thread.join(60)
        assert self.server_at, "the web server has not noticed that replicas are back"
        return max(0.0, self.server_at - (self.replica_at or self.server_at))


def test_without_replicas_it_says_so_and_notices_when_they_are_back(
    fragile: System,
) -> None:
    body = json_body("a", "b")
    post_headers = [f"Content-Type: {JSON}", f"Content-Length: {len(body)}"]
    requests = [
        raw.request("GET /api/test HTTP/1.1", ["Host: 127.0.0.1"]),
        raw.request("POST /api/message HTTP/1.1", ["Host: a", *post_headers], body),
        raw.request("GET /api/message HTTP/1.1", ["Host: 127.0.0.1"]),
    ]
    # Connections to the replicas that are kept.
    for request in requests * 3:
        assert raw.exchange(fragile.port, request).status in (200, 201)
    kill_replicas(fragile)
    for request in requests * 2:
        began = time.monotonic()
        answer = raw.exchange(fragile.port, request)
        assert_own_problem(answer, 502, 503, 504)
        assert (answer.header("Retry-After") or "").isdigit(), answer.headers
        assert time.monotonic() - began < REFUSAL_SECONDS
    coming_back = Return(fragile)
    fragile.up()
    assert coming_back.seconds() < NOTICE_SECONDS
