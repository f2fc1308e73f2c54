# SPDX-License-Identifier: MIT
"""The database panel, Adminer, as a browser without scripts sees it."""

import http.client
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from answers import Answer
from http_client import FORM

USER = "dbuserwriter"


def text(answer: Answer) -> str:
    return answer.body.decode("utf-8")


class Panel:
    """A browser's cookies and redirects, and nothing else of it."""

    # What the panel calls its database server.
    server = "localhost"

    def __init__(self, url: str, client: str | None = None) -> None:
        """client: the address that the proxy is to have named."""
        self.url = url
        self.cookies: SimpleCookie = SimpleCookie()
        self.headers = {"X-Forwarded-For": client} if client else {}

    @classmethod
    def filled_in(cls) -> dict[str, str]:
        """What stands in the login form but for the password."""
        return {
            "driver": "server",
            "server": cls.server,
            "username": USER,
            "db": "buzon",
        }

    def request(
        self,
        target: str,
        fields: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Sends a GET, or a POST of the fields; follows no redirect."""
        sent = self.headers | (headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(
                f"{name}={morsel.coded_value}" for name, morsel in self.cookies.items()
            )
        if fields is not None:
            sent["Content-Type"] = FORM
        body = urlencode(fields) if fields is not None else None
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request("GET" if body is None else "POST", target, body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        for cookie in answer.all("Set-Cookie"):
            self.cookies.load(cookie)
        return answer

    def follow(self, answer: Answer, target: str) -> tuple[str, Answer]:
        """Follows redirects; returns the last page, and where it is."""
        for _ in range(5):
            location = answer.header("Location")
            if location is None:
                return target, answer
            target = urljoin(target, location)
            assert not urlsplit(target).netloc, f"redirected to {location}"
            answer = self.request(target)
        raise AssertionError(f"redirected again and again, at last to {target}")

    def login(
        self, password: str, target: str = "/db/", **changed: str
    ) -> tuple[str, Answer]:
        """Opens the page and logs in; returns where that ended."""
        if not self.cookies:
            self.request("/db/")
        auth = self.filled_in() | {"password": password} | changed
        fields = {f"auth[{name}]": value for name, value in auth.items()}
        return self.follow(self.request(target, fields), target)


def other_servers(server: str, other: str) -> list[tuple[str, dict[str, str]]]:
    """Logins, as target and changed fields, that the panel of `server` refuses; most
    of them name the `other` server."""
    return [
        ("/db/", {"server": other}),
        ("/db/", {"server": "127.0.0.1", "driver": "pgsql"}),
        ("/db/", {"server": other, "driver": "elastic"}),
        ("/db/", {"driver": "sqlite", "db": "/tmp/new.db"}),
        # Already where the redirect after a login leads to.
        (f"/db/?server={other}&username={USER}&db=buzon", {"server": other}),
        (f"/db/?server={other}&username={USER}&db=buzon", {}),
        (
            f"/db/?pgsql={other}&username={USER}&db=buzon",
            {"server": other, "driver": "pgsql"},
        ),
        (f"/db/?pgsql={other}&server={server}&username={USER}&db=buzon", {}),
        ("/db/?sqlite=&username=&db=/tmp/new.db", {}),
    ]


# Answered with 404, or where they leave the root with 400.
NOT_SERVED = [
    "/db/index.php",
    "/db/adminer.php",
    "/db/php.ini",
    "/db/health",
    "/db/db/",
    "/db/x/../index.php",
    "/db/../usr/share/adminer/adminer.php",
    "/db/../../../../etc/passwd",
    "/db/%2e%2e/%2e%2e/etc/passwd",
    "/db/..%2f..%2fetc/passwd",
    "/db//etc/passwd",
    "/db/index.php/x",
    "/db/.htaccess",
    "/db/server-status",
    "/db/?script=version",
]


class Sources(HTMLParser):
    """What a page loads and where its forms go; links are a person's choice."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("src", "action") + (() if tag == "a" else ("href",))
        self.found += [value for name, value in attrs if name in names and value]
