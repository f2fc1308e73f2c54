# SPDX-License-Identifier: MIT
"""The database panel, Adminer, at /db/."""

import http.client
import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

import panel_client
from browser import find, open_browser, requested_hosts
from http_client import unique
from panel_client import NOT_SERVED, USER, Sources, other_servers, text
from stack import CommandError, Stack, docker
from system import free_port
from waiting import wait_until


class Panel(panel_client.Panel):
    server = "db"


@pytest.fixture
def panel(each_stack: Stack) -> Panel:
    return Panel(each_stack.url)


def serves(url: str) -> bool:
    try:
        return Panel(url).request("/db/").status == 200
    except (OSError, http.client.HTTPException):
        return False


# Hands on what it gets as it is.
RELAY = "events {} http { server { listen 80; location / { proxy_pass %s; } } }"


@pytest.fixture(scope="module")
def direct_url(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The panel without its proxy, where a test plays the proxy itself. A relay is
    on its network, for this machine is not."""
    file = tmp_path_factory.mktemp("relay") / "nginx.conf"
    file.write_text(RELAY % "http://adminer:8080")
    file.chmod(0o644)
    relay, port = f"{stack.name}-relay", free_port()
    docker(
        *("create", "--name", relay, "--publish", f"127.0.0.1:{port}:80"),
        *("--volume", f"{file}:/etc/nginx/nginx.conf:ro", "nginx:1.30"),
    )
    try:
        docker("network", "connect", stack.network("proxy-adminer"), relay)
        docker("start", relay)
        url = f"http://localhost:{port}"
        wait_until(lambda: serves(url), 10, "the relay reaches the panel")
        yield url
    finally:
        docker("rm", "--force", "--volumes", relay)


# The way of a person.


def test_a_person_finds_a_posted_message(each_stack: Stack, tmp_path: Path) -> None:
    sender, content = unique("¿quién? 信 "), "¿qué tal? 信 🙂"
    api = each_stack.api()
    api.store(sender, content)
    api.close()
    with open_browser(tmp_path) as driver:
        driver.get(f"{each_stack.url}/db/")
        fields = {
            name: find(driver, f'[name="auth[{name}]"]')
            for name in (*Panel.filled_in(), "password")
        }
        shown = {name: field.get_property("value") for name, field in fields.items()}
        assert shown == Panel.filled_in() | {"password": ""}
        assert fields["driver"].text.strip() == "MySQL / MariaDB"
        # The one thing that is left to do.
        assert driver.switch_to.active_element == fields["password"]

        fields["password"].send_keys(each_stack.secret("dbuserwriter-password"))
        fields["password"].submit()
        find(driver, '#tables a[href$="table=message"]').click()
        assert "idempotency_key" in find(driver, "#content").text
        select = find(driver, '.links a[href$="select=message"]').get_property("href")
        driver.get(
            f"{select}&where%5B0%5D%5Bcol%5D=sender&where%5B0%5D%5Bop%5D=%3D"
            f"&where%5B0%5D%5Bval%5D={quote(sender)}"
        )
        row = find(driver, "#table tbody tr").text
        assert sender in row and content in row
        assert requested_hosts(driver) == {urlsplit(each_stack.url).netloc}


def test_a_login_leads_to_the_messages(panel: Panel, each_stack: Stack) -> None:
    target, page = panel.login(each_stack.secret("dbuserwriter-password"))
    assert page.status == 200
    assert parse_qs(urlsplit(target).query)["db"] == ["buzon"]
    assert "select=message" in text(page)


def test_a_wrong_password_is_said_to_be_wrong(panel: Panel) -> None:
    _, page = panel.login("wrong")
    assert page.status == 403
    assert "Access denied for user" in text(page)
    assert 'name="auth[password]" value=""' in text(page)


def test_a_database_that_is_away_is_said_to_be_away(fragile: Stack) -> None:
    password = fragile.secret("dbuserwriter-password")
    fragile.compose("stop", "db")
    try:
        _, page = Panel(fragile.url).login(password)
        assert page.status == 503
        assert page.header("Retry-After")
        assert 'The database server "db" cannot be reached' in text(page)
    finally:
        fragile.up()
    _, page = Panel(fragile.url).login(password)
    assert page.status == 200


# One server, one page.

# Where adminer must not connect to: itself, the nearest there is.
LISTENER = "127.0.0.1:3307"

# Tells at its end what the first line of each connection was.
LISTEN = f"""
$server = stream_socket_server('tcp://{LISTENER}');
$lines = [];
do {{
    $connection = stream_socket_accept($server, 60);
    stream_set_timeout($connection, 1);
    $lines[] = trim((string) fgets($connection));
    fclose($connection);
}} while (end($lines) !== 'stop');
echo json_encode($lines);
"""


@pytest.fixture
def unvisited(each_stack: Stack) -> Iterator[None]:
    """Listens inside of adminer, and fails if anybody comes but the fixture."""

    def run(script: str) -> str:
        return each_stack.compose("exec", "--no-TTY", "adminer", "php", "-r", script)

    def say(line: str) -> bool:
        try:
            run(
                f"$connection = @stream_socket_client('tcp://{LISTENER}') ?: exit(1);"
                f" fwrite($connection, '{line}');"
            )
        except CommandError:
            return False
        return True

    with ThreadPoolExecutor(1) as threads:
        listening = threads.submit(run, LISTEN)
        wait_until(lambda: say("start"), 20, f"listening on {LISTENER}")
        yield
        assert say("stop")
        assert json.loads(listening.result(20)) == ["start", "stop"]


@pytest.mark.parametrize(("target", "changed"), other_servers("db", LISTENER))
@pytest.mark.usefixtures("unvisited")
def test_no_other_server_is_connected_to(
    panel: Panel, target: str, changed: dict[str, str]
) -> None:
    _, page = panel.login("secret", target, **changed)
    assert page.status == 403
    assert 'only for the MariaDB server "db"' in text(page)


def test_a_login_opens_no_other_server(panel: Panel, each_stack: Stack) -> None:
    target, page = panel.login(each_stack.secret("dbuserwriter-password"))
    for other in (f"server={LISTENER}", "server=", "server=DB", "pgsql=db", "sqlite="):
        page = panel.request(target.replace("server=db", other))
        assert page.status == 403, other
        assert 'only for the MariaDB server "db"' in text(page)


@pytest.mark.parametrize(
    "target", ["/db/?server[]=db", "/db/?username[]=a", "/db/?server=db&db[]=a"]
)
def test_a_list_in_the_place_of_a_value_is_refused(panel: Panel, target: str) -> None:
    page = panel.request(target)
    assert page.status == 400
    assert "is a list" in text(page)


@pytest.mark.parametrize("target", NOT_SERVED)
def test_nothing_else_is_served(panel: Panel, target: str) -> None:
    answer = panel.request(target)
    # Where a path leaves the root, it is none to the proxies and to Apache.
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
def test_no_header_tells_a_version(panel: Panel, target: str, status: int) -> None:
    answer = panel.request(target)
    assert answer.status == status
    assert not re.search(r"\d", answer.header("Server") or "")
    assert answer.header("X-Powered-By") is None
    assert not re.search(r"Apache/\d|nginx/\d|PHP/\d", text(answer))


def test_pages_load_nothing_from_elsewhere(panel: Panel, each_stack: Stack) -> None:
    _, page = panel.login(each_stack.secret("dbuserwriter-password"))
    for answer in (Panel(each_stack.url).request("/db/"), page):
        sources = Sources(text(answer)).found
        assert any("functions.js" in source for source in sources)
        assert not [s for s in sources if not s.startswith(("?", "data:"))]
        assert "verifyVersion" not in text(answer)
        policy = answer.header("Content-Security-Policy") or ""
        assert "default-src 'self'" in policy
        assert not re.search(r"https?:|\*", policy)


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_cookies_are_for_this_panel_alone(
    direct_url: str, scheme: str, secure: bool
) -> None:
    panel = Panel(direct_url)
    panel.request("/db/", headers={"X-Forwarded-Proto": scheme})
    assert set(panel.cookies) == {"adminer_sid", "adminer_key"}
    for cookie in panel.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"].lower() in ("lax", "strict")
        assert cookie["path"] == "/db/"
        assert bool(cookie["secure"]) is secure


def test_the_password_is_not_stored(panel: Panel, each_stack: Stack) -> None:
    password = each_stack.secret("dbuserwriter-password")
    # "Permanent login" would keep it, were it offered.
    target, page = panel.login(password, permanent="1")
    assert page.status == 200
    assert password not in text(page)
    assert not [c for c in panel.cookies.values() if password in c.value]

    def files_with(words: str) -> str:
        # grep ends with 1 where it finds nothing.
        return each_stack.compose(
            *("exec", "--no-TTY", "adminer", "sh", "-c"),
            'grep -rlF -e "$0" /tmp || [ $? = 1 ]',
            words,
        )

    assert files_with(USER), "no session was looked into"
    assert files_with(password) == ""

    del panel.cookies["adminer_sid"]
    assert panel.request(target).status == 403


def test_failed_logins_are_counted_by_client(direct_url: str) -> None:
    # From a range that is nobody's, of which each run takes another one.
    client, other = (f"2001:db8::{secrets.token_hex(2)}:{n}" for n in (1, 2))
    for attempt in range(30):
        # What stands before the proxy's own word is the client's invention.
        _, page = Panel(direct_url, f"192.0.2.{attempt}, {client}").login("wrong")
        assert "Access denied for user" in text(page)
    _, page = Panel(direct_url, f"192.0.2.99, {client}").login("wrong")
    assert "Too many unsuccessful logins" in text(page)
    _, page = Panel(direct_url, other).login("wrong")
    assert "Access denied for user" in text(page)
