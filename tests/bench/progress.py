# SPDX-License-Identifier: MIT
"""Tells on stderr how far it is."""

import sys
import time

from figures import Figure


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Counts the figures, and guesses how long the others take."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0
        self.began = time.monotonic()

    def left(self) -> str:
        seconds = (time.monotonic() - self.began) / self.count * (self.total - self.count)
        return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"

    def show(self, figure: Figure, what: str) -> None:
        self.count += 1
        words = f"{figure.rate:,.0f}/s" if figure.rate is not None else ""
        if figure.p50_ms is not None:
            words += f", p50 {figure.p50_ms:.1f} ms, p99 {figure.p99_ms:.1f} ms"
        if figure.rate is None:
            words = f"{figure.memory_kib:,.0f} KiB"
        say(f"[{self.count}/{self.total}, {self.left()}] round {figure.round}: {what}: {words}")
