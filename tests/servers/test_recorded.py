# SPDX-License-Identifier: MIT
"""What each web server tells the program of a request, against what is on record in
recorded/NAME.txt: a new version that tells something else is noticed."""

import difflib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import raw
from recorder import ANSWER, Recorder, Request
from system import System
from waiting import wait_until
from web_server import rerender

FOLDER = Path(__file__).parent / "recorded"
RECORD = "/usr/bin/python3 -m pytest tests/servers/test_recorded.py --record"

KIB = 1024

# The header by which the recorder knows them.
CASE = "X-Case"
CASE_PARAMETER = "HTTP_X_CASE"

# On record for every request, also where they are as usual, or not there at all.
ALWAYS = ("REQUEST_URI", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH")

# Others at every run, or in every version.
VOLATILE = {CASE_PARAMETER, "SERVER_SOFTWARE", "REMOTE_PORT", "UNIQUE_ID", "PATH"}

# A longer value is told by its beginning and its length.
LONGEST = 160


@dataclass(frozen=True)
class Case:
    line: str | bytes
    headers: tuple[str | bytes, ...] = ("Host: 127.0.0.1",)
    body: bytes = b""
    chunk: int = 0

    def sent(self, name: str) -> bytes:
        headers = [*self.headers, f"{CASE}: {name}"]
        body = self.body
        if self.chunk:
            headers.append("Transfer-Encoding: chunked")
            body = raw.chunked(body, self.chunk)
        elif body:
            headers.append(f"Content-Length: {len(body)}")
        return raw.request(self.line, headers, body)

    def method(self) -> str:
        return readable(self.line).split()[0]


def get(target: str | bytes, *headers: str | bytes) -> Case:
    path = target if isinstance(target, bytes) else target.encode()
    return Case(b"GET " + path + b" HTTP/1.1", ("Host: 127.0.0.1", *headers))


def post(size: int, chunk: int = 0) -> Case:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    headers = ("Host: 127.0.0.1", "Content-Type: application/json")
    return Case("POST /api/message HTTP/1.1", headers, body, chunk)


CASES = {
    # The first is told whole; of the others what differs from it.
    "plain": get("/api/test"),
    "HTTP/1.0": Case("GET /api/test HTTP/1.0"),
    "query": get("/api/message?From=ana&limit=10"),
    "empty query": get("/api/message?"),
    "two question marks": get("/api/message?a=?&b=c?d"),
    "semicolon in the path": get("/api/message;a=b?c=d"),
    "slash as %2F": get("/api/a%2Fb?c=%2F"),
    "two slashes": get("/api//message"),
    "two slashes first": get("//api/message"),
    "dot dot": get("/api/x/../message?a=../b"),
    "dot dot as %2e%2e": get("/api/x/%2e%2e/message"),
    "dot": get("/api/./message"),
    "out of the API and back": get("/x/../api/message"),
    "out of the API by %2e%2e": get("/api/%2e%2e/x"),
    "space as %20": get("/api/a%20b?c=d%20e"),
    "space as plus": get("/api/a+b?c=d+e"),
    "%25": get("/api/a%252Fb?c=%2525"),
    "NUL as %00": get("/api/a%00b?c=%00"),
    "newline as %0A": get("/api/a%0Ab?c=%0A"),
    "UTF-8 as %C3%A9": get("/api/%C3%A9?a=%c3%a9"),
    "UTF-8 raw": get("/api/é?a=é".encode()),
    "bytes that are not UTF-8": get(b"/api/\xff?a=\xfe"),
    "not UTF-8 as %FF": get("/api/%FF?a=%FE"),
    "quotes and others": get("/api/\"<>[]{}|\\^`?a=\"<>[]{}|\\^`"),
    "long query": get("/api/message?Content=" + "x" * 16_000),
    "longer query": get("/api/message?Content=" + "x" * 40_000),
    "HEAD": Case("HEAD /api/test HTTP/1.1"),
    "OPTIONS": Case("OPTIONS /api/message HTTP/1.1"),
    "OPTIONS *": Case("OPTIONS * HTTP/1.1"),
    "a method of its own": Case("BREW /api/test HTTP/1.1"),
    "a method in small letters": Case("get /api/test HTTP/1.1"),
    "body": post(100),
    "body of 100 KiB": post(100 * KIB),
    "body of 0 bytes": Case(
        "POST /api/message HTTP/1.1", ("Host: 127.0.0.1", "Content-Length: 0")
    ),
    "chunked": post(100, chunk=10),
    "chunked, 17 KiB": post(17 * KIB, chunk=1000),
    "chunked, 100 KiB": post(100 * KIB, chunk=8 * KIB),
    "chunked, one chunk of 100 KiB": post(100 * KIB, chunk=100 * KIB),
    "content type with a charset": Case(
        "POST /api/message HTTP/1.1",
        ("Host: 127.0.0.1", 'Content-Type: application/json; charset="utf-8"'),
        b"{}",
    ),
    "authorization": get("/api/test", "Authorization: Basic YTpi"),
    "host with a port": Case(
        "GET /api/test HTTP/1.1", ("Host: inbox.example.org:8080",)
    ),
    "absolute form": Case(
        "GET http://inbox.example.org/api/test?a=b HTTP/1.1", ("Host: inbox.example.org",)
    ),
    "absolute form of another host": Case(
        "GET http://inbox.example.org/api/test?a=b HTTP/1.1"
    ),
    "header with a hyphen": get("/api/test", "X-Some-Header: value"),
    "header with an underscore": get("/api/test", "X_Some_Header: value"),
    "header that stands twice": get("/api/test", "X-Twice: a", "X-Twice: b"),
    "header that is empty": get("/api/test", "X-Empty:"),
    "header with raw bytes": get("/api/test", b"X-Raw: \xc3\xa9 \xff"),
    "header Proxy": get("/api/test", "Proxy: http://192.0.2.1/"),
    "forwarded by the client": get(
        "/api/test", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"
    ),
    "request ID": get("/api/test", "X-Request-ID: mine"),
    "idempotency key": get("/api/test", "Idempotency-Key: a b/c"),
    "expecting 100-continue": get("/api/test", "Expect: 100-continue"),
}


def readable(value: str | bytes) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="backslashreplace")
    text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", value)
    if len(text) > LONGEST:
        text = f"{text[:40]}… ({len(text)} characters)"
    return text


