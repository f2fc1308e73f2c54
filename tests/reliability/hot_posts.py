# SPDX-License-Identifier: MIT
"""Clients that send one POST right behind the other, each over a connection that it keeps."""

import re
import signal
import subprocess
from pathlib import Path

from system import System
from waiting import wait_until

SCRIPT = Path(__file__).with_suffix(".lua")
CLIENTS = 48

# As soon as so many are stored, all clients send.
STORED = 10 * CLIENTS


def number_in(printed: str, pattern: str) -> int:
    return sum(int(number) for number in re.findall(pattern, printed))


class HotPosts:
    """Inside `with`, they send; afterwards it is known what became of it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.answered = self.refused = self.cut = 0
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "HotPosts":
        command = ["wrk", "--threads", "2", "--connections", str(CLIENTS)]
        command += ["--duration", "10m", "--timeout", "30s", "--script", str(SCRIPT)]
        self.process = subprocess.Popen(
            [*command, f"{self.system.url}/api/message"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wanted = self.newest() + STORED
        try:
            wait_until(lambda: self.newest() >= wanted, 20, "they are stored")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def newest(self) -> int:
        return int(self.system.database.run("SELECT IFNULL(MAX(id), 0) FROM message")[0][0])

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            printed, _ = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
        self.answered = number_in(printed, r"(\d+) requests in ")
        self.refused = number_in(printed, r"Non-2xx or 3xx responses: (\d+)")
        # Whom the web server has closed the connection without an answer, and who waits.
        self.cut = number_in(printed, r"(?:read|write|timeout) (\d+)")
        assert self.answered, f"wrk has sent nothing: {printed}"
