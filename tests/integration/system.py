# SPDX-License-Identifier: MIT
"""A whole system: what scripts/up starts and scripts/down stops."""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from database import Database
from http_client import Api

ROOT = Path(__file__).resolve().parents[2]
LOG_TAIL_LINES = 25

# Another build of the program, with sanitizers for example.
PROGRAM = os.environ.get("BUZON_TEST_PROGRAM")

# Every system that runs now; conftest.py looks after them.
running: list["System"] = []


def free_port() -> int:
    """Below the ports that clients get: under load those come and go by the thousand,
    and each is taken for a minute."""
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def short_directory() -> Path:
    """A directory whose Unix sockets keep within 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="buzon-", dir="/tmp"))


def is_alive(pid: int) -> bool:
    """True for a process that runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def refuses(path: Path) -> bool:
    """True when nobody listens at this socket any more. A process that was killed listens
    until the last of its threads has ended, also when it is a zombie already."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def is_trouble(line: str) -> bool:
    """A line of a replica's log that is no everyday one."""
    everyday = '"level":"info"' in line and not re.search(r'"status":5\d\d', line)
    return line.startswith("{") and not everyday


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines, and those before them that tell of trouble."""
    try:
        log = path.read_text(errors="replace").splitlines()
    except OSError as error:
        return f"(no log: {error})\n"
    trouble = [line for line in log[:-lines] if is_trouble(line)]
    return "\n".join(line[:400] for line in trouble[-lines:] + log[-lines:]) + "\n"


class ScriptError(Exception):
    """A script failed; the text holds what it printed."""


def script(name: str, *arguments: str, timeout: float = 110) -> str:
    """Runs scripts/NAME and returns what it printed."""
    done = subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise ScriptError(
            f"scripts/{name} {' '.join(arguments)}"
            f" ended with {done.returncode}:\n{done.stdout}"
        )
    return done.stdout


class System:
    """Replicas, a web server and a MariaDB of their own in a directory."""

    def __init__(
        self,
        replicas: int = 3,
        mariadb_options: Sequence[str] = (),
        *,
        proxy: str = "nginx",
        panel: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        """settings: "BUZON_WORKERS=2" …"""
        self.var = short_directory()
        self.port = free_port()
        self.replicas = replicas
        self.mariadb_options = mariadb_options
        self.proxy = proxy
        self.panel = panel
        self.settings = settings
        self.pids: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def run_directory(self) -> Path:
        return self.var / "run"

    @property
    def database(self) -> Database:
        return Database(self.run_directory / "mariadb.sock")

    def up_arguments(self) -> list[str]:
        arguments = ["--var", str(self.var), "--port", str(self.port)]
        arguments += ["--replicas", str(self.replicas), "--proxy", self.proxy]
        arguments.append("--panel" if self.panel else "--no-panel")
        for setting in self.settings:
            arguments += ["--set", setting]
        for option in self.mariadb_options:
            arguments += ["--mariadb-option", option]
        if PROGRAM:
            arguments += ["--program", PROGRAM]
        return arguments

    def up(self, *more: str) -> str:
        printed = script("up", *self.up_arguments(), *more)
        self.pids = {name: self.pid(name) for name in self.replica_names()}
        return printed

    def switch(self, proxy: str) -> None:
        """Puts this web server in place of the one that runs."""
        self.proxy = proxy
        self.up()

    def down(self, *more: str) -> str:
        self.pids = {}
        return script("down", "--var", str(self.var), *more)

    def remove(self) -> None:
        """Stops everything and leaves nothing, also after a failed start."""
        try:
            self.down("--purge")
        finally:
            shutil.rmtree(self.var, ignore_errors=True)

    def __enter__(self) -> "System":
        running.append(self)
        try:
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        running.remove(self)
        self.remove()

    def replica_names(self) -> list[str]:
        return [f"buzon-{n}" for n in range(1, self.replicas + 1)]

    def replica_socket(self, number: int = 1) -> Path:
        return self.run_directory / f"buzon-{number}.sock"

    def pid(self, name: str) -> int:
        return int((self.run_directory / f"{name}.pid").read_text())

    def dead_replicas(self) -> list[str]:
        """Those of whom the process that was started is not there any more."""
        return [
            f"{name} (was process {pid})"
            for name, pid in self.pids.items()
            if not is_alive(pid) or self.pid(name) != pid
        ]

    def log_tails(self) -> str:
        log = self.var / "log"
        logs = [*sorted(log.glob("buzon-*.log")), *sorted(log.glob("*error.log"))]
        logs.append(log / "mariadb.log")
        return "".join(f"--- {path}\n{tail(path)}" for path in logs)

    def api(self) -> Api:
        return Api(self.url)

    def program(self) -> Path:
        """The program that the replicas run."""
        return self.var / "bin" / "buzon"

    def program_settings(self) -> dict[str, str]:
        """The settings that scripts/up gave to the first replica."""
        raw = Path(f"/proc/{self.pid('buzon-1')}/environ").read_bytes()
        pairs = (entry.partition("=") for entry in raw.decode().split("\0"))
        return {n: v for n, _, v in pairs if n.startswith("BUZON_")}