def masked(value: bytes, system: System) -> str:
    """Without what is of this machine and this run."""
    text = readable(value).replace(str(system.var), "VAR").replace(os.getcwd(), "CWD")
    text = re.sub(rf"\b{system.port}\b", "PORT", text)
    # Whichever has its turn.
    text = re.sub(r"\bbuzon-\d+\b", "buzon-N", text)
    text = re.sub(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", "RANDOM", text)
    return re.sub(rf"\b{re.escape(socket.gethostname())}\b", "HOSTNAME", text)


def described(request: Request, case: Case, system: System) -> dict[str, str]:
    """Names and values; a parameter that stands twice has two lines."""
    told = {
        "(connection)": "kept" if request.keep else "for this request only",
        "(body)": f"{len(request.body)} bytes"
        + ("" if request.body == case.body else ", not what was sent"),
    }
    for name, value in sorted(request.parameters()):
        if name not in VOLATILE:
            text = masked(value, system)
            told[name] = f"{told[name]}\n{name}={text}" if name in told else text
    return told


def as_lines(told: dict[str, str], usual: dict[str, str] | None) -> list[str]:
    """Of what is as usual only what is always told."""
    lines = []
    for name in [*ALWAYS, *sorted((told | (usual or {})).keys() - set(ALWAYS))]:
        value = told.get(name)
        if usual is None or name in ALWAYS or value != usual.get(name):
            lines.append(f"{name} is not there" if value is None else f"{name}={value}")
    return lines


def play(system: System, requests: list[Request]) -> Iterator[tuple[str, list[str]]]:
    """Each case with the lines that are on record. Requests are the recorders'."""
    usual: dict[str, str] | None = None
    for name, case in CASES.items():
        answer = raw.exchange(system.port, case.sent(name), method=case.method())
        mark = (CASE_PARAMETER, name.encode())
        found = [request for request in requests if mark in request.parameters()]
        if not found:
            yield name, [f"(not told; the answer is {answer.status})"]
            continue
        assert len(found) == 1, f"{name}: the program was asked {len(found)} times"
        assert answer.status == 200, f"{name}: {answer}"
        assert answer.body == (b"" if case.method() == "HEAD" else ANSWER)
        told = described(found[0], case, system)
        yield name, as_lines(told, usual)
        usual = usual or told


def record_text(name: str, cases: dict[str, list[str]]) -> str:
    parts = [
        f"# What {name} tells the program of each request. Written by:\n# {RECORD}\n"
    ]
    for case, lines in cases.items():
        request_line = f"> {readable(CASES[case].line)}"
        parts.append("\n".join([f"[{case}]", request_line, *lines]) + "\n")
    return "\n".join(parts)


def version(name: str) -> str:
    """That of Debian's package, without the epoch: 2.6.2-12+deb13u1."""
    package = "apache2" if name == "apache" else name
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", package],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rpartition(":")[2]


def record_file(name: str) -> Path:
    """NAME.txt, or where a version tells something else NAME-VERSION.txt, like
    nginx-1.26.txt."""
    whole = version(name)
    ends = [found.start() for found in re.finditer(r"[.+~-]", whole)] + [len(whole)]
    for end in reversed(ends):
        path = FOLDER / f"{name}-{whole[:end]}.txt"
        if path.exists():
            return path
    return FOLDER / f"{name}.txt"


def test_what_the_program_is_told_is_on_record(
    fragile: System, request: pytest.FixtureRequest
) -> None:
    name = fragile.proxy

    def is_asked() -> bool:
        answer = raw.exchange(
            fragile.port, raw.request("GET /api/test HTTP/1.1", ["Host: 127.0.0.1"])
        )
        return answer.body == ANSWER

    requests: list[Request] = []
    with ExitStack() as stack:
        for number in range(1, fragile.replicas + 1):
            stack.enter_context(Recorder(fragile.replica_socket(number), requests))
        # Connections to the replicas that it has kept are closed by that.
        rerender(fragile, replicas=2)
        wait_until(is_asked, 10, "a recorder is asked")
        text = record_text(name, dict(play(fragile, requests)))
    path = record_file(name)
    if request.config.getoption("--record"):
        path.write_text(text)
    on_record = path.read_text() if path.exists() else ""
    difference = "".join(
        difflib.unified_diff(
            on_record.splitlines(keepends=True),
            text.splitlines(keepends=True),
            str(path.relative_to(Path(__file__).parents[2])),
            f"what {name} {version(name)} tells",
        )
    )
    assert not difference, (
        f"{name} tells the program something else than is on record:\n{difference}\n"
        "If the program and the configuration cope with that, record it anew:"
        f"\n  {RECORD} -k {name}\n"
        f"where it is so in this version only, copy {path.name} before to"
        f" {name}-{version(name)}.txt"
    )
