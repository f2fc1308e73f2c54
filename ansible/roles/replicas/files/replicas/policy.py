# SPDX-License-Identifier: MIT
"""When there should be one replica more, or one fewer. Asks nobody and does nothing:
it is told what is, and says what should be done and why."""

from collections import deque
from dataclasses import dataclass
from statistics import fmean

from .haproxy import Load
from .settings import Settings


# Looks within that time are taken together: what is under way at one moment says little,
# since requests come in bursts.
TOGETHER_SECONDS = 5


@dataclass(frozen=True)
class Decision:
    # 1 or -1.
    change: int
    reason: str


class Policy:
    """Grows when the load has been too much for a while, and shrinks when it has been
    less than half of what one replica fewer could bear. Between the two lies room, so
    that it never takes back what it has just done."""

    def __init__(self, settings: Settings, now: float) -> None:
        """now: seconds of a clock that never goes back, here and in decide()."""
        self.settings = settings
        # Also after a start: what was done before it is not known.
        self.rests_until = now + settings.pause_seconds
        self.looks: deque[tuple[float, Load]] = deque()
        self.busy_since: float | None = None
        self.calm_since: float | None = None

    def has_acted(self, now: float) -> None:
        """The load is another one now, and is looked at anew after a pause."""
        self.rests_until = now + self.settings.pause_seconds
        self.looks.clear()
        self.busy_since = self.calm_since = None

    def decide(self, load: Load, replicas: int, now: float) -> Decision | None:
        """replicas: how many there are, whether they serve or not."""
        settings = self.settings
        if replicas < settings.minimum:
            return Decision(1, f"there must be at least {settings.minimum}")
        if replicas > settings.maximum:
            return Decision(-1, f"there may be at most {settings.maximum}")
        self.remember(load, now)
        busy = self.why_busy(load)
        calm = self.why_calm(load)
        self.busy_since = since(self.busy_since, busy, now)
        self.calm_since = since(self.calm_since, calm, now)
        if now < self.rests_until:
            return None
        if self.busy_since is not None and replicas < settings.maximum:
            if now - self.busy_since >= settings.grow_seconds:
                return Decision(1, f"{busy}, for {now - self.busy_since:.0f} s")
        if self.calm_since is not None and replicas > settings.minimum:
            if now - self.calm_since >= settings.shrink_seconds:
                return Decision(-1, f"{calm}, for {now - self.calm_since:.0f} s")
        return None

    def remember(self, load: Load, now: float) -> None:
        self.looks.append((now, load))
        while self.looks[0][0] <= now - TOGETHER_SECONDS:
            self.looks.popleft()

    def sessions(self) -> float:
        return fmean(load.sessions for _, load in self.looks)

    def queue(self) -> float:
        return fmean(load.queue for _, load in self.looks)

    def why_busy(self, load: Load) -> str:
        """Empty when it is not."""
        settings = self.settings
        if self.queue() >= 1:
            return f"{self.queue():.0f} requests wait for a replica"
        if self.sessions() > settings.sessions * load.serving:
            return (
                f"{self.sessions():.0f} requests at {load.serving} replicas,"
                f" more than {settings.sessions} each"
            )
        # Without requests the average is one of long ago.
        if load.rate and load.milliseconds > settings.milliseconds:
            return (
                f"answers take {load.milliseconds} ms,"
                f" more than {settings.milliseconds} ms"
            )
        return ""

    def why_calm(self, load: Load) -> str:
        """Empty when one fewer might not do."""
        settings = self.settings
        enough = settings.sessions * (load.serving - 1) / 2
        slow = load.rate and load.milliseconds > settings.milliseconds / 2
        if self.queue() > 0 or slow or self.sessions() > enough:
            return ""
        return (
            f"{self.sessions():.0f} requests at {load.serving} replicas,"
            f" at most half of what {load.serving - 1} bear"
        )


def since(before: float | None, holds: str, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before
