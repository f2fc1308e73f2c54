# SPDX-License-Identifier: MIT
"""Connections that the web server keeps alive between requests."""

import http.client
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from http_client import NDJSON, Api, query, unique
from load import ALIVE, NEWEST
from system import System

CONNECTIONS = 8
REQUESTS = 5000

# A web server may end a connection after so many requests.
LEAST_REQUESTS_OF_A_CONNECTION = 100


class CountingConnection(http.client.HTTPConnection):
    opened = 0

    def connect(self) -> None:
        self.opened += 1
        super().connect()


@dataclass
class Tally:
    """How many connections were opened, and how many were announced to end: after a
    204, which ends each of haproxy 3.0, and after others."""

    opened: int
    announced_after_204: int
    announced: int


def ask(url: str, sender: str, count: int) -> Tally:
    """Requests of all kinds one after the other. What ends without a word fails."""
    announced = announced_after_204 = 0
    kinds = itertools.cycle([ALIVE] * 12 + [NEWEST] * 5 + ["HEAD", "OPTIONS", "POST"])
    with closing(Api(url)) as api:
        counting = CountingConnection(urlsplit(url).netloc, timeout=30)
        api.connection = counting
        for number, kind in zip(range(count), kinds):
            if kind == "POST":
                answer = api.post_message(sender, str(number))
            elif kind == "HEAD":
                answer = api.request("HEAD", ALIVE)
            elif kind == "OPTIONS":
                answer = api.request("OPTIONS", ALIVE)
            else:
                answer = api.get(kind)
            wanted = {"POST": 201, "OPTIONS": 204}.get(kind, 200)
            assert answer.status == wanted, f"request {number}, {kind}: {answer}"
            closes = (answer.header("Connection") or "").lower() == "close"
            announced_after_204 += closes and kind == "OPTIONS"
            announced += closes and kind != "OPTIONS"
    return Tally(counting.opened, announced_after_204, announced)


def test_5000_requests_go_over_kept_connections(served: System, api: Api) -> None:
    sender, each = unique(), REQUESTS // CONNECTIONS
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        tallies = list(
            pool.map(lambda _: ask(served.url, sender, each), range(CONNECTIONS))
        )
    for tally in tallies:
        ends = tally.announced_after_204 + tally.announced
        # The last answer may announce an end, after which none is opened.
        assert ends <= tally.opened <= ends + 1, tally
        assert tally.announced <= each // LEAST_REQUESTS_OF_A_CONNECTION, tally
    stored = api.get(query(From=sender), {"Accept": NDJSON}).lines()
    assert len(stored) == CONNECTIONS * sum(n % 20 == 19 for n in range(each))
