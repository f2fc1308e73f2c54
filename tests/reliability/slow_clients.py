# SPDX-License-Identifier: MIT
"""Clients that are as slow as they can be: slowhttptest."""

import subprocess
import threading
import time
from pathlib import Path

# Each stays a little below the time that the web servers give.
MODES = {
    "headers": ["-H", "-i", "5", "-x", "10"],
    "body": ["-B", "-i", "5", "-x", "10", "-s", "8192", "-f", "application/json"],
    # A window of a few bytes, of which some are read now and then.
    "reading": ["-X", "-i", "5", "-n", "5", "-w", "10", "-y", "20", "-z", "32"],
}

# How many, and how many come in a second. To read a long page slowly costs much at
# first, until all buffers on its way are full: a slow client, and no flood of them.
CLIENTS = {"headers": 400, "body": 400, "reading": 200}
CLIENTS_PER_SECOND = {"headers": 200, "body": 200, "reading": 50}

LOOK_SECONDS = 0.1

# By then a web server has got rid of many, and slowhttptest opens no others.
RENEW_SECONDS = 30

ESTABLISHED = "01"


def connections_at(port: int) -> int:
    """How many are open there, by the server's ends."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        found += state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    return found


class SlowClients:
    """Inside `with`, they attack. Those that a web server has got rid of come again."""

    def __init__(self, port: int, page: str) -> None:
        """page: what is read slowly, an answer that no buffer holds."""
        self.port = port
        self.targets = {"headers": "/api/test", "body": "/api/message", "reading": page}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}
        self.counts: list[int] = []
        self.ending = threading.Event()
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self.keep_on, daemon=True)

    def start(self, mode: str) -> None:
        url = f"http://127.0.0.1:{self.port}{self.targets[mode]}"
        numbers = ["-c", str(CLIENTS[mode]), "-r", str(CLIENTS_PER_SECOND[mode])]
        numbers += ["-l", "3600"]
        # It opens no more connections than it may have files, and says nothing.
        command = ["prlimit", "--nofile=8192", "slowhttptest", *MODES[mode], *numbers]
        self.processes[mode] = subprocess.Popen(
            [*command, "-u", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started[mode] = time.monotonic()

    def renew(self, mode: str) -> None:
        process = self.processes[mode]
        if time.monotonic() > self.started[mode] + RENEW_SECONDS:
            process.kill()
            process.wait()
        if process.poll() is not None:
            self.start(mode)

    @property
    def most(self) -> int:
        return max(self.counts, default=0)

    @property
    def mean(self) -> int:
        return sum(self.counts) // max(1, len(self.counts))

    def keep_on(self) -> None:
        try:
            while not self.ending.wait(LOOK_SECONDS):
                for mode in MODES:
                    self.renew(mode)
                self.counts.append(connections_at(self.port))
        except BaseException as error:
            self.fault = error

    def __enter__(self) -> "SlowClients":
        try:
            for mode in MODES:
                self.start(mode)
        except BaseException:
            self.stop()
            raise
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join(10)
        self.stop()
        assert self.fault is None, self.fault

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
