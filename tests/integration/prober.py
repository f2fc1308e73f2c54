# SPDX-License-Identifier: MIT
"""A process that asks one replica for messages that are just being stored."""

import json
import re
import subprocess
import sys
from pathlib import Path

from fastcgi import Connection, encode

# Asked at once, so that the replica never waits for us.
AHEAD = 32
NEWEST = encode("GET", "/api/message?order=desc&limit=30", keep=True)
ID = re.compile(rb'"ID":(\d+)')

# Lists of IDs, the greatest first, which nothing may be missing in.
Pages = list[list[int]]


def read_page(connection: Connection) -> list[int]:
    return [int(found) for found in ID.findall(connection.read_reply().stdout)]


def newest(connection: Connection, count: int) -> Pages:
    """The newest messages, again and again; the same page only once."""
    pages: Pages = []
    connection.send(NEWEST * AHEAD)
    for asked in range(count):
        page = read_page(connection)
        if not pages or pages[-1] != page:
            pages.append(page)
        if asked + AHEAD < count:
            connection.send(NEWEST)
    return pages


def follow(connection: Connection, count: int) -> Pages:
    """Always what comes after the last one: all of it as one page."""
    connection.send(NEWEST)
    found = read_page(connection)[:1]
    for _ in range(count):
        target = f"/api/message?after={found[-1]}&limit=1000"
        connection.send(encode("GET", target, keep=True))
        found += read_page(connection)
    return [found[::-1]]


WAYS = {"newest": newest, "follow": follow}


class Prober:
    def __init__(self, socket: Path, way: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(socket), way, str(count)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def result(self) -> Pages:
        printed, _ = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, "a reader has failed"
        return json.loads(printed)

    def __enter__(self) -> "Prober":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def main(socket: str, way: str, count: str) -> None:
    with Connection(Path(socket)) as connection:
        print(json.dumps(WAYS[way](connection, int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])
