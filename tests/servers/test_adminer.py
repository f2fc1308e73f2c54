# SPDX-License-Identifier: MIT
"""The database panel at /db/ as scripts/up starts it, and a system without it."""

import raw
from answers import Answer
from problems import assert_no_version
from system import System


def ask_for_panel(system: System) -> Answer:
    host = f"Host: 127.0.0.1:{system.port}"
    return raw.exchange(system.port, raw.request("GET /db/ HTTP/1.1", [host]))


def test_adminer_is_there(fragile: System) -> None:
    fragile.panel = True
    fragile.up()
    answer = ask_for_panel(fragile)
    assert answer.status == 200, answer
    for field in (b"auth[server]", b"auth[username]", b"auth[password]"):
        assert field in answer.body, answer.body[:2000]
    assert_no_version(answer)


def test_a_panel_that_is_away_is_told(served: System) -> None:
    answer = ask_for_panel(served)
    assert answer.status in (502, 503, 504)
    assert (answer.header("Content-Type") or "").startswith("text/plain")
    assert b"The database panel does not answer." in answer.body
    assert_no_version(answer)
