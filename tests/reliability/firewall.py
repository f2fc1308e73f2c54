# SPDX-License-Identifier: MIT
"""Packets that are lost, in the network of these tests alone."""

import os
import subprocess
from types import TracebackType

from conftest import cannot_run


def require_own_network() -> None:
    """The machine's own rules are not ours to change."""
    if os.environ.get("BUZON_TEST_NETWORK") != "own":
        cannot_run("packets are lost in a network of its own only, which needs root")


class LostReplies:
    """Inside `with`, nothing that is sent from this TCP port arrives."""

    def __init__(self, port: int) -> None:
        self.rule = ["OUTPUT", "-o", "lo", "-p", "tcp", "--sport", str(port), "-j", "DROP"]

    def __enter__(self) -> "LostReplies":
        iptables("-A", *self.rule)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        iptables("-D", *self.rule)


def iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "-w", *arguments], check=True, timeout=10)
