# SPDX-License-Identifier: MIT
"""Adds, removes and replaces replicas while requests go on."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import configuration, containers, haproxy
from .settings import Settings

LOCK = Path("/run/lock/buzon-replicas")

# So long requests of a replica that goes may take; longer ones, exports for example,
# are cut off.
DRAIN_SECONDS = 60
SERVE_SECONDS = 10

Say = Callable[[str], None]


@contextmanager
def alone() -> Iterator[None]:
    """One at a time changes anything."""
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def reconcile(settings: Settings, say: Say) -> None:
    """Ends what was cut off in its middle, and brings HAProxy to what there is."""
    for number in containers.numbers():
        if not containers.has_started(number):
            say(f"{containers.name_of(number)}: was never started: removed")
            containers.destroy(number)
    configuration.write(settings)
    if not haproxy.serves_replicas():
        return
    wanted = configuration.servers(settings)
    known = {server.name: server for server in haproxy.load().servers}
    for name in known.keys() - wanted.keys():
        say(f"{name}: haproxy has it, and it is no more: removed there")
        haproxy.remove(name)
    for name in wanted:
        if name not in known:
            say(f"{name}: haproxy did not have it: added there")
            haproxy.add(name, wanted[name], configuration.server_options())
        elif known[name].drains:
            say(f"{name}: haproxy gave it no more requests: gives them again")
            haproxy.serve(name)


def add(settings: Settings, say: Say, image: Path | None = None) -> int:
    """One replica more, which serves when this returns. Returns its number."""
    there = containers.numbers()
    number = next(n for n in range(1, len(there) + 2) if n not in there)
    name = containers.name_of(number)
    containers.make(number, image or containers.newest_image(), settings)
    try:
        containers.start(number, settings)
    except containers.ContainerError:
        containers.destroy(number)
        raise
    configuration.write(settings)
    if haproxy.serves_replicas():
        address = f"{settings.address_of(number)}:{containers.PORT}"
        haproxy.add(name, address, configuration.server_options())
        await_serving(name)
    say(f"{name}: serves")
    return number


def remove(settings: Settings, say: Say, number: int) -> None:
    """One replica fewer, when it has answered what it had."""
    name = containers.name_of(number)
    drain(name, say)
    containers.destroy(number)
    configuration.write(settings)
    if haproxy.serves_replicas():
        haproxy.remove(name)
    say(f"{name}: removed")


def scale(settings: Settings, say: Say, count: int) -> None:
    while len(containers.numbers()) < count:
        add(settings, say)
    while len(containers.numbers()) > count:
        remove(settings, say, containers.numbers()[-1])


def renew_outdated(settings: Settings, say: Say) -> None:
    """Replaces those that would be others if they were made now, one after the other."""
    for number in containers.numbers():
        if containers.is_outdated(number, settings):
            replace(settings, say, number)


def replace(settings: Settings, say: Say, number: int) -> None:
    """The same replica from the newest image, while others serve. If the new one does
    not answer, it is the old one again."""
    extra = add(settings, say) if len(configuration.servers(settings)) == 1 else None
    name = containers.name_of(number)
    old, new = containers.image_of(number), containers.newest_image()
    drain(name, say)
    containers.destroy(number)
    try:
        make_again(settings, number, new)
    except containers.ContainerError as error:
        if number in containers.numbers():
            containers.destroy(number)
        # Replicas that are added from now on must not be of the new one either.
        containers.choose_image(old)
        make_again(settings, number, old)
        raise containers.ContainerError(
            f"{error}. {name} is from {old.name} again, and the others were not touched"
        ) from error
    say(f"{name}: replaced, from {old.name} to {new.name}")
    if extra:
        remove(settings, say, extra)


def make_again(settings: Settings, number: int, image: Path) -> None:
    containers.make(number, image, settings)
    containers.start(number, settings)
    if haproxy.serves_replicas():
        name = containers.name_of(number)
        haproxy.serve(name)
        await_serving(name)


def drain(name: str, say: Say) -> None:
    if haproxy.serves_replicas() and not haproxy.drain(name, DRAIN_SECONDS):
        say(f"{name}: still had requests after {DRAIN_SECONDS} s, which are cut off")


def await_serving(name: str) -> None:
    def serves() -> bool:
        server = haproxy.find(name)
        return server is not None and server.serves

    if not haproxy.wait(serves, SERVE_SECONDS):
        found = haproxy.find(name)
        raise haproxy.HaproxyError(
            f"haproxy does not take {name} as serving within {SERVE_SECONDS} s;"
            f" it says {found.status if found else 'nothing of it'}"
        )
