# SPDX-License-Identifier: MIT
"""Requests as no client of good will sends them, and what they are answered with."""

import raw
from http_client import FORM, JSON, json_body

# Status and code of what may be answered; of 200 and 201 there is no code.
Outcome = tuple[int, str | None]

ALIVE: Outcome = (200, None)
STORED: Outcome = (201, None)
BAD: Outcome = (400, "bad_request")
LARGE: Outcome = (431, "headers_too_large")
BAD_HEADER: Outcome = (400, "invalid_header")
BAD_PARAMETER: Outcome = (400, "invalid_parameter")
NOT_FOUND: Outcome = (404, "not_found")
NOT_ALLOWED: Outcome = (405, "method_not_allowed")
LONG: Outcome = (414, "uri_too_long")
TYPE: Outcome = (415, "unsupported_media_type")

BODY = json_body("odd request", "must not be stored")
LENGTH = f"Content-Length: {len(BODY)}"
LARGE_LINE = "X-A: " + "a" * 19_000

TARGETS: list[tuple[str | bytes, Outcome]] = [
    ("//api/test", NOT_FOUND),
    ("/api//test", NOT_FOUND),
    ("/api/./test", NOT_FOUND),
    ("/./api/test", NOT_FOUND),
    ("/api/x/../test", NOT_FOUND),
    ("/api/test/.", NOT_FOUND),
    ("/api/test/..", NOT_FOUND),
    ("/api/test/%2e%2e/test", NOT_FOUND),
    ("/api/%2e/test", NOT_FOUND),
    ("/api/%2E%2E/api/test", NOT_FOUND),
    ("/api/%252e%252e/test", NOT_FOUND),
    ("/..", BAD),
    ("/api/../../etc/passwd", BAD),
    ("/api/..%2f..%2fetc%2fpasswd", BAD),
    ("/api/..\\..\\x", NOT_FOUND),
    ("/api/test\\", NOT_FOUND),
    # Decoded once, as any path is.
    ("/api/%74est", ALIVE),
    # An escaped slash separates nothing.
    ("/api%2ftest", NOT_FOUND),
    ("/api%2Ftest", NOT_FOUND),
    ("/%2fapi/test", NOT_FOUND),
    ("/api/test%2f", NOT_FOUND),
    ("/api/test%20", NOT_FOUND),
    ("/api/test;x=1", NOT_FOUND),
    ("/api/test#here", NOT_FOUND),
    ("/api/message%3fID=1", NOT_FOUND),
    ("/API/test", NOT_FOUND),
    ("/api/TEST", NOT_FOUND),
    ("/api", NOT_FOUND),
    ("/api?x", NOT_FOUND),
    ("/api/test%00", BAD),
    (b"/api/test\0", BAD),
    (b"/api/test\x01", BAD),
    (b"/api/\x7f", BAD),
    ("/api/ test", BAD),
    ("/api/test?a\tb", BAD),
    ("/api/test%0d%0aX-A:%20b", NOT_FOUND),
    ("/api/tést", NOT_FOUND),
    ("/api/%c3%a9", NOT_FOUND),
    ("/api/%ff%fe", NOT_FOUND),
    (b"/api/\xff\xfe", NOT_FOUND),
    ("/api/%e2%80%ae", NOT_FOUND),
    ("/api/%", BAD),
    ("/api/%2", BAD),
    ("/api/%zz", BAD),
    ("/api/%u0074est", BAD),
    ("/api/" + "x" * 19_000, NOT_FOUND),
    ("/api/" + "a/" * 5_000, NOT_FOUND),
    ("/api/" + "x" * 30_000, LONG),
    ("/api/test?" + "x" * 18_000, ALIVE),
    ("/api/test??", ALIVE),
    ("http://another.example/api/test", ALIVE),
    ("http://another.example", NOT_FOUND),
    ("http://user:password@another.example:1/api/test", BAD),
    ("*", BAD),
    ("api/test", BAD),
    ("", BAD),
    ("/api/message?" + "&" * 15_000, (200, None)),
    ("/api/message?" + "a&" * 5_000, BAD_PARAMETER),
    ("/api/message?From=" + "%41" * 6_000, BAD_PARAMETER),
    ("/api/message?From[]=a", BAD_PARAMETER),
    ("/api/message?From=a&From=b", BAD_PARAMETER),
    ("/api/message?From=a&%46rom=b", BAD_PARAMETER),
    ("/api/message?From=a%00", BAD_PARAMETER),
    (b"/api/message?From=\xff", BAD_PARAMETER),
]

