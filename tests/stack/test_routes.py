# SPDX-License-Identifier: MIT
"""Which request goes where, and what the proxy itself answers."""

import http.client
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest

from answers import Answer, assert_common, assert_problem
from http_client import FORM, JSON, json_body, unique
from stack import Stack
from waiting import wait_until

# What the proxy takes at most, below /api/ and below /db/.
API_BODY_BYTES = 1 << 20
PANEL_BODY_BYTES = 8 << 20

PROGRAM_BODY_BYTES = 128 << 10

# The proxy tells within this time that nobody is there, and finds out within it
# that somebody is again.
NOTICE_SECONDS = 10

SERVER = {"nginx": "nginx", "caddy": "Caddy"}


def exchange(stack: Stack, request: bytes) -> Answer:
    """Sends bytes as they are, and returns the answer to them."""
    with socket.create_connection(("localhost", stack.port), timeout=30) as connection:
        connection.sendall(request)
        method = request.split(b" ", 1)[0].decode()
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        body = response.read()
        return Answer(response.status, response.getheaders(), body)


def ask(
    stack: Stack, target: str, method: str = "GET", host: str = "localhost"
) -> Answer:
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return exchange(stack, head.encode())


def upload(
    stack: Stack, target: str, body: bytes, content_type: str = JSON, chunk: int = 0
) -> Answer:
    """POSTs a body, in chunks of so many bytes or else with its length."""
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: {content_type}\r\n"
    if not chunk:
        head += f"Content-Length: {len(body)}\r\n\r\n"
        return exchange(stack, head.encode() + body)
    head += "Transfer-Encoding: chunked\r\n\r\n"
    parts = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return exchange(stack, head.encode() + chunks + b"0\r\n\r\n")


def is_panel(answer: Answer) -> bool:
    return answer.status == 200 and b"adminer" in answer.body.lower()


