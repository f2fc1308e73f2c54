# SPDX-License-Identifier: MIT
"""The database server of a system, to be stopped, killed and started."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from system import System, is_alive
from waiting import wait_until


class MariadbProcess:
    """The server that runs now; restore() leaves one that scripts/up started."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.pid = system.pid("mariadb")
        proc = Path(f"/proc/{self.pid}")
        self.command = proc.joinpath("cmdline").read_bytes().decode().split("\0")[:-1]
        self.program = os.readlink(proc / "exe")
        self.directory = os.readlink(proc / "cwd")
        self.owner = proc.stat()
        self.stopped = False
        self.started_here = False

    def stop_moving(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = True

    def move_again(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """In an orderly way."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        os.kill(self.pid, how)
        wait_until(lambda: not is_alive(self.pid), 20, "MariaDB has ended")

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """The same server as the same user; does not wait until it answers. Its
        environment is that of the tests, and what is given."""
        as_root = os.geteuid() == 0
        with open(self.system.var / "log" / "mariadb.out", "ab") as log:
            child = subprocess.Popen(
                self.command,
                executable=self.program,
                cwd=self.directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.owner.st_uid if as_root else None,
                group=self.owner.st_gid if as_root else None,
                extra_groups=[] if as_root else None,
                start_new_session=True,
            )
        self.pid = child.pid
        self.started_here = True
        # Else it stays a zombie when it has ended.
        threading.Thread(target=child.wait, daemon=True).start()

    def wait_until_it_answers(self) -> None:
        wait_until(self.system.database.answers, 20, "MariaDB answers")

    def restore(self) -> None:
        """After a test, however it ended: all runs as scripts/up made it."""
        if self.stopped:
            self.move_again()
        if self.started_here and is_alive(self.pid):
            self.end()
        if not is_alive(self.pid):
            self.system.up()