METHODS: list[tuple[str, Outcome]] = [
    *((name, NOT_ALLOWED) for name in ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT")),
    *((name, NOT_ALLOWED) for name in ("PROPFIND", "LOCK", "SEARCH", "G", "GETS", "X" * 500)),
    *((name, BAD) for name in ("get", "G@T", "GE\tT", "GET\0", "")),
    ("X" * 25_000, LONG),
]

VERSIONS: list[tuple[str, Outcome]] = [
    ("HTTP/1.0", ALIVE),
    ("HTTP/0.9", BAD),
    ("HTTP/2.0", BAD),
    ("HTTP/9.9", BAD),
    ("http/1.1", BAD),
    ("HTTP/1.1 x", BAD),
]

# Where versions of nginx differ, what each of them may answer.
HEADERS: list[tuple[str, list[str | bytes], set[Outcome]]] = [
    ("3,000 headers", [f"X-{n}: y" for n in range(3_000)], {LARGE}),
    ("20,000 headers", [f"X-{n}: y" for n in range(20_000)], {LARGE}),
    ("two long ones", [LARGE_LINE] * 2, {ALIVE}),
    ("three long ones", [LARGE_LINE] * 3, {LARGE}),
    ("one too long", ["X-A: " + "a" * 21_000], {LARGE}),
    ("a name too long", ["X" * 21_000 + ": a"], {LARGE}),
    ("a long name", ["X" * 19_000 + ": a"], {ALIVE}),
    ("many cookies", ["Cookie: " + "a=b;" * 3_000], {ALIVE}),
    ("no colon", ["X-A"], {ALIVE, BAD}),
    ("no name", [": x"], {BAD}),
    ("a blank before the colon", ["X-A : y"], {BAD}),
    ("a folded line", ["X-A: y", " z"], {BAD}),
    ("a blank line's CR inside", ["X-A: a\rX-B: c"], {BAD}),
    ("NUL in a value", ["X-A: a\0b"], {BAD}),
    ("a control in a name", ["X\x01A: a"], {BAD}),
    ("a control in a value", ["X-A: a\x01b"], {ALIVE, BAD}),
    ("bytes above ASCII", [b"X-A: \xff\xfe\x80"], {ALIVE}),
    ("two hosts", ["Host: b"], {BAD}),
    ("two request IDs", ["X-Request-ID: a", "X-Request-ID: b"], {ALIVE, BAD}),
    ("a control in the request ID", ["X-Request-ID: a\x01"], {ALIVE, BAD}),
    ("markup in the request ID", ['X-Request-ID: "><script>'], {ALIVE}),
    ("a request ID too long", ["X-Request-ID: " + "a" * 19_000], {ALIVE}),
    ("names that look like parameters", ["Request_Method: POST", "Content_Length: 9"], {ALIVE}),
    ("another script", ["Script-Name: /x", "Path-Info: /y", "Request-Uri: /z"], {ALIVE}),
    ("a proxy", ["Proxy: http://evil.example"], {ALIVE}),
    ("a range", ["Range: bytes=0-1"], {ALIVE}),
    ("a condition", ["If-None-Match: *", "If-Modified-Since: x"], {ALIVE}),
    ("another protocol", ["Connection: Upgrade", "Upgrade: h2c"], {ALIVE}),
    ("a coding", ["Transfer-Encoding: gzip"], {BAD}),
    ("accepts much", ["Accept: " + ",".join(["a/b;q=0.1"] * 1_500)], {ALIVE}),
    ("accepts nonsense", ["Accept: ;;q=,,/;\"\\"], {ALIVE}),
]

POST_HEADERS: list[tuple[str, list[str | bytes], set[Outcome]]] = [
    ("no length", [], {(400, "invalid_json")}),
    ("the length twice", [LENGTH, LENGTH], {BAD}),
    ("two lengths", [LENGTH, "Content-Length: 3"], {BAD}),
    ("a length and chunks", [LENGTH, "Transfer-Encoding: chunked"], {BAD}),
    ("a negative length", ["Content-Length: -1"], {BAD}),
    ("a length with its sign", [f"Content-Length: +{len(BODY)}"], {BAD}),
    ("a hexadecimal length", ["Content-Length: 0x10"], {BAD}),
    ("a length of two words", ["Content-Length: 1 1"], {BAD}),
    ("an empty length", ["Content-Length:"], {BAD}),
    ("a length beyond 64 bits", ["Content-Length: 99999999999999999999"], {BAD}),
    ("chunked twice", ["Transfer-Encoding: chunked, chunked"], {BAD}),
    ("almost chunked", ["Transfer-Encoding: xchunked"], {BAD}),
    ("an empty key", [LENGTH, "Idempotency-Key:"], {BAD_HEADER}),
    ("a key of two words", [LENGTH, "Idempotency-Key: a b"], {BAD_HEADER}),
    ("a key with a control", [LENGTH, "Idempotency-Key: a\x01"], {BAD_HEADER, BAD}),
    ("a key that is not ASCII", [LENGTH, "Idempotency-Key: ñ"], {BAD_HEADER}),
    ("a key that is not UTF-8", [LENGTH, b"Idempotency-Key: \xff"], {BAD_HEADER}),
    ("a key of 256", [LENGTH, "Idempotency-Key: " + "k" * 256], {BAD_HEADER}),
    ("a key of 19,000", [LENGTH, "Idempotency-Key: " + "k" * 19_000], {BAD_HEADER}),
]

TYPES: list[tuple[str, Outcome]] = [
    ("a" * 19_000, TYPE),
    ("application/json; charset=" + "x" * 15_000, TYPE),
    ("application/json" + "; a=b" * 3_000 + "; charset=latin1", TYPE),
    ("application/json; charset=utf-8'", TYPE),
    ("application/json\\", TYPE),
    ("application/json, text/plain", TYPE),
    ("multipart/form-data; boundary=" + "x" * 15_000, (400, "invalid_form")),
    ('multipart/form-data; boundary="', (400, "invalid_form")),
    ("multipart/form-data; boundary=\xff", (400, "invalid_form")),
    (FORM, (400, "invalid_form")),
]


def get(target: str | bytes, headers: list[str | bytes] | None = None) -> bytes:
    target = target if isinstance(target, bytes) else target.encode()
    return raw.request(b"GET " + target + b" HTTP/1.1", ["Host: a", *(headers or [])])


def post(headers: list[str | bytes], content_type: str = JSON) -> bytes:
    lines = ["Host: a", f"Content-Type: {content_type}", *headers]
    return raw.request("POST /api/message HTTP/1.1", lines, BODY)


def chunks(data: bytes) -> bytes:
    lines = ["Host: a", f"Content-Type: {JSON}", "Transfer-Encoding: chunked"]
    return raw.request("POST /api/message HTTP/1.1", lines, data)


def line(text: str) -> bytes:
    return raw.request(text, ["Host: a"])


# name: the bytes, what may be answered; nothing of it may be stored
ODD: dict[str, tuple[bytes, set[Outcome]]] = {
    **{f"target {target[:60]!r}": (get(target), {out}) for target, out in TARGETS},
    **{f"POST to {target[:60]!r}": (line(f"POST {target} HTTP/1.1") + BODY, {out})
       for target, out in TARGETS
       if isinstance(target, str) and out in (NOT_FOUND, BAD) and len(target) < 500},
    **{f"method {name[:20]!r}": (line(f"{name} /api/message HTTP/1.1"), {out})
       for name, out in METHODS},
    **{f"version {name!r}": (line(f"GET /api/test {name}"), {out}) for name, out in VERSIONS},
    **{f"GET, {name}": (get("/api/test", headers), out) for name, headers, out in HEADERS},
    **{f"POST, {name}": (post(headers), out) for name, headers, out in POST_HEADERS},
    **{f"type {text[:40]!r}": (post([LENGTH], text), {out}) for text, out in TYPES},
    "OPTIONS *": (line("OPTIONS * HTTP/1.1"), {BAD}),
    "CONNECT": (line("CONNECT another.example:80 HTTP/1.1"), {BAD}),
    "no host": (raw.request("GET /api/test HTTP/1.1"), {BAD}),
    "a host of two words": (raw.request("GET /api/test HTTP/1.1", ["Host: a b"]), {BAD}),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {BAD}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {BAD}),
    "all bytes": (bytes(range(256)), {BAD}),
    "a chunk of no number": (chunks(b"zz\r\n"), {BAD}),
    "a negative chunk": (chunks(b"-5\r\nabcde\r\n0\r\n\r\n"), {BAD}),
    "a chunk beyond 64 bits": (chunks(b"ffffffffffffffffff\r\nabcde"), {BAD}),
    "a chunk longer than it says": (chunks(b"1\r\nabcde\r\n0\r\n\r\n"), {BAD}),
    "chunks of nothing": (chunks(b"0\r\n\r\n"), {(400, "invalid_json")}),
}  # fmt: skip
