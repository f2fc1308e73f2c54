# SPDX-License-Identifier: MIT
"""1,000,000 messages, and what the answer has to be that holds all of them."""

from collections.abc import Iterator

from database import Database

COUNT = 1_000_000
BLOCK = 1000
PADDING = "x" * 80
DATE = "2026-01-02 03:04:05.678901"

SEED = f"""
INSERT INTO message (id, sender, content, stored_at)
SELECT {{before}} + seq, 'million', CONCAT('message ', seq, ' {PADDING}'), '{DATE}'
FROM seq_1_to_{COUNT}
"""


class Million:
    """Stored once, with IDs that follow one another."""

    def __init__(self, database: Database) -> None:
        self.before = database.number("SELECT COALESCE(MAX(id), 0) FROM message")
        database.run(SEED.format(before=self.before))
        last = self.before + COUNT
        self.target = f"/api/message?after={self.before}&before={last + 1}"

    def blocks(self) -> Iterator[bytes]:
        """The answer as NDJSON, in pieces."""
        date = DATE.replace(" ", "T") + "Z"
        for first in range(1, COUNT + 1, BLOCK):
            yield "".join(
                f'{{"ID":{self.before + n},"From":"million",'
                f'"Content":"message {n} {PADDING}","Date":"{date}"}}\n'
                for n in range(first, first + BLOCK)
            ).encode()


class Comparison:
    """What comes against what has to come, piece by piece."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.wanted = b""
        self.bytes = 0

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if not self.wanted:
                self.wanted = next(self.blocks, b"")
                assert self.wanted, f"more than was stored: {data[at:][:200]!r}"
            piece = data[at : at + len(self.wanted)]
            assert self.wanted.startswith(piece), (
                f"after {self.bytes} bytes came a piece of {piece[:400]!r}"
                f" where {self.wanted[:400]!r} was due"
            )
            self.wanted = self.wanted[len(piece) :]
            self.bytes += len(piece)
            at += len(piece)

    def assert_whole(self) -> None:
        rest = self.wanted or next(self.blocks, b"")
        assert not rest, f"it ended after {self.bytes} bytes, before {rest[:200]!r}"
