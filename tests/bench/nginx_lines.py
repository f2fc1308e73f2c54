# SPDX-License-Identifier: MIT
"""Lines that are added to the nginx that scripts/up has started, and taken out again."""

import os
import re
import signal
import subprocess
from pathlib import Path

from system import System, tail
from waiting import wait_until


class NginxError(Exception):
    """nginx or its configuration is not what it should be; the text tells how."""


def block(text: str, name: str) -> str:
    """The first block of this name. Braces in comments and texts come in pairs."""
    start = re.search(rf"^\s*{name} \{{", text, re.MULTILINE)
    if start is None:
        raise NginxError(f"expected a block '{name} {{ … }}' in nginx.conf, and there is none")
    depth = 0
    for brace in re.finditer(r"[{}]", text[start.start() :]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[start.start() : start.start() + brace.end()] + "\n"
    raise NginxError(f"the block '{name} {{ … }}' in nginx.conf has no end")


class Nginx:
    """The one of a system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.file = system.var / "etc" / "nginx.conf"
        self.log = system.var / "log" / "nginx-error.log"
        self.rendered = self.file.read_text()

    def first_replica_alone(self, port: int) -> str:
        """The lines of the system itself once more, with one replica behind them."""
        upstream = block(self.rendered, "upstream buzon").splitlines(keepends=True)
        first = [line for line in upstream if "/buzon-" not in line or "/buzon-1.sock" in line]
        lines = "".join(first) + block(self.rendered, "server")
        for old, new in (
            ("upstream buzon ", "upstream buzon-1 "),
            ("zone buzon ", "zone buzon-1 "),
            ("fastcgi_pass $buzon_upstream;", "fastcgi_pass buzon-1;"),
            (f"listen 127.0.0.1:{self.system.port};", f"listen 127.0.0.1:{port};"),
        ):
            if old not in lines:
                raise NginxError(f"expected '{old}' in {self.file}, and it is not there")
            lines = lines.replace(old, new)
        return lines

    def add(self, lines: str) -> None:
        """Into http { }, which ends the file."""
        head, brace, rest = self.rendered.rpartition("}")
        self._use(f"{head}{lines}{brace}{rest}")

    def restore(self) -> None:
        if self.file.read_text() != self.rendered:
            self._use(self.rendered)

    def _use(self, text: str) -> None:
        self.file.write_text(text)
        self._check()
        before = self._workers()
        os.kill(self.system.pid("nginx"), signal.SIGHUP)
        try:
            wait_until(lambda: self._taken_over(before), 10, f"nginx serves by {self.file}")
        except AssertionError as error:
            raise NginxError(f"{error}; its log:\n{tail(self.log)}") from error

    def _check(self) -> None:
        command = ["nginx", "-t", "-q", "-p", self.system.var, "-e", self.log, "-c", self.file]
        # On the PATH of root alone.
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        done = subprocess.run(
            command, env={"PATH": path}, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode != 0:
            raise NginxError(f"nginx refuses {self.file}:\n{done.stderr}")

    def _workers(self) -> set[int]:
        pid = self.system.pid("nginx")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return {int(child) for child in children.split()}

    def _taken_over(self, before: set[int]) -> bool:
        """Those before listen no more, and others have come."""
        return bool(self._workers() - before) and not any(listens(worker) for worker in before)


def listens(worker: int) -> bool:
    """True for a worker of nginx that has not begun to end."""
    try:
        title = Path(f"/proc/{worker}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return title != b"" and b"shutting down" not in title
