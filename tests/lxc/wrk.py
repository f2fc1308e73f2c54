# SPDX-License-Identifier: MIT
"""More load than Python can make: wrk."""

import signal
import subprocess

CONNECTIONS = 150


class Wrk:
    """Inside `with`, it asks without a pause; afterwards `printed` is its summary."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.printed = ""

    def __enter__(self) -> "Wrk":
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", "-d600", "--timeout", "20", self.url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        # It ends early and tells what it has seen.
        self.process.send_signal(signal.SIGINT)
        self.printed, _ = self.process.communicate(timeout=60)

    def assert_no_faults(self) -> None:
        assert "requests in" in self.printed, self.printed
        for word in ("Socket errors", "Non-2xx"):
            assert word not in self.printed, self.printed
