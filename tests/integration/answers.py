# SPDX-License-Identifier: MIT
"""An HTTP answer, however it came, and what API.md says of all of them."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

STABLE_CODE = re.compile(r"[a-z][a-z0-9_]*\Z")
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")

# Words of SQL, paths and libraries that must never reach a client.
INTERNALS = re.compile(
    rb"SELECT |INSERT |UPDATE |append_lock|idempotency_key\b(?!_)|schema_migration"
    rb"|[Mm]aria|[Mm]y[Ss][Qq][Ll]|json-c|json_|libfcgi|FCGX|errno"
    rb"|\.sock\b|\.[ch]:\d|/var/|/run/|/usr/|/tmp/|/home/|/root/"
)


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8"))

    def lines(self) -> list[Any]:
        assert self.body == b"" or self.body.endswith(b"\n")
        return [json.loads(line) for line in self.body.splitlines()]


def assert_common(answer: Answer, *, streamed: bool = False) -> None:
    """What stands on every answer."""
    request_id = answer.header("X-Request-ID")
    assert request_id is not None and REQUEST_ID.match(request_id), answer
    assert answer.header("X-Content-Type-Options") == "nosniff", answer
    assert answer.header("Cache-Control") == "no-store", answer
    assert answer.header("X-Powered-By") is None, answer
    assert not re.search(r"\d", answer.header("Server") or ""), answer
    if not streamed and answer.status != 204:
        length = answer.header("Content-Length")
        assert length is not None and length.isdigit(), answer


def assert_problem(
    answer: Answer, status: int, code: str, fields: set[str] | None = None
) -> dict[str, Any]:
    """A refusal as RFC 9457 and API.md want it; fields: those at fault."""
    assert answer.status == status, answer
    assert_common(answer)
    assert answer.header("Content-Type") == "application/problem+json"
    assert int(answer.header("Content-Length") or -1) == len(answer.body)
    assert not INTERNALS.search(answer.body), answer.body
    problem = answer.json()
    assert set(problem) <= {"type", "title", "status", "detail", "code", "errors"}
    for member in ("type", "title", "detail", "code"):
        assert isinstance(problem[member], str) and problem[member], member
    assert problem["status"] == status
    assert problem["code"] == code, problem
    assert STABLE_CODE.match(problem["code"])
    if status == 503:
        assert (answer.header("Retry-After") or "").isdigit()
    else:
        assert answer.header("Retry-After") is None
    faults = problem.get("errors", [])
    for fault in faults:
        assert set(fault) == {"field", "code", "detail"}
        assert STABLE_CODE.match(fault["code"])
        assert fault["detail"]
    if "errors" in problem:
        assert faults, "an empty list of errors"
    assert {fault["field"] for fault in faults} == (fields or set()), problem
    return problem


def fault_of(problem: dict[str, Any], field_name: str) -> dict[str, str]:
    """The one fault of this field."""
    found = [f for f in problem["errors"] if f["field"] == field_name]
    assert len(found) == 1, problem
    return found[0]
