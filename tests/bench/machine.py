# SPDX-License-Identifier: MIT
"""The machine: what it is, what runs on it, and whether it is at rest."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

REST_SECONDS = 1.0


def first_match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else "unknown"


def memory_mib() -> int:
    return int(first_match(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())) // 1024


def describe() -> dict[str, str | int]:
    debian = Path("/etc/debian_version")
    return {
        "processor": first_match(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text()),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": memory_mib(),
        "kernel": platform.release(),
        "debian": debian.read_text().strip() if debian.exists() else "unknown",
    }


# What prints a version, and what it looks like.
VERSIONS = {
    "MariaDB": ("mariadbd --version", r"Ver ([\d.]+)"),
    "nginx": ("nginx -v", r"nginx/([\d.]+)"),
    "PHP": ("php --version", r"^PHP ([\d.]+)"),
    "Go": ("go version", r"go([\d.]+)"),
    "Python": ("/usr/bin/python3 --version", r"Python ([\d.]+)"),
    "Flask": ("dpkg-query -W -f ${Version} python3-flask", r"^([\d.]+)"),
    "gunicorn": ("dpkg-query -W -f ${Version} gunicorn", r"^([\d.]+)"),
    "wrk": ("dpkg-query -W -f ${Version} wrk", r"^([\d.]+)"),
}


def output(command: list[str]) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout


def versions(program: Path) -> dict[str, str]:
    """Of the program that is measured, and of the others."""
    found = {"buzon": first_match(r"([\d.]+\S*)\s*$", output([str(program), "--version"]))}
    for name, (command, pattern) in VERSIONS.items():
        found[name] = first_match(pattern, output(command.split()))
    return found


@dataclass(frozen=True)
class ProcessorTime:
    """Since the machine started, in ticks of all processors."""

    total: int
    stolen: int

    @classmethod
    def now(cls) -> "ProcessorTime":
        with open("/proc/stat", encoding="ascii") as file:
            # user nice system idle iowait irq softirq steal; the others are parts of these.
            ticks = [int(word) for word in file.readline().split()[1:9]]
        return cls(sum(ticks), ticks[7])


def stolen_share(before: ProcessorTime, after: ProcessorTime) -> float:
    """Of the time between: what the hypervisor gave to others."""
    return (after.stolen - before.stolen) / max(after.total - before.total, 1)


def is_at_rest() -> bool:
    """Nobody runs but who asks."""
    for _ in range(3):
        if int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) > 1:
            return False
        time.sleep(0.005)
    return True


def rest() -> None:
    """Writes back what waits, so that one's burden is not another's; then waits, but not
    for long, until what is left of the last load is done."""
    os.sync()
    deadline = time.monotonic() + REST_SECONDS
    while not is_at_rest() and time.monotonic() < deadline:
        pass
