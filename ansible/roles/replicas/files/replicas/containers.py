# SPDX-License-Identifier: MIT
"""The containers of the replicas: api-1, api-2, … clones of the newest image."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from ipaddress import IPv4Address
from pathlib import Path

from .settings import Settings

CONTAINERS = Path("/var/lib/lxc")
UNITS = Path("/etc/systemd/system/multi-user.target.wants")
IMAGE = Path("/var/lib/buzon/images/api/current")
# The configuration of a replica, with @NAME@, @ADDRESS@ … in it.
TEMPLATE = Path("/etc/buzon/replica.lxc")
# What its container sees as /etc/buzon.
PROGRAM_SETTINGS = Path("/etc/buzon/api")
PORT = 9000
START_SECONDS = 20


class ContainerError(Exception):
    """A container could not be made, started or ended; the text says why."""


def name_of(number: int) -> str:
    return f"api-{number}"


def numbers() -> list[int]:
    """Of the replicas that there are on this server, whole or not."""
    found = (re.fullmatch(r"api-([1-9]\d*)", path.name) for path in CONTAINERS.iterdir())
    return sorted(int(match[1]) for match in found if match)


def run(*command: str, **settings: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ContainerError(
            f"'{' '.join(command)}' ended with {done.returncode}: {done.stdout.strip()}"
        )
    return done.stdout


def newest_image() -> Path:
    if not (IMAGE / "rootfs").is_dir():
        raise ContainerError(f"there is no image at {IMAGE}; buzon-image api makes it")
    return IMAGE.resolve()


def choose_image(image: Path) -> None:
    """As if it were the newest."""
    link = IMAGE.with_name("current.new")
    link.unlink(missing_ok=True)
    link.symlink_to(image.name)
    link.replace(IMAGE)


def configuration_of(number: int) -> str:
    try:
        return (CONTAINERS / name_of(number) / "config").read_text()
    except FileNotFoundError:
        return ""


def render(number: int, image: Path, settings: Settings) -> str:
    """Its configuration. A replica with other settings has another one."""
    text = TEMPLATE.read_text()
    address = settings.address_of(number)
    for mark, value in {
        "@NAME@": name_of(number),
        "@ADDRESS@": address,
        "@HARDWARE_ADDRESS@": "02:00:" + IPv4Address(address).packed.hex(":"),
        "@ROOTFS@": str(image / "rootfs"),
    }.items():
        text = text.replace(mark, value)
    digest = hashlib.sha256()
    for file in sorted(PROGRAM_SETTINGS.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{text}# settings: {digest.hexdigest()}\n"


def is_outdated(number: int, settings: Settings) -> bool:
    """Whether it would be another one if it were made now."""
    return configuration_of(number) != render(number, newest_image(), settings)


def image_of(number: int) -> Path:
    """The image that it was made from."""
    text = configuration_of(number)
    found = re.search(r"^lxc\.rootfs\.path = overlay:(.*)/rootfs:", text, re.MULTILINE)
    if not found:
        raise ContainerError(f"the configuration of {name_of(number)} names no image")
    return Path(found[1])


def make(number: int, image: Path, settings: Settings) -> None:
    """A container that has not started yet."""
    folder = CONTAINERS / name_of(number)
    # First out of sight, so that a half of it is never taken for a replica.
    new = CONTAINERS / f".{name_of(number)}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o755)
    # LXC makes its overlay as the root of the container.
    for layer in ("delta", "work"):
        (new / layer).mkdir(mode=0o755)
        os.chown(new / layer, settings.user_ids, settings.user_ids)
    (new / "config").write_text(render(number, image, settings))
    new.rename(folder)


def unit_of(number: int) -> str:
    return f"buzon-container@{name_of(number)}.service"


def has_started(number: int) -> bool:
    """Whether start() was called for it."""
    return (UNITS / unit_of(number)).is_symlink()


def start(number: int, settings: Settings) -> None:
    """Returns when it answers. With each start of the server it starts again."""
    run("systemctl", "enable", "--quiet", "--now", unit_of(number))
    address = f"{settings.address_of(number)}:{PORT}"
    deadline = time.monotonic() + START_SECONDS
    while not answers(address):
        if time.monotonic() > deadline:
            raise ContainerError(
                f"{name_of(number)} does not answer at {address} within"
                f" {START_SECONDS} s; see: lxc-attach -n {name_of(number)} --"
                " journalctl -u buzon"
            )
        time.sleep(0.02)


def answers(address: str) -> bool:
    try:
        said = run(
            *("timeout", "2", "cgi-fcgi", "-bind", "-connect", address),
            REQUEST_METHOD="GET",
            REQUEST_URI="/api/test",
            SERVER_PROTOCOL="HTTP/1.1",
        )
    except ContainerError:
        return False
    return "ALIVE" in said


def destroy(number: int) -> None:
    """Ends it, whether it has ever started or not, and leaves nothing of it."""
    run("systemctl", "disable", "--quiet", "--now", unit_of(number))
    folder = CONTAINERS / name_of(number)
    gone = CONTAINERS / f".{name_of(number)}.gone"
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone)
