# SPDX-License-Identifier: MIT
"""The database panel of scripts/up, Adminer, at /db/ of its web server."""

import html
import os
import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from http_client import unique
from mariadb_process import MariadbProcess
from panel_client import NOT_SERVED, USER, Panel, Sources, other_servers, text
from system import System, is_alive
from waiting import wait_until


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """In place of the one in conftest.py, which has no panel. Each test leaves it
    whole."""
    with System(replicas=1, panel=True) as started:
        yield started


@pytest.fixture
def panel(system: System) -> Panel:
    return Panel(system.url)


@pytest.fixture
def password(system: System) -> str:
    return (system.var / "secrets/db-admin-password").read_text().strip()


def web_server_url(system: System) -> str:
    return system.url


def direct_url(system: System) -> str:
    """The panel without its web server, where a test plays the web server itself."""
    configuration = (system.var / "etc/panel/apache.conf").read_text()
    found = re.search(r"^Listen (127\.0\.0\.1:\d+)$", configuration, re.MULTILINE)
    assert found, configuration
    return f"http://{found[1]}"


class Fields(HTMLParser):
    """The inputs and selected options of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str | None] = {}
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name = attributes.get("name")
        if tag in ("input", "select") and name:
            self.name = name
            self.inputs[name] = attributes
            self.values[name] = attributes.get("value")
        elif tag == "option" and self.values[self.name] is None:
            self.values[self.name] = attributes.get("value")


# The way of a person.


def test_the_login_form_is_filled_in_but_for_the_password(panel: Panel) -> None:
    page = panel.request("/db/")
    assert page.status == 200
    fields = Fields(text(page))
    expected = panel.filled_in() | {"password": ""}
    assert {name: fields.values[f"auth[{name}]"] for name in expected} == expected
    assert "auth[permanent]" not in fields.values
    assert "readonly" in fields.inputs["auth[server]"]
    assert fields.inputs["auth[password]"]["type"] == "password"


def test_a_login_leads_to_the_messages(
    system: System, panel: Panel, password: str
) -> None:
    sender, content = unique("¿quién? 信 "), "¿qué tal? 信 🙂"
    api = system.api()
    api.store(sender, content)
    api.close()
    target, page = panel.login(password)
    assert page.status == 200
    query = parse_qs(urlsplit(target).query)
    assert query["db"] == ["buzon"]
    assert "select=message" in text(page)
    structure = panel.request(f"{target}&table=message")
    assert structure.status == 200 and "idempotency_key" in text(structure)
    where = {"where[0][col]": "sender", "where[0][op]": "=", "where[0][val]": sender}
    rows = panel.request(f"{target}&select=message&{urlencode(where)}")
    assert rows.status == 200
    assert sender in text(rows) and content in text(rows)


def test_a_wrong_password_is_said_to_be_wrong(panel: Panel) -> None:
    _, page = panel.login("wrong")
    assert page.status == 403
    assert "Access denied for user" in text(page)
    assert Fields(text(page)).values["auth[password]"] == ""


def test_a_database_that_is_away_is_said_to_be_away(
    system: System, panel: Panel, password: str
) -> None:
    mariadb = MariadbProcess(system)
    try:
        mariadb.kill()
        _, page = panel.login(password)
        assert page.status == 503
        assert page.header("Retry-After")
        assert 'The database server "localhost" cannot be reached' in text(page)
        assert str(system.var) not in text(page)
    finally:
        mariadb.restore()
    _, page = panel.login(password)
    assert page.status == 200


@pytest.mark.parametrize("query", ["", "?username=ana&db=x%26y"])
def test_the_address_without_its_slash_leads_there(panel: Panel, query: str) -> None:
    answer = panel.request(f"/db{query}")
    assert answer.status == 308
    location = urlsplit(answer.header("Location") or "")
    # Whoever comes by another name or port stays there.
    assert location.netloc in ("", urlsplit(panel.url).netloc)
    assert location._replace(scheme="", netloc="").geturl() == f"/db/{query}"
    assert not re.search(r"\d", answer.header("Server") or "")


# One server, one page.


@pytest.fixture
def unvisited() -> Iterator[str]:
    """An address of this machine; fails if anybody connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(("target", "changed"), other_servers("localhost", "OTHER"))
def test_no_other_server_is_connected_to(
    panel: Panel, unvisited: str, target: str, changed: dict[str, str]
) -> None:
    fields = {n: value.replace("OTHER", unvisited) for n, value in changed.items()}
    _, page = panel.login("secret", target.replace("OTHER", unvisited), **fields)
    assert page.status == 403
    assert 'only for the MariaDB server "localhost"' in text(page)


def test_a_login_opens_no_other_server(
    panel: Panel, unvisited: str, password: str
) -> None:
    target, page = panel.login(password)
    assert page.status == 200 and "server=localhost" in target
    for other in (f"server={unvisited}", "server=", "pgsql=localhost", "sqlite="):
        page = panel.request(target.replace("server=localhost", other))
        assert page.status == 403, other
        assert 'only for the MariaDB server "localhost"' in text(page)


@pytest.mark.parametrize("target", ["/db/?server[]=localhost", "/db/?username[]=a"])
def test_a_list_in_the_place_of_a_value_is_refused(panel: Panel, target: str) -> None:
    page = panel.request(target)
    assert page.status == 400
    assert "is a list" in text(page)


@pytest.mark.parametrize("target", NOT_SERVED)
def test_nothing_else_is_served(panel: Panel, target: str) -> None:
    answer = panel.request(target)
    # Where a path leaves the root, it is none to the web server and to Apache.
    leaves = ".." in target or "%2e" in target
    assert answer.status in ((400, 404) if leaves else (404,))
    assert b"root:" not in answer.body and b"<?php" not in answer.body


