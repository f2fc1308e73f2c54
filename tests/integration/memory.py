# SPDX-License-Identifier: MIT
"""The memory of a process, as Linux counts it."""

from pathlib import Path


def kib(pid: int, name: str = "VmRSS") -> int:
    """A figure of /proc/PID/status: VmRSS now, VmHWM at the highest."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/status has no {name}")


def forget_highest(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
