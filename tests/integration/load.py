# SPDX-License-Identifier: MIT
"""Requests all the time, from many connections at once, and what became of them."""

import http.client
import itertools
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from answers import Answer
from http_client import NDJSON, Api, query

ALIVE = "/api/test"
NEWEST = "/api/message?order=desc&limit=10"

# Between two requests of one thread: a steady load that leaves the machine some
# room, not as many as it can bear.
PAUSE_SECONDS = 0.01

# Who sleeps so long and is woken so much later had no processor: the machine stood
# still, and no server could answer.
NAP_SECONDS, LATE_SECONDS = 0.02, 0.1

# So long a message may be sent again until it is stored.
GIVE_UP_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """One request; without an answer where the connection failed."""

    target: str
    began: float
    seconds: float
    answer: Answer | None
    fault: str = ""

    @property
    def status(self) -> int:
        return self.answer.status if self.answer else 0

    def __str__(self) -> str:
        body = self.answer.body[:200] if self.answer else b""
        said = self.fault or f"{self.status} {body!r}"
        return f"{self.target} after {self.seconds:.2f} s: {said}"


def host_of(answer: Answer) -> str:
    return answer.body.decode().removeprefix("ALIVE ").strip()


@dataclass
class Writer:
    """Messages "0", "1", … one after the other, each until it is acknowledged."""

    sender: str
    ids: list[int] = field(default_factory=list)
    taken: list[Outcome] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Standstills:
    """When the machine had no time for this process."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def watch(self, ending: threading.Event) -> None:
        asleep = time.monotonic()
        while not ending.wait(NAP_SECONDS):
            awake = time.monotonic()
            if awake - asleep > NAP_SECONDS + LATE_SECONDS:
                self.spans.append((asleep + NAP_SECONDS, awake))
            asleep = awake

    def within(self, outcome: Outcome) -> float:
        """How many seconds of it the machine stood still."""
        ended = outcome.began + outcome.seconds
        return sum(
            max(0.0, min(ended, awake) - max(outcome.began, asleep))
            for asleep, awake in self.spans
        )


class Load:
    """Inside `with`, requests go on; afterwards no more do."""

    def __init__(
        self,
        url: str,
        readers: int = 4,
        writers: int = 2,
        connect: Callable[[str], Api] = Api,
        targets: Sequence[str] = (ALIVE, NEWEST),
    ) -> None:
        """connect: makes each thread's connection. targets: what is read."""
        self.url = url
        self.connect = connect
        self.reads: list[Outcome] = []
        # When the last request began that each of the hosts has answered.
        self.last_answered: dict[str, float] = {}
        self.writers = [Writer(f"load-{secrets.token_hex(8)}") for _ in range(writers)]
        self.faults: list[BaseException] = []
        self.standstills = Standstills()
        self.ending = threading.Event()
        # What is read, and whether the connection is kept.
        kinds = [(target, kept) for target in targets for kept in (True, False)]
        self.threads = [
            self.thread(self.read, *kind)
            for kind in itertools.islice(itertools.cycle(kinds), readers)
        ] + [
            self.thread(self.write, writer, number % 2 == 0)
            for number, writer in enumerate(self.writers)
        ]
        self.threads.append(self.thread(self.standstills.watch, self.ending))

    def thread(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except BaseException as error:
                self.faults.append(error)

        return threading.Thread(target=run, daemon=True)

    def __enter__(self) -> "Load":
        # What was written before goes to the disk now, not while commits wait for it.
        os.sync()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(GIVE_UP_SECONDS + 40)
        assert not any(thread.is_alive() for thread in self.threads), "load goes on"
        assert not self.faults, self.faults

    def read(self, target: str, kept: bool) -> None:
        api = self.connect(self.url)
        while not self.ending.wait(PAUSE_SECONDS):
            outcome = attempt(api, target, lambda: api.get(target))
            self.reads.append(outcome)
            if target == ALIVE and outcome.answer and outcome.status == 200:
                self.last_answered[host_of(outcome.answer)] = outcome.began
            if not kept:
                api.close()
        api.close()

    def write(self, writer: Writer, kept: bool) -> None:
        api = self.connect(self.url)
        number = 0
        while not self.ending.wait(PAUSE_SECONDS):
            self.write_one(api, writer, str(number), kept)
            number += 1
        api.close()

    def write_one(self, api: Api, writer: Writer, content: str, kept: bool) -> None:
        """Sends a message with its key until it is acknowledged."""
        key = secrets.token_hex(16)
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up:
            outcome = attempt(
                api, "POST", lambda: api.post_message(writer.sender, content, key)
            )
            if not kept:
                api.close()
            if outcome.answer and outcome.status == 201:
                writer.ids.append(outcome.answer.json()["ID"])
                writer.taken.append(outcome)
                return
            writer.refused.append(outcome)
            # It ends with the load only when it was acknowledged or given up.
            time.sleep(PAUSE_SECONDS)
        writer.lost.append(content)

    def reads_of(self, target: str) -> list[Outcome]:
        return [read for read in self.reads if read.target == target]

    def hosts(self, since: float = 0) -> set[str]:
        """Who has answered requests that began since then, by time.monotonic()."""
        answered = self.last_answered.copy()
        return {host for host, began in answered.items() if began >= since}

    def refused(self) -> list[Outcome]:
        return [outcome for writer in self.writers for outcome in writer.refused]

    def was_within(self, outcome: Outcome, seconds: float) -> bool:
        """Whether it took no more than that of a machine that does not stand still."""
        return outcome.seconds <= seconds + self.standstills.within(outcome)

    def assert_reads(self, target: str, seconds: float) -> None:
        """Each was answered with 200, and within so many seconds."""
        reads = self.reads_of(target)
        assert len(reads) >= 50, f"only {len(reads)} requests of {target}"
        bad = [str(read) for read in reads if read.status != 200]
        assert not bad, f"{len(bad)} of {len(reads)} failed: {bad[:5]}"
        slow = [str(read) for read in reads if not self.was_within(read, seconds)]
        assert not slow, f"{len(slow)} of {len(reads)} were slow: {slow[:5]}"

    def assert_stored_once(self, api: Api) -> None:
        """What was acknowledged is there, once, and nothing else is."""
        for writer in self.writers:
            assert writer.ids, "no message was acknowledged"
            assert not writer.lost, f"given up: {writer.lost}"
            stored = api.get(query(From=writer.sender), {"Accept": NDJSON}).lines()
            found = [(message["ID"], message["Content"]) for message in stored]
            assert found == [(i, str(n)) for n, i in enumerate(writer.ids)]


def attempt(api: Api, target: str, ask: Callable[[], Answer]) -> Outcome:
    """What becomes of one request."""
    began = time.monotonic()
    answer, fault = None, ""
    try:
        answer = ask()
    except (OSError, http.client.HTTPException, AssertionError) as error:
        api.close()
        fault = f"{type(error).__name__}: {error}"
    return Outcome(target, began, time.monotonic() - began, answer, fault)
