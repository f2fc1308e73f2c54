# SPDX-License-Identifier: MIT
"""HAProxy's runtime API: what the backend of the replicas does, and who is in it.

HAProxy's own words: https://docs.haproxy.org/3.0/management.html#9.3
"""

import csv
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOCKET = Path("/run/haproxy/admin.sock")
BACKEND = "api"

PROCESS_SECONDS = 10


class HaproxyError(Exception):
    """HAProxy cannot be asked, or has refused; the text has its words."""


@dataclass(frozen=True)
class Server:
    name: str
    address: str
    status: str
    sessions: int

    @property
    def serves(self) -> bool:
        return self.status.startswith(("UP", "no check"))

    @property
    def drains(self) -> bool:
        return self.status.startswith("DRAIN")


@dataclass(frozen=True)
class Load:
    """What the backend does at this moment."""

    servers: tuple[Server, ...]
    # Requests that wait for a server.
    queue: int
    # Requests a second, over the last second.
    rate: int
    # The average of the last 1024 requests, however long ago they were.
    milliseconds: int

    @property
    def serving(self) -> int:
        return sum(server.serves for server in self.servers)

    @property
    def sessions(self) -> int:
        return sum(server.sessions for server in self.servers)


def ask(command: str) -> str:
    """What HAProxy answers to one command."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PROCESS_SECONDS)
            connection.connect(str(SOCKET))
            connection.sendall(command.encode() + b"\n")
            pieces = iter(lambda: connection.recv(65536), b"")
            return b"".join(pieces).decode(errors="replace").strip()
    except OSError as error:
        raise HaproxyError(f"{SOCKET}: {error}; is haproxy.service running?") from error


def order(command: str, *answers: str) -> None:
    """A command that has succeeded only with one of these answers, or with none."""
    said = ask(command)
    if said and not any(answer in said for answer in answers):
        raise HaproxyError(f"haproxy answered '{command}' with '{said}'")


def serves_replicas() -> bool:
    """Whether it runs, with our configuration."""
    if not SOCKET.exists():
        return False
    return f",{BACKEND}," in "," + ask("show backend").replace("\n", ",") + ","


def load() -> Load:
    # 2 is the backend, 4 its servers, -1 all of them.
    said = ask(f"show stat {BACKEND} 6 -1")
    ours = list(csv.DictReader(said.removeprefix("# ").splitlines()))
    whole = [row for row in ours if row["svname"] == "BACKEND"]
    if not whole:
        raise HaproxyError(f"haproxy has no backend '{BACKEND}'")
    return Load(
        servers=tuple(
            Server(row["svname"], row["addr"], row["status"], int(row["scur"]))
            for row in ours
            if row["svname"] != "BACKEND"
        ),
        queue=sum(int(row["qcur"] or 0) for row in ours),
        rate=int(whole[0]["rate"] or 0),
        milliseconds=int(whole[0]["ttime"] or 0),
    )


def find(name: str) -> Server | None:
    return next((server for server in load().servers if server.name == name), None)


def add(name: str, address: str, options: str) -> None:
    """From now on it gets requests. options: those of a server in haproxy.cfg."""
    path = f"{BACKEND}/{name}"
    order(f"add server {path} {address} {options}", "New server registered")
    order(f"enable health {path}")
    order(f"enable server {path}")


def drain(name: str, seconds: float) -> bool:
    """It gets no more requests. Whether it has answered all that it had."""
    order(f"set server {BACKEND}/{name} state drain")

    def is_idle() -> bool:
        server = find(name)
        return server is None or server.sessions == 0

    return wait(is_idle, seconds)


def serve(name: str) -> None:
    """It gets requests again."""
    order(f"set server {BACKEND}/{name} state ready")


def remove(name: str) -> None:
    """HAProxy knows it no more. Its connections must have ended."""
    order(f"set server {BACKEND}/{name} state maint")
    said = ""

    def is_removed() -> bool:
        nonlocal said
        said = ask(f"del server {BACKEND}/{name}")
        return "Server deleted" in said or "No such server" in said

    if not wait(is_removed, PROCESS_SECONDS):
        raise HaproxyError(f"haproxy does not remove {name}: '{said}'")


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
