# SPDX-License-Identifier: MIT
"""The program whose calls fail when they are told to; see tests/torture/torture.h."""

import mmap
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builds import build_sanitized
from fastcgi import ConnectionEnded
from replica import Replica
from system import System
from waiting import wait_until

# struct control of tests/torture/torture.c.
ARMS_COUNT, ARM_BYTES = 3, 12
WAYS_MAX, NAME_BYTES = 256, 64
COLD = 0
ARMS = COLD + 4
COUNTS = ARMS + ARMS_COUNT * ARM_BYTES
CALLS = COUNTS + 4 * WAYS_MAX
NAMES = CALLS + 4 * WAYS_MAX

# The program ends with it when a sanitizer has something to say.
REPORTED = 99
REPORT = re.compile(r"(?:ERROR: \w+Sanitizer: .*|.*: runtime error: .*|.*Assertion .*failed.*)")


@dataclass(frozen=True)
class Way:
    """One way in which one call can fail."""

    number: int
    call: str
    kind: str
    planted: bool

    def __str__(self) -> str:
        return f"{self.call} {self.kind}"


class Control:
    """What fails next; shared with the program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = NAMES + WAYS_MAX * NAME_BYTES
        path.write_bytes(bytes(size))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), size)

    def _get(self, offset: int) -> int:
        return int(struct.unpack_from("=I", self.memory, offset)[0])

    def _set(self, offset: int, value: int) -> None:
        struct.pack_into("=I", self.memory, offset, value)

    def ways(self) -> list[Way]:
        """Those that the program knows, once it has started."""
        found = []
        for number in range(WAYS_MAX):
            start = NAMES + number * NAME_BYTES
            words = self.memory[start : start + NAME_BYTES].rstrip(b"\0").decode().split()
            if words:
                found.append(Way(number, words[-2], words[-1], words[0] == "planted"))
        return found

    def set_cold(self) -> None:
        """From now on buffers are allocated anew for each request."""
        self._set(COLD, 1)

    def arm(self, way: Way, nth: int, arm: int = 0) -> None:
        """The nth call from now on (1: the next) fails in this way, once."""
        at = ARMS + arm * ARM_BYTES
        self._set(at, way.number)
        self._set(at + 8, 0)
        self._set(at + 4, nth)

    def disarm(self) -> None:
        for arm in range(ARMS_COUNT):
            self._set(ARMS + arm * ARM_BYTES + 4, 0)

    def fired(self) -> bool:
        return self._get(ARMS + 8) == 1

    def count(self, way: Way) -> int:
        """How many calls there were."""
        return self._get(COUNTS + 4 * self._get(CALLS + 4 * way.number))


class Victim(Replica):
    """One replica of that program. Its workers are one, so that the same calls follow
    each other in every run."""

    def __init__(self, system: System, program: Path, **settings: str) -> None:
        super().__init__(
            system,
            BUZON_WORKERS="1",
            ASAN_OPTIONS=f"exitcode={REPORTED}:detect_leaks=1:abort_on_error=0",
            UBSAN_OPTIONS="print_stacktrace=1",
            TORTURE_CONTROL="",
            **settings,
        )
        self.program = program
        self.control = Control(self.directory / "control")
        self.settings["TORTURE_CONTROL"] = str(self.control.path)

    def start(self) -> None:
        """It may not come to serve."""
        self.spawn()

    def wait_until_it_serves(self) -> bool:
        """False where it has ended instead."""
        wait_until(lambda: not self.runs() or self._answers(), 15, "it serves or has ended")
        return self.runs()

    def _answers(self) -> bool:
        try:
            with self.api(timeout=5) as api:
                return api.get("/api/test").status == 200
        except (OSError, ConnectionEnded):
            return False

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def end(self) -> str:
        """Ends it by SIGTERM; what was wrong with that, or nothing."""
        if self.runs():
            self.terminate()
        try:
            status = self.wait(15)
        except subprocess.TimeoutExpired:
            return "it did not end within 15 s of SIGTERM"
        return self.report() or (f"it ended with {status}" if status != 0 else "")

    def report(self) -> str:
        """What a sanitizer or an assertion said, and where; else nothing."""
        log = self.log()
        found = REPORT.search(log)
        return log[found.start() :][:3000] if found else ""


@cache
def build() -> Path:
    return build_sanitized("tests/torture/buzon")


def called(program: Path) -> Iterator[str]:
    """What the program's own objects call of libraries."""
    folder = program.parents[2]
    objects = [folder / "libbuzon.a", folder / "fcgi-app/main.o"]
    output = subprocess.run(
        ["nm", *map(str, objects)], capture_output=True, text=True, check=True
    ).stdout
    symbols = [line.split()[-2:] for line in output.splitlines() if len(line.split()) > 1]
    own = {name for kind, name in symbols if kind in "TDBRC"}
    for name in sorted({name for kind, name in symbols if kind == "U"} - own):
        if not re.match(r"__(asan|ubsan|stack_chk)_|_GLOBAL_OFFSET_TABLE_$", name):
            yield name
