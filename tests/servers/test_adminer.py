# SPDX-License-Identifier: MIT
"""The database panel at /db/ as scripts/up starts it."""

import re
from collections.abc import Iterator

import pytest

import raw
from answers import Answer
from panel_client import NOT_SERVED
from problems import assert_guarded, is_page
from system import System


@pytest.fixture(scope="module")
def with_adminer(served: System) -> Iterator[System]:
    served.panel = True
    served.up()
    yield served
    served.panel = False
    served.up()


def ask_for_panel(system: System, target: str = "/db/", method: str = "GET") -> Answer:
    host = f"Host: 127.0.0.1:{system.port}"
    request = raw.request(f"{method} {target} HTTP/1.1", [host])
    return raw.exchange(system.port, request, method=method)


def test_adminer_is_there(with_adminer: System) -> None:
    answer = ask_for_panel(with_adminer)
    assert answer.status == 200, answer
    for field in (b"auth[server]", b"auth[username]", b"auth[password]"):
        assert field in answer.body, answer.body[:2000]
    assert is_page(answer), answer


# Pages of Adminer, of its Apache, and of the web server.
@pytest.mark.parametrize(
    "target",
    [
        *("/db", "/db/", "/db/?username=nobody", "/db/?server=elsewhere", "/db/%zz"),
        *("/db/nothing", "/db/?file=default.css", "/db/?file=functions.js"),
        *("/db/?" + "x" * 12_000, *NOT_SERVED),
    ],
    ids=lambda target: target[:30],
)
def test_pages_tell_no_version_and_load_nothing_else(
    with_adminer: System, target: str
) -> None:
    for method in ("GET", "HEAD"):
        answer = ask_for_panel(with_adminer, target, method)
        assert_guarded(answer)
        # Adminer has it in the addresses of what a page loads.
        assert not re.search(rb"version=\d+[.]", answer.body), answer.body[:2000]
