# SPDX-License-Identifier: MIT
"""Units of systemd: what they are, what they score, what they let a process do."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import attempt, run
from fastcgi import FastcgiApi


class Unit:
    def __init__(self, name: str) -> None:
        self.service = f"{name}.service"
        self.socket = f"{name}.socket"
        number = name.partition("@")[2]
        self.address = Path(f"/run/buzon/buzon-{number}.sock")

    def file(self) -> Path:
        return Path(self.property("FragmentPath"))

    def property(self, name: str) -> str:
        return run("systemctl", "show", self.service, f"--property={name}", "--value").strip()

    def pid(self) -> int:
        """0 where it does not run."""
        return int(self.property("MainPID"))

    def api(self) -> FastcgiApi:
        return FastcgiApi(self.address)

    def status(self, name: str) -> str:
        """A line of its process's /proc/PID/status."""
        text = Path(f"/proc/{self.pid()}/status").read_text()
        found = re.search(rf"^{name}:\s+(.*)$", text, re.MULTILINE)
        assert found, text
        return found[1]


def exposure(unit: Path) -> float:
    """From 0 to 10, by systemd's own count."""
    done = attempt("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for .*: ([\d.]+) ", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def is_within(threshold: int, unit: Path) -> bool:
    """systemd's own verdict; the threshold is ten times the exposure."""
    done = attempt(
        *("systemd-analyze", "security", "--offline=true", "--no-pager"),
        *(f"--threshold={threshold}", str(unit)),
    )
    assert "Overall exposure level" in done.stdout, done.stdout + done.stderr
    return done.returncode == 0


@contextmanager
def drop_in(unit: Unit, text: str) -> Iterator[None]:
    """Changes a unit that does not run."""
    folder = Path(f"/run/systemd/system/{unit.service}.d")
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(text)
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        run("systemctl", "daemon-reload")
