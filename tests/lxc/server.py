# SPDX-License-Identifier: MIT
"""The server that the playbooks set up: this very machine, as tests/lxc/host makes it."""

import json
import os
import re
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from commands import CommandError, run
from replicas.containers import answers
from system import ROOT
from traffic import SecureApi

DOMAIN = "inbox.example.org"
EMAIL = "me@example.org"
URL = f"https://{DOMAIN}"
PLAYBOOKS = ROOT / "ansible"

# What ansible/settings.yml says, but for these: small bounds and little patience, so
# that a test sees in a minute what takes an hour.
SETTINGS = {
    "replicas_minimum": 2,
    "replicas_maximum": 4,
    "autoscale": False,
    "autoscale_sessions": 6,
    "autoscale_grow_seconds": 3,
    "autoscale_shrink_seconds": 6,
    "autoscale_pause_seconds": 3,
    "backup_keep": 2,
    # Nobody is there: the server makes the root filesystem itself.
    "container_image_server": "localhost:1",
}


@dataclass(frozen=True)
class Recap:
    """The last line of ansible-playbook: how many tasks did what."""

    ok: int
    changed: int
    failed: int


class Server:
    def __init__(self, folder: Path, acme_url: str, environment: dict[str, str]) -> None:
        self.inventory = folder / "inventory"
        self.inventory.write_text(
            f"[buzon]\nlocalhost ansible_connection=local domain={DOMAIN} email={EMAIL}\n"
        )
        self.settings = {**SETTINGS, "acme_url": acme_url}
        self.environment = {**os.environ, **environment}

    def play(self, playbook: str, timeout: float = 600, **settings: object) -> str:
        """What ansible-playbook printed."""
        return run(
            *("ansible-playbook", "--inventory", str(self.inventory), playbook),
            *("--extra-vars", json.dumps(self.settings | settings)),
            environment=self.environment,
            folder=PLAYBOOKS,
            timeout=timeout,
        )

    def render(self, role: str, name: str) -> None:
        """One of a role's templates, to its place in /etc/buzon."""
        run(
            *("ansible", "--inventory", str(self.inventory), "buzon"),
            *("-e", "@settings.yml", "-e", "@layout.yml", "-e", json.dumps(self.settings)),
            *("-m", "ansible.builtin.template"),
            *("-a", f"src=roles/{role}/templates/{name}.j2 dest=/etc/buzon/{name}"),
            environment=self.environment,
            folder=PLAYBOOKS,
        )


def recap(printed: str) -> Recap:
    found = re.search(r"^localhost +: (.*)$", printed, re.MULTILINE)
    assert found, printed[-2000:]
    numbers = dict(word.split("=") for word in found[1].split())
    return Recap(*(int(numbers[name]) for name in ("ok", "changed", "failed")))


def replicas() -> list[str]:
    """Those that HAProxy says are up, and that answer: of one that has just died HAProxy
    says so for a second more."""
    lines = run("buzon-replicas", "list").splitlines()[1:]
    rows = [line.split() for line in lines]
    return [row[0] for row in rows if row[2] == "UP" and answers(row[1])]


def runtime(commands: str) -> str:
    """What HAProxy answers to them."""
    return subprocess.run(
        ["socat", "-t10", "-", "UNIX-CONNECT:/run/haproxy/admin.sock"],
        input=f"{commands}\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=10,
    ).stdout


def healthy() -> bool:
    """Whether a replica answers, and the database."""
    with closing(SecureApi(URL)) as api:
        return api.get("/api/health").status == 200


def inside(container: str, *command: str) -> str:
    return run("lxc-attach", "--name", container, "--clear-env", "--", *command)


def processes(container: str) -> list[Path]:
    """The folders in /proc of a container's processes, as the server sees them."""
    init = run("lxc-info", "--name", container, "--pid", "--no-humanize").strip()
    space = Path(f"/proc/{init}/ns/pid").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() == space:
                found.append(process)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def containers() -> list[str]:
    return run("lxc-ls", "-1", "--running").split()


def logs() -> str:
    """What the server's own journal and its containers' say."""
    texts = [run("journalctl", "--no-pager", "-n", "60", "-o", "cat")]
    for name in containers():
        try:
            texts.append(f"--- {name}\n" + inside(name, "journalctl", "-n", "15", "-o", "cat"))
        except CommandError as error:
            texts.append(str(error))
    return "\n".join(texts)