# What the pages tell and keep.


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/db/", 200),
        ("/db/?file=default.css", 200),
        ("/db/?username=nobody", 403),
        ("/db/?server=elsewhere", 403),
        ("/db/nothing", 404),
    ],
)
@pytest.mark.parametrize("url_of", [web_server_url, direct_url])
def test_no_header_tells_a_version(
    system: System, url_of: Callable[[System], str], target: str, status: int
) -> None:
    answer = Panel(url_of(system)).request(target)
    assert answer.status == status
    assert not re.search(r"\d", answer.header("Server") or "")
    assert answer.header("X-Powered-By") is None
    assert answer.header("Via") is None
    assert not re.search(r"Apache/\d|nginx/\d|PHP/\d", answer.body.decode("latin-1"))


def test_pages_load_nothing_from_elsewhere(panel: Panel, password: str) -> None:
    _, page = panel.login(password)
    for answer in (Panel(panel.url).request("/db/"), page):
        sources = Sources(text(answer)).found
        assert any("functions.js" in source for source in sources)
        assert not [s for s in sources if not s.startswith(("?", "data:"))]
        assert "verifyVersion" not in text(answer)
        policy = answer.header("Content-Security-Policy") or ""
        assert "default-src 'self'" in policy and "'nonce-" in policy
        assert not re.search(r"https?:|\*", policy)


def adminer_version() -> str:
    words = ["dpkg-query", "--show", "--showformat=${Version}", "adminer"]
    found = re.match(r"\d+(\.\d+)+", subprocess.check_output(words, text=True))
    assert found
    return found[0]


def test_no_page_tells_adminer_s_version(
    system: System, panel: Panel, password: str
) -> None:
    version, sender = adminer_version(), unique()
    # What a message says is no page's.
    content = f'<a class="version">{version}<img src="?file=x&version={version}">'
    with closing(system.api()) as api:
        api.store(sender, content)
    target, first = panel.login(password)
    listing = panel.request(
        f"{target}&select=message&where[0][col]=sender&where[0][op]=%3D&where[0][val]={sender}"
    )
    shown = html.escape(content).replace("&quot;", '"')
    seen = text(listing).replace("&quot;", '"')
    assert shown in seen
    for page in (text(Panel(panel.url).request("/db/")), text(first), seen.replace(shown, "")):
        assert version not in page
        assert re.search(r"[?]file=default.css&amp;version=[0-9a-f]{8}\b", page)


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_cookies_are_for_this_panel_alone(
    system: System, scheme: str, secure: bool
) -> None:
    panel = Panel(direct_url(system))
    panel.request("/db/", headers={"X-Forwarded-Proto": scheme})
    assert set(panel.cookies) == {"adminer_sid", "adminer_key"}
    for cookie in panel.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"].lower() in ("lax", "strict")
        assert cookie["path"] == "/db/"
        assert bool(cookie["secure"]) is secure


def test_the_password_is_not_stored(
    system: System, panel: Panel, password: str
) -> None:
    # "Permanent login" would keep it, were it offered.
    target, page = panel.login(password, permanent="1")
    assert page.status == 200
    assert password not in text(page)
    assert not [c for c in panel.cookies.values() if password in c.value]
    sessions = system.var / "tmp" / "panel"
    assert sessions.stat().st_mode & 0o777 == 0o700
    kept = [file.read_bytes() for file in sessions.iterdir()]
    assert any(USER.encode() in content for content in kept), "no session was found"
    assert not [content for content in kept if password.encode() in content]
    del panel.cookies["adminer_sid"]
    assert panel.request(target).status == 403


def test_failed_logins_are_counted_by_client(system: System) -> None:
    url = direct_url(system)
    # From a range that is nobody's, of which each run takes another one.
    client, other = (f"2001:db8::{secrets.token_hex(2)}:{n}" for n in (1, 2))
    for attempt in range(30):
        # What stands before the web server's own word is the client's invention.
        _, page = Panel(url, f"192.0.2.{attempt}, {client}").login("wrong")
        assert "Access denied for user" in text(page)
    _, page = Panel(url, f"192.0.2.99, {client}").login("wrong")
    assert "Too many unsuccessful logins" in text(page)
    _, page = Panel(url, other).login("wrong")
    assert "Access denied for user" in text(page)


def test_whom_the_web_server_names_is_the_client(system: System) -> None:
    invented = f"2001:db8::{secrets.token_hex(2)}"
    Panel(system.url, invented).login("wrong")
    counted = (system.var / "tmp/panel/adminer.invalid").read_text()
    assert "127.0.0.1" in counted
    assert invented not in counted


# How it runs.


def test_only_this_machine_reaches_it(system: System) -> None:
    address = urlsplit(direct_url(system)).netloc
    port = address.rpartition(":")[2]
    listening = subprocess.run(
        ["ss", "-Hltn", f"sport = :{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [address]


def test_up_starts_it_anew_only_where_that_is_needed(system: System) -> None:
    before = system.pid("panel")
    assert "panel: runs already" in system.up()
    assert system.pid("panel") == before

    os.kill(before, signal.SIGTERM)
    wait_until(lambda: not is_alive(before), 10, "the panel has ended")
    system.up()
    outdated = system.pid("panel")
    assert outdated != before
    assert Panel(system.url).request("/db/").status == 200

    # As an earlier release would have left it.
    (system.var / "run" / "panel.version").write_text("another\n")
    system.up()
    assert system.pid("panel") != outdated
    assert not is_alive(outdated)
    assert Panel(system.url).request("/db/").status == 200
