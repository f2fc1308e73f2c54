# SPDX-License-Identifier: MIT
"""HAProxy's configuration file, kept in step with the replicas that there are."""

import os
import re
import subprocess
from pathlib import Path

from . import containers
from .haproxy import HaproxyError
from .settings import Settings

# haproxy.cfg with the line MARK in place of its servers.
TEMPLATE = Path("/etc/buzon/haproxy.cfg")
FILE = Path("/etc/haproxy/haproxy.cfg")
MARK = "\t# The replicas of /etc/buzon/replicas.conf.\n"


def servers(settings: Settings) -> dict[str, str]:
    """The name and the address of each, in the backend's order."""
    found = {
        containers.name_of(number): f"{settings.address_of(number)}:{containers.PORT}"
        for number in containers.numbers()
    }
    for number, address in enumerate(settings.elsewhere, 1):
        found[f"elsewhere-{number}"] = address
    return found


def server_options() -> str:
    """What default-server says, which servers that come later do not get."""
    found = re.search(r"^\tdefault-server (.*)$", FILE.read_text(), re.MULTILINE)
    return found[1] if found else ""


def write(settings: Settings) -> bool:
    """Whether it has changed. It does not reload HAProxy."""
    found = servers(settings)
    if not found or not TEMPLATE.exists():
        # HAProxy refuses a backend without any.
        return False
    template = TEMPLATE.read_text()
    if MARK not in template:
        raise HaproxyError(f"{TEMPLATE} has no line '{MARK.strip()}'")
    lines = [f"\tserver {name} {at}\n" for name, at in found.items()]
    text = template.replace(MARK, MARK + "".join(lines))
    if FILE.exists() and FILE.read_text() == text:
        return False
    new = FILE.with_suffix(".new")
    new.write_text(text)
    check(new)
    os.replace(new, FILE)
    return True


def check(file: Path) -> None:
    done = subprocess.run(
        ["haproxy", "-c", "-q", "-f", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HaproxyError(f"haproxy refuses {file}: {done.stdout.strip()}")
