# SPDX-License-Identifier: MIT
"""The log: one JSON object a line, on standard error."""

import json
import re
from typing import Any

from http_client import escape, unique
from replica import Replica
from system import System
from waiting import wait_until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\Z")


def lines(replica: Replica) -> list[dict[str, Any]]:
    found = []
    for line in replica.log().splitlines():
        entry = json.loads(line)
        assert TIME.match(entry["time"])
        assert entry["level"] in ("error", "warning", "info", "debug")
        assert re.fullmatch(r"[a-z_]+", entry["event"])
        found.append(entry)
    return found


def lines_of(replica: Replica, request_id: str) -> list[dict[str, Any]]:
    return [e for e in lines(replica) if e.get("request_id") == request_id]


def test_the_request_log_has_every_request(system: System) -> None:
    with Replica(system, BUZON_LOG_REQUESTS="on") as replica, replica.api() as api:
        target = f"/api/message?From={escape(unique('ñ')) }&limit=0"
        api.get(target, {"X-Request-ID": "mine"})
        (entry,) = wait_until(lambda: lines_of(replica, "mine"), 5, "it is logged")
        assert entry["method"] == "GET"
        assert entry["target"] == target
        assert entry["status"] == 400
        answer = api.get("/api/test")
        given = answer.header("X-Request-ID") or ""
        (entry,) = wait_until(lambda: lines_of(replica, given), 5, "it is logged")
        assert entry["status"] == 200


def test_requests_are_not_logged_unless_asked_for(system: System) -> None:
    with Replica(system) as replica, replica.api() as api:
        for _ in range(20):
            api.get("/api/message?limit=1", {"X-Request-ID": "mine"})
        assert lines_of(replica, "mine") == []


def test_every_line_is_json_whatever_was_sent(system: System) -> None:
    settings = {"BUZON_LOG_REQUESTS": "on", "BUZON_LOG_LEVEL": "debug"}
    with Replica(system, **settings) as replica, replica.api() as api:
        for target in (b"/\xff\xfe\"\\\x01", b"/api/message?\xff=\n\r\x1b[31m"):
            assert api.request("GET", target).status in (400, 404)
        api.request("G\"E\\T", "/api/test")
        api.get("/" + "x" * 20_000)
        api.get("/api/test", {"X-Request-ID": 'quote"\\'})
        wait_until(lambda: lines_of(replica, 'quote"\\'), 5, "they are logged")


def test_an_error_of_the_database_is_logged_with_its_request(system: System) -> None:
    with Replica(system, BUZON_DB_SOCKET="/nonexistent/db.sock") as replica:
        with replica.api() as api:
            api.get("/api/message", {"X-Request-ID": "asked-in-vain"})
        entries = wait_until(
            lambda: [e for e in lines(replica) if e["level"] in ("error", "warning")],
            5,
            "it is logged",
        )
        assert any("/nonexistent/db.sock" in e.get("detail", "") for e in entries)


def test_starting_and_ending_are_logged(system: System) -> None:
    with Replica(system) as replica:
        replica.terminate()
        assert replica.wait(10) == 0
        events = [entry["event"] for entry in lines(replica)]
        assert len(events) >= 2
