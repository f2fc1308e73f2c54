# SPDX-License-Identifier: MIT
"""Commands, as a person types them."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


class CommandError(Exception):
    """A command failed; the text holds what it printed."""


def attempt(
    *command: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(
    *command: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
    timeout: float = 60,
) -> str:
    """Returns what the command, which must succeed, wrote to stdout."""
    done = attempt(*command, environment=environment, folder=folder, timeout=timeout)
    if done.returncode != 0:
        raise CommandError(
            f"{' '.join(command)} ended with {done.returncode}:"
            f"\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout
