# SPDX-License-Identifier: MIT
"""One replica with settings of its own, spawned as in production."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping

import memory
from fastcgi import Address, Connection, FastcgiApi
from system import System, short_directory, tail
from waiting import wait_until

# What a program needs from its surroundings, besides its own settings.
KEPT_ENVIRONMENT = ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_PRELOAD", "TSAN_OPTIONS")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {n: os.environ[n] for n in KEPT_ENVIRONMENT if n in os.environ}
    return {**kept, **settings}


class Replica:
    """Runs inside `with`; its socket and its log go with it."""

    def __init__(self, system: System, *, tcp: bool = False, **settings: str) -> None:
        """settings: BUZON_WORKERS="2" …, over those of the system."""
        self.directory = short_directory()
        self.log_path = self.directory / "log"
        self.tcp = tcp
        self.address: Address = self.directory / "socket"
        self.settings = {**system.program_settings(), **settings}
        self.program = system.program()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Replica":
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        if kind is not None:
            print(f"--- {self.log_path}\n{tail(self.log_path)}")
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()

    def start(self) -> None:
        self.spawn()
        # Under valgrind it takes seconds.
        wait_until(self._serves, 30, "the replica serves")

    def spawn(self) -> None:
        """Starts it and waits for nothing."""
        where = self._tcp_options() if self.tcp else ["-s", str(self.address)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["spawn-fcgi", "-n", *where, "--", str(self.program)],
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _tcp_options(self) -> list[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        return ["-a", "127.0.0.1", "-p", str(self.address[1])]

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            with FastcgiApi(self.address) as api:
                return api.get("/api/test").status == 200
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def api(self, timeout: float = 20) -> FastcgiApi:
        return FastcgiApi(self.address, timeout)

    def connect(self, timeout: float = 20) -> Connection:
        return Connection(self.address, timeout)

    def terminate(self) -> None:
        assert self.process is not None
        self.process.terminate()

    def wait(self, seconds: float) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def runs(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def memory_kib(self, name: str = "VmRSS") -> int:
        """A figure of /proc/PID/status: VmRSS now, VmHWM at the highest."""
        return memory.kib(self.pid, name)

    def forget_highest_memory(self) -> None:
        memory.forget_highest(self.pid)
