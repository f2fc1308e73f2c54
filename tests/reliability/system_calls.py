# SPDX-License-Identifier: MIT
"""The system calls of several processes, in the order in which Linux did them."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from waiting import wait_until

LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()")
UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True)
class Event:
    """A call that begins, or one that has ended well."""

    name: str
    ended: bool
    # What strace tells of its arguments; of a call that has ended, at its beginning.
    text: str


def traced(pid: int) -> bool:
    """Whether every thread of this process is traced."""
    return all(
        "TracerPid:\t0\n" not in status.read_text()
        for status in Path(f"/proc/{pid}/task").glob("*/status")
    )


class Trace:
    """Inside `with`, these calls of these processes are recorded."""

    def __init__(self, pids: list[int], calls: list[str]) -> None:
        self.pids = pids
        self.output = tempfile.NamedTemporaryFile(prefix="buzon-trace-")
        self.command = ["strace", "-f", "-y", "-q", "-s", "600", "-o", self.output.name]
        self.command += ["-e", f"trace={','.join(calls)}", "-e", "signal=none"]
        self.command += [word for pid in pids for word in ("-p", str(pid))]

    def __enter__(self) -> "Trace":
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: all(map(traced, self.pids)), 10, "the processes are traced")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def events(self) -> Iterator[Event]:
        """After the end: each call twice, where it begins and where it has ended well."""
        began: dict[str, str] = {}
        with open(self.output.name, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield from events_of(line.rstrip("\n"), began)
        self.output.close()


def events_of(line: str, began: dict[str, str]) -> Iterator[Event]:
    match = LINE.match(line)
    if match is None:
        return
    name = match["name"] or match["resumed"]
    if match["name"]:
        began[match["thread"]] = line
        yield Event(name, False, line)
    if not line.endswith(UNFINISHED) and " = -1 " not in line:
        yield Event(name, True, began.get(match["thread"], ""))
