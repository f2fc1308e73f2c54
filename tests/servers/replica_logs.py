# SPDX-License-Identifier: MIT
"""Which replicas were asked, by their own logs."""

from load import NEWEST
from system import System


class ReplicaLogs:
    """What is in the logs from now on."""

    def __init__(self, system: System) -> None:
        self.paths = {
            number: system.var / "log" / f"buzon-{number}.log"
            for number in range(1, system.replicas + 1)
        }
        self.ends = {
            number: path.stat().st_size if path.exists() else 0
            for number, path in self.paths.items()
        }

    def have(self, text: str) -> set[int]:
        """The replicas in whose logs it stands."""
        found = set()
        for number, path in self.paths.items():
            with path.open("rb") as log:
                log.seek(self.ends[number])
                if text.encode() in log.read():
                    found.add(number)
        return found

    def asked(self) -> set[int]:
        """Who was asked by a Load. No health check asks for this one."""
        return self.have(f'"target":"{NEWEST}"')
