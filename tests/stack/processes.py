# SPDX-License-Identifier: MIT
"""The processes of a container, as the kernel tells of them."""

import base64
from dataclasses import dataclass, field

from release import APP_IMAGE
from stack import docker

# Lines of "PID FILE BASE64". The list is made before this has children, and what
# ends meanwhile is left out; so is Docker's own that is about to become a health check.
READ = r"""
for folder in /proc/[0-9]*; do
  pid=${folder#/proc/}
  name=$(cat "$folder/comm" 2>/dev/null) || continue
  [[ $pid != "$$" && $name != runc:* ]] || continue
  for file in status cmdline environ; do
    if text=$(base64 --wrap=0 "$folder/$file" 2>/dev/null); then
      printf '%s %s %s\n' "$pid" "$file" "$text"
    fi
  done
done
"""


@dataclass
class Process:
    pid: int
    status: dict[str, str] = field(default_factory=dict)
    command_line: list[str] = field(default_factory=list)
    # None where it could not be read, because the process has ended.
    environment: list[str] | None = None

    def capabilities(self, kind: str) -> int:
        """The set of that kind (Eff, Prm, Inh, Bnd, Amb), as a bit field."""
        return int(self.status[f"Cap{kind}"], 16)


def words(raw: bytes) -> list[str]:
    return raw.decode(errors="replace").rstrip("\0").split("\0")


def processes(container: str) -> list[Process]:
    """Read by root in the same process namespace: it sees all of every one."""
    printed = docker(
        *("run", "--rm", "--pid", f"container:{container}", "--network", "none"),
        *("--user", "root", "--cap-add", "SYS_PTRACE"),
        *("--entrypoint", "bash", APP_IMAGE, "-c", READ),
    )
    found: dict[int, Process] = {}
    for line in printed.splitlines():
        pid, file, text = line.split(" ")
        process = found.setdefault(int(pid), Process(int(pid)))
        raw = base64.b64decode(text)
        if file == "status":
            lines = raw.decode().splitlines()
            process.status = {n: v.strip() for n, _, v in (s.partition(":") for s in lines)}
        elif file == "cmdline":
            process.command_line = words(raw)
        else:
            process.environment = words(raw)
    assert 1 in found, f"no process 1 in {container}: {printed!r}"
    return list(found.values())
