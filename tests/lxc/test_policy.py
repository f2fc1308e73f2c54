# SPDX-License-Identifier: MIT
"""When buzon-autoscale adds or removes a replica, by a clock that the test moves."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from replicas.haproxy import Load, Server
from replicas.policy import Policy
from replicas.settings import Settings

SETTINGS = Settings(
    minimum=2,
    maximum=4,
    address=IPv4Address("10.77.0.10"),
    user_ids=1_000_000,
    elsewhere=(),
    sessions=10,
    milliseconds=100,
    grow_seconds=5,
    shrink_seconds=20,
    pause_seconds=15,
)


def load_of(
    replicas: int, sessions: int, queue: int = 0, milliseconds: int = 1, rate: int = 100
) -> Load:
    """The first replica has all of it; what counts is the sum."""
    servers = tuple(
        Server(f"api-{n}", f"10.77.0.{10 + n}:9000", "UP", sessions if n == 1 else 0)
        for n in range(1, replicas + 1)
    )
    return Load(servers, queue, rate, milliseconds)


def acts(load: Callable[[int, int], Load], replicas: int, seconds: int) -> list[tuple[int, int]]:
    """When it acts, a look each second, and what it does; load is of (second, replicas)."""
    policy = Policy(SETTINGS, 0)
    done = []
    for second in range(seconds):
        decision = policy.decide(load(second, replicas), replicas, second)
        if decision:
            assert decision.reason
            replicas += decision.change
            policy.has_acted(second)
            done.append((second, decision.change))
    return done


# What is under way, how many replicas there are, and what is done about it within a minute.
STEADY = {
    "enough for two": (lambda s, n: load_of(n, 20), 2, []),
    "too much for two": (lambda s, n: load_of(n, 21), 2, [(15, 1)]),
    "too much for any number": (lambda s, n: load_of(n, 99), 2, [(15, 1), (30, 1)]),
    "requests that wait": (lambda s, n: load_of(n, 0, queue=3), 2, [(15, 1), (30, 1)]),
    "slow answers": (lambda s, n: load_of(n, 0, milliseconds=101), 2, [(15, 1), (30, 1)]),
    "answers that were slow once": (
        lambda s, n: load_of(n, 0, milliseconds=900, rate=0),
        2,
        [],
    ),
    "nothing": (lambda s, n: load_of(n, 0), 4, [(20, -1), (41, -1)]),
    "what three could just bear": (lambda s, n: load_of(n, 16), 4, []),
    "half of what three bear": (lambda s, n: load_of(n, 15), 4, [(20, -1)]),
    "fewer than there must be": (lambda s, n: load_of(n, 0), 1, [(0, 1)]),
    "more than there may be": (lambda s, n: load_of(n, 99), 5, [(0, -1)]),
    "no replica that serves": (lambda s, n: load_of(0, 0), 2, []),
}


@pytest.mark.parametrize("load, replicas, done", STEADY.values(), ids=STEADY)
def test_a_steady_load_leads_to_what_it_needs_and_stays_there(
    load: Callable[[int, int], Load], replicas: int, done: list[tuple[int, int]]
) -> None:
    assert acts(load, replicas, 60) == done


def test_one_look_that_finds_much_does_nothing() -> None:
    assert acts(lambda s, n: load_of(n, 50 if s == 30 else 12), 2, 90) == []


def test_a_pause_in_a_rush_hides_nothing() -> None:
    """Single looks that find little do not start the time anew."""
    done = acts(lambda s, n: load_of(n, 0 if s % 4 == 0 else 40), 2, 20)
    assert done == [(15, 1)]


@pytest.mark.parametrize("sessions", range(0, 60))
def test_it_never_takes_back_what_a_steady_load_made_it_do(sessions: int) -> None:
    changes = [change for _, change in acts(lambda s, n: load_of(n, sessions), 2, 600)]
    assert -1 not in changes
    changes = [change for _, change in acts(lambda s, n: load_of(n, sessions), 4, 600)]
    assert 1 not in changes or -1 not in changes
