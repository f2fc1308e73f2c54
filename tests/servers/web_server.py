# SPDX-License-Identifier: MIT
"""The web servers: their processes, what these hold, and their configuration."""

import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from system import ROOT, System

SERVERS = ("nginx", "caddy", "haproxy", "lighttpd", "apache")

# Whether connections that were not accepted yet go over to whoever listens next.
MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")

SAMPLE_SECONDS = 0.05

# Where --no-panel looks for the panel: nobody answers there.
NO_PANEL_PORT = 1


def rerender(system: System, replicas: int, panel_port: int = NO_PANEL_PORT) -> None:
    """The web server takes over a configuration with so many replicas."""
    done = subprocess.run(
        [
            str(ROOT / "tests" / "servers" / "rerender"),
            *(str(system.var), system.proxy, str(system.port)),
            *(str(replicas), str(panel_port)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{system.proxy} is not reloaded: {done.stdout}"


@dataclass(frozen=True)
class Sample:
    """Of all processes together, in bytes: what they hold in memory, files there
    included, and in files on disk, and how much they have written to disk ever."""

    memory: int
    files: int
    written: int


def session_of(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return int(after_name.split()[3])


def processes(system: System) -> list[int]:
    """scripts/up gives the web server a session of its own."""
    session = system.pid(system.proxy)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            if session_of(pid) == session:
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    assert session in found, f"{system.proxy} does not run"
    return found


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def written_bytes(pid: int) -> int:
    """What it has caused to be written to disk."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        name, _, value = line.partition(": ")
        if name == "write_bytes":
            return int(value)
    raise AssertionError("no write_bytes")


def written_files(pid: int, log: Path) -> Iterator[tuple[tuple[int, int], int]]:
    """Device and inode, and size, of each file that it may write to, its logs left
    out. It may be deleted already."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            status = entry.stat()
            name = os.readlink(entry)
            information = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
        except FileNotFoundError:
            continue
        flags = int(information.partition("flags:")[2].split()[0], 8)
        if (
            stat.S_ISREG(status.st_mode)
            and flags & os.O_ACCMODE != os.O_RDONLY
            and not name.startswith(f"{log}/")
        ):
            yield (status.st_dev, status.st_ino), status.st_size


def devices_in_memory() -> set[int]:
    """Those of file systems that are in memory."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if source.startswith("tmpfs "):
            major, _, minor = mount.split()[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return found


def sample(system: System) -> Sample:
    memory = written = 0
    files: dict[tuple[int, int], int] = {}
    for pid in processes(system):
        try:
            memory += resident_bytes(pid)
            written += written_bytes(pid)
            files.update(written_files(pid, system.var / "log"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    for path in (system.var / "tmp").rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            files[status.st_dev, status.st_ino] = status.st_size
    in_memory = devices_in_memory()
    on_disk = 0
    for (device, _), size in files.items():
        if device in in_memory:
            memory += size
        else:
            on_disk += size
    return Sample(memory, on_disk, written)


class Watch:
    """Inside `with`, the web server is looked at all the time."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.before = sample(system)
        self.samples = [self.before]
        self.ending = threading.Event()
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        try:
            while not self.ending.wait(SAMPLE_SECONDS):
                self.samples.append(sample(self.system))
        except BaseException as error:
            self.fault = error

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join(10)
        assert self.fault is None, self.fault

    def growth(self, name: str) -> int:
        """Of memory, files or written: how much above the start at the most."""
        highest = max(getattr(each, name) for each in self.samples)
        return highest - getattr(self.before, name)
