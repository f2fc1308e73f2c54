# SPDX-License-Identifier: MIT
"""A process that asks one replica for the newest messages, again and again."""

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


def probe(socket: Path, count: int) -> list[list[int]]:
    """The IDs of each page, the greatest first; the same page only once."""
    pages: list[list[int]] = []
    with Connection(socket) as connection:
        connection.send(NEWEST * AHEAD)
        for asked in range(count):
            page = [int(found) for found in ID.findall(connection.read_reply().stdout)]
            if not pages or pages[-1] != page:
                pages.append(page)
            if asked + AHEAD < count:
                connection.send(NEWEST)
    return pages


class Prober:
    def __init__(self, socket: Path, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(socket), str(count)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def result(self) -> list[list[int]]:
        printed, _ = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, "a reader has failed"
        return json.loads(printed)

    def __enter__(self) -> "Prober":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    print(json.dumps(probe(Path(sys.argv[1]), int(sys.argv[2]))))