@pytest.mark.parametrize("path", ["/api/test", "/api/health", "/api/message"])
def test_the_api_is_below_api(each_stack: Stack, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = ask(each_stack, path, method)
        assert answer.status == 200
        assert_common(answer)


def test_the_panel_is_below_db(each_stack: Stack) -> None:
    answer = ask(each_stack, "/db/")
    assert is_panel(answer), answer
    assert (answer.header("Content-Type") or "").startswith("text/html")
    head = ask(each_stack, "/db/", "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("host", ["localhost", "192.0.2.7:8080", "inbox.example:81"])
@pytest.mark.parametrize("query", ["", "?lang=en"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_db_without_its_slash_leads_to_the_panel(
    each_stack: Stack, method: str, query: str, host: str
) -> None:
    answer = ask(each_stack, f"/db{query}", method, host)
    assert answer.status == 308
    # Whatever host and port the client knows the proxy by, it stays there.
    url = urlsplit(urljoin(f"http://{host}/db", answer.header("Location")))
    assert (url.scheme, url.netloc) == ("http", host)
    assert (url.path, f"?{url.query}" if url.query else "") == ("/db/", query)
    assert is_panel(ask(each_stack, url._replace(scheme="", netloc="").geturl()))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/foo",
        "/index.php",
        "/favicon.ico",
        "/.env",
        "/API/test",
        "/apifoo",
        "/api.json",
        "/database",
        "/db.php",
        "/dbx/",
        "/%64bx",
        "/foo/../bar",
        "/404.json",
        "/502.json",
    ],
)
def test_anything_else_is_not_found(each_stack: Stack, path: str) -> None:
    for method in ("GET", "POST"):
        assert_problem(ask(each_stack, path, method), 404, "not_found")
    assert ask(each_stack, path, "HEAD").status == 404


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/../foo"])
def test_what_the_api_does_not_have_is_not_found(each_stack: Stack, path: str) -> None:
    assert_problem(ask(each_stack, path), 404, "not_found")


@pytest.mark.parametrize("path", ["/db/nothing", "/db/index.php", "/db/api/test"])
def test_what_the_panel_does_not_have_is_not_found(
    each_stack: Stack, path: str
) -> None:
    assert ask(each_stack, path).status == 404


@pytest.mark.parametrize(
    "path", ["/db/../api/test", "/api/../db/", "/db/%2e%2e/api/test", "/api/%2e%2e/db/"]
)
def test_dots_lead_to_what_the_path_means_or_nowhere(
    each_stack: Stack, path: str
) -> None:
    answer = ask(each_stack, path)
    if answer.status == 200:
        assert is_panel(answer) == path.endswith("/db/")
    else:
        assert answer.status in (400, 404)


def test_a_second_slash_does_not_open_another_host(each_stack: Stack) -> None:
    for path in ("//db", "//evil.example/db", "/db//evil.example/.."):
        location = ask(each_stack, path).header("Location") or ""
        assert "evil" not in (urlsplit(location).netloc or ""), path


ANSWERS = {
    "a test": (200, b"GET /api/test HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an old client": (200, b"GET /api/test HTTP/1.0\r\n\r\n"),
    "a listing": (200, b"GET /api/message HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a bad parameter": (400, b"GET /api/message?a=b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a bad request line": (400, b"GET /api/test HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    "no host": (400, b"GET /api/test HTTP/1.1\r\n\r\n"),
    "not found": (404, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "not found in the API": (404, b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "not found in the panel": (404, b"GET /db/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "not allowed": (405, b"DELETE /api/message HTTP/1.1\r\nHost: a\r\n\r\n"),
    "TRACE": (405, b"TRACE /api/test HTTP/1.1\r\nHost: a\r\n\r\n"),
    "too large": (
        413,
        b"POST /api/message HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        % (API_BODY_BYTES + 1)
        + bytes(API_BODY_BYTES + 1),
    ),
    "the panel": (200, b"GET /db/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "the way to the panel": (308, b"GET /db HTTP/1.1\r\nHost: a\r\n\r\n"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_no_answer_tells_a_version(each_stack: Stack, case: str) -> None:
    status, request = ANSWERS[case]
    answer = exchange(each_stack, request)
    assert answer.status == status, answer
    assert answer.header("Server") in (SERVER[each_stack.proxy], None)
    assert answer.header("X-Powered-By") is None
    assert not re.search(rb"(nginx|caddy|apache|php)/\d", answer.body.lower())


@pytest.mark.parametrize("chunk", [0, 10_000], ids=["whole", "chunked"])
def test_a_large_message_is_stored(each_stack: Stack, chunk: int) -> None:
    sender, content = unique(), "ñ" * 32_000
    answer = upload(each_stack, "/api/message", json_body(sender, content), JSON, chunk)
    assert answer.status == 201, answer
    message = answer.json()
    assert (message["From"], message["Content"]) == (sender, content)


def detail_of_413(stack: Stack, length: int, chunk: int = 0) -> str:
    answer = upload(stack, "/api/message", bytes(length), JSON, chunk)
    return assert_problem(answer, 413, "body_too_large")["detail"]


@pytest.mark.parametrize("chunk", [0, 100_000], ids=["whole", "chunked"])
def test_a_body_over_the_proxys_bound_is_refused_by_it(
    each_stack: Stack, chunk: int
) -> None:
    programs = detail_of_413(each_stack, PROGRAM_BODY_BYTES + 1, chunk)
    assert str(PROGRAM_BODY_BYTES) in programs
    assert detail_of_413(each_stack, API_BODY_BYTES, chunk) == programs
    # The program would have told its own limit.
    proxys = detail_of_413(each_stack, API_BODY_BYTES + 1, chunk)
    assert str(PROGRAM_BODY_BYTES) not in proxys


@pytest.mark.parametrize("chunk", [0, 100_000], ids=["whole", "chunked"])
def test_a_body_for_the_panel_is_bounded(each_stack: Stack, chunk: int) -> None:
    def status(length: int) -> int:
        return upload(each_stack, "/db/", b"a=" + bytes(length), FORM, chunk).status

    # An import is larger than a message; the panel says what it thinks of this one.
    assert status(API_BODY_BYTES * 2) < 500 and status(API_BODY_BYTES * 2) != 413
    assert status(PANEL_BODY_BYTES - 2) != 413
    assert status(PANEL_BODY_BYTES + 1) == 413


@pytest.fixture
def whole(fragile: Stack) -> Iterator[Stack]:
    """The fragile stack, which has all its parts again afterwards."""
    yield fragile
    fragile.up()


def test_the_api_works_while_the_panel_is_away(whole: Stack) -> None:
    whole.compose("stop", "adminer")
    answer = ask(whole, "/db/")
    assert answer.status in (502, 503, 504), answer
    # For a person, in a browser.
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    assert b"panel" in answer.body
    api = whole.api()
    api.store(unique(), "x")
    api.close()
    whole.compose("start", "adminer")
    wait_until(
        lambda: is_panel(ask(whole, "/db/")), NOTICE_SECONDS, "the panel is back"
    )


def assert_nobody_there(stack: Stack, target: str) -> None:
    """The proxy says so, and soon, in the form of the program's errors."""
    began = time.monotonic()
    answer = ask(stack, target)
    assert time.monotonic() - began < NOTICE_SECONDS
    assert answer.status in (502, 503, 504), answer
    assert_common(answer)
    assert answer.header("Content-Type") == "application/problem+json"
    assert (answer.header("Retry-After") or "").isdigit()
    problem = answer.json()
    assert problem["status"] == answer.status
    assert problem["code"] and problem["title"] and problem["detail"]


def test_the_proxy_tells_that_no_replica_is_there(whole: Stack) -> None:
    whole.compose("stop", "api")
    for target in ("/api/test", "/api/message", "/api/nothing"):
        assert_nobody_there(whole, target)
    assert is_panel(ask(whole, "/db/"))
    whole.compose("start", "api")
    wait_until(
        lambda: ask(whole, "/api/test").status == 200,
        NOTICE_SECONDS,
        "the replicas are back",
    )
