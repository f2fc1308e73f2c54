# SPDX-License-Identifier: MIT
"""All replicas are restarted, one after the other, and the web server reloads, under
load: no request fails."""

import itertools
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from conftest import Scale, cannot_run
from hot_posts import HotPosts
from load import ALIVE, NEWEST, Load, Outcome
from patient import PatientApi, Resets
from system import ROOT, System, is_alive
from waiting import wait_until
from web_server import MIGRATE, rerender

PROGRAM = Path(os.environ.get("BUZON_TEST_PROGRAM", ROOT / "build" / "buzon"))

READERS = 24
WRITERS = 8

# 50,000 requests take a while on a slow machine.
pytestmark = pytest.mark.timeout(900)

# Caddy closes its listening socket at a reload. What Linux has no time to hand over it
# resets: one connection in some 300 reloads, as docs/servers.md says.
RESETS_BEHIND_CADDY = 2

# A restart that is none costs a request as good as each time.
RESTARTS_OF_CONTROL = 5
ROUNDS_OF_CONTROL = 60

# It ends without a drain: what it has begun is never answered.
UNDRAINED = """#!/bin/sh
exec 3<&0
"{program}" <&3 3<&- &
child=$!
trap 'kill -9 $child; exit' TERM
wait
"""

settings = (f"BUZON_QUEUE={1024 + number}" for number in itertools.count(1))


def restart_replicas(system: System, program: Path = PROGRAM) -> None:
    """As a user does it: with a setting that has changed."""
    before = dict(system.pids)
    system.settings = [next(settings)]
    system.up("--program", str(program))
    assert not set(before.values()) & set(system.pids.values()), "no restart"


def reload_web_server(system: System) -> None:
    # Another number of replicas each time, for some ignore what says the same.
    for replicas in (2, 3):
        rerender(system, replicas)


@pytest.fixture
def reloadable(served: System) -> System:
    if served.proxy == "caddy" and not (MIGRATE.exists() and int(MIGRATE.read_text())):
        cannot_run(f"{MIGRATE} is not 1, which webserver-configs/caddy/Caddyfile wants")
    return served


@pytest.fixture
def undrained(served: System) -> Iterator[Path]:
    """A program that is weakened so."""
    drained = served.var / "drained"
    shutil.copy(PROGRAM, drained)
    program = served.var / "undrained"
    program.write_text(UNDRAINED.format(program=drained))
    program.chmod(0o755)
    yield program
    served.up("--program", str(PROGRAM))


def load_on(system: System) -> tuple[Load, Resets]:
    resets = Resets(RESETS_BEHIND_CADDY if system.proxy == "caddy" else 0)
    connect = partial(PatientApi, resets=resets)
    return Load(system.url, READERS, WRITERS, connect), resets


def answered(load: Load) -> int:
    return len(load.reads) + sum(len(writer.ids) for writer in load.writers)


def failures(load: Load) -> list[Outcome]:
    """What got no answer, or another one than it should have got."""
    return load.refused() + [read for read in load.reads if read.status != 200]


def test_restarts_and_reloads_cost_no_request(
    reloadable: System, full: bool, figure: Callable[[str], None]
) -> None:
    load, resets = load_on(reloadable)
    rounds = 0
    with load:
        wait_until(lambda: answered(load) >= 100, 20, "the load has begun")
        while rounds == 0 or answered(load) < (50_000 if full else 0):
            restart_replicas(reloadable)
            reload_web_server(reloadable)
            rounds += 1
    failed = [str(outcome) for outcome in failures(load)]
    figure(
        f"{len(failed)} of {answered(load)} requests failed during {rounds} restarts of"
        f" all replicas and {2 * rounds} reloads;"
        f" {resets.seen} new connections were reset"
    )
    assert not failed, f"{len(failed)}: {failed[:5]}"
    assert load.reads_of(ALIVE) and load.reads_of(NEWEST)
    with closing(reloadable.api()) as api:
        load.assert_stored_once(api)


def test_no_post_meets_the_end_of_a_kept_connection(
    served: System, scale: Scale, figure: Callable[[str], None]
) -> None:
    """A replica that ends closes its connections, while the next POST is already there."""
    rounds = scale(2, 20)
    with HotPosts(served) as posts:
        for _ in range(rounds):
            restart_replicas(served)
    figure(
        f"{posts.refused} of {posts.answered} failed during {rounds} restarts of all"
        f" replicas; {posts.cut} clients' connections were closed instead of an answer"
    )
    assert not posts.refused
    # HAProxy tells the client in this way to send it again.
    assert not posts.cut or served.proxy == "haproxy"


def take_name_from_nginx(system: System) -> None:
    """It does not say any more that it is nginx, until scripts/up runs again."""
    path = system.var / "etc" / "nginx.conf"
    text, count = re.subn(r"fastcgi_param SERVER_SOFTWARE .*;", "", path.read_text())
    assert count, f"{path} has no SERVER_SOFTWARE"
    path.write_text(text)
    os.kill(system.pid("nginx"), signal.SIGHUP)


@pytest.mark.parametrize("served", ["nginx"], indirect=True)
def test_posts_meet_the_end_of_connections_where_nginx_is_not_told(
    served: System, figure: Callable[[str], None]
) -> None:
    """The control of the one above. nginx has the first replica store all of them."""
    refused = rounds = 0
    while not refused and rounds < ROUNDS_OF_CONTROL:
        take_name_from_nginx(served)
        with HotPosts(served) as posts:
            process = served.pid("buzon-1")
            os.kill(process, signal.SIGTERM)
            wait_until(lambda: not is_alive(process), 10, "the replica has ended")
        served.up()
        refused = posts.refused
        rounds += 1
    figure(f"{refused} failed while {rounds} replicas ended, one after the other")
    assert refused


# Others may close the client's connection, and it sends the request once more.
@pytest.mark.parametrize("served", ["nginx"], indirect=True)
def test_restarts_without_a_drain_cost_requests(
    served: System, undrained: Path, figure: Callable[[str], None]
) -> None:
    """The control of the one above."""
    restart_replicas(served, undrained)
    load, _ = load_on(served)
    restarts = 0
    with load:
        wait_until(lambda: answered(load) >= 100, 20, "the load has begun")
        while not failures(load) and restarts < RESTARTS_OF_CONTROL:
            restart_replicas(served, undrained)
            restarts += 1
    figure(f"{len(failures(load))} of {answered(load)} requests failed")
    assert failures(load)
