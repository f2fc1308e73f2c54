# SPDX-License-Identifier: MIT
"""Three replicas that come and go, and a database that goes, under load."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from load import ALIVE, NEWEST, Load, host_of
from stack import Stack, docker, inspect
from waiting import wait_until

REPLICAS = 3

# The proxy learns within this time that replicas have come or gone.
NOTICE_SECONDS = 10

# A read that meets a replica that is gone waits no longer for another one.
READ_SECONDS = 2

# A writer is told within this time that the database is away.
REFUSAL_SECONDS = 5

# The database's start after a crash, and the replicas' way back to it.
RECOVERY_SECONDS = 30


@pytest.fixture
def whole(fragile: Stack) -> Iterator[Stack]:
    """The fragile stack, which has all its parts again afterwards."""
    yield fragile
    fragile.up()
    api = fragile.api()
    wait_until(
        lambda: api.get("/api/health").status == 200,
        NOTICE_SECONDS,
        "the stack is well again",
    )
    api.close()


def host_names(stack: Stack) -> set[str]:
    """What the replicas that run call themselves."""
    return {
        inspect(container)["Config"]["Hostname"]
        for container in stack.running_containers("api")
    }


def ask_hosts(stack: Stack, count: int, kept: bool) -> Counter[str]:
    api = stack.api()
    hosts: Counter[str] = Counter()
    for _ in range(count):
        hosts[host_of(api.get(ALIVE))] += 1
        if not kept:
            api.close()
    api.close()
    return hosts


@pytest.mark.parametrize("kept", [True, False], ids=["one connection", "new ones"])
def test_replicas_answer_in_turn(each_stack: Stack, kept: bool) -> None:
    names = host_names(each_stack)
    assert len(names) == REPLICAS
    # One that has failed a request of an earlier test is left out for a while.
    wait_until(
        lambda: set(ask_hosts(each_stack, 20, kept)) == names,
        NOTICE_SECONDS,
        f"exactly {sorted(names)} answer",
    )
    shares = ask_hosts(each_stack, 300, kept)
    assert all(60 <= shares[name] <= 150 for name in names), shares


def scale(stack: Stack, replicas: int) -> None:
    stack.compose("up", "--detach", "--no-recreate", "--scale", f"api={replicas}")


def wait_for_hosts(load: Load, names: set[str]) -> None:
    """From some moment on exactly these answer."""

    def only_these() -> bool:
        hosts = load.hosts(since=time.monotonic() - 1)
        assert hosts, "nobody has answered for a second"
        return hosts == names

    wait_until(only_these, NOTICE_SECONDS, f"exactly {sorted(names)} answer")


def assert_stored_once(stack: Stack, load: Load) -> None:
    api = stack.api()
    load.assert_stored_once(api)
    api.close()


def test_scaling_costs_no_read(whole: Stack) -> None:
    proxy = whole.container("proxy")
    started = inspect(proxy)["State"]["StartedAt"]
    with Load(whole.url) as load:
        wait_until(lambda: len(load.hosts()) == REPLICAS, 10, "load on all")
        scale(whole, 5)
        names = host_names(whole)
        assert len(names) == 5
        wait_for_hosts(load, names)
        scale(whole, REPLICAS)
        names = host_names(whole)
        assert len(names) == REPLICAS
        wait_for_hosts(load, names)
    assert whole.container("proxy") == proxy
    assert inspect(proxy)["State"]["StartedAt"] == started
    load.assert_reads(ALIVE, READ_SECONDS)
    load.assert_reads(NEWEST, READ_SECONDS)
    assert_stored_once(whole, load)


# /proc/net/tcp writes an address as one number of this machine's byte order.
ESTABLISHED, SYN_SENT = "01", "02"


def contacts(proxy: str) -> set[str]:
    """Whom the proxy has a connection to, or tries to have one. One that tries an
    address where nobody is stays in this list until its time is out."""
    lines = docker("exec", proxy, "cat", "/proc/net/tcp").splitlines()[1:]
    fields = [line.split() for line in lines]
    return {
        ".".join(str(byte) for byte in reversed(bytes.fromhex(remote[:8])))
        for _, _, remote, state, *_ in fields
        if state in (ESTABLISHED, SYN_SENT)
    }


def test_a_killed_replica_costs_no_read(whole: Stack) -> None:
    proxy = whole.container("proxy")
    victim = whole.containers("api")[0]
    address = whole.address(victim, "proxy-api")
    with Load(whole.url) as load:
        wait_until(lambda: len(load.hosts()) == REPLICAS, 10, "load on all")
        wait_until(lambda: address in contacts(proxy), 10, f"the proxy uses {address}")
        docker("kill", victim)
        wait_for_hosts(load, host_names(whole))
        killed = time.monotonic()
        last_seen = killed
        # As long again as it may take to notice, it must not be tried.
        while time.monotonic() < last_seen + NOTICE_SECONDS:
            if address in contacts(proxy):
                last_seen = time.monotonic()
                assert last_seen < killed + NOTICE_SECONDS, f"{address} is still tried"
    load.assert_reads(ALIVE, READ_SECONDS)
    load.assert_reads(NEWEST, READ_SECONDS)
    assert_stored_once(whole, load)


def test_a_replica_whose_program_dies_starts_again(whole: Stack) -> None:
    victim = whole.containers("api")[0]
    state = inspect(victim)["State"]
    # `docker kill` would mean that nobody wants it to run any more, and from
    # within a container its first process cannot be killed.
    docker(
        *("run", "--rm", "--pid", "host", "--network", "none", "--user", "root"),
        *("--entrypoint", "sh", inspect(victim)["Image"]),
        *("-c", f"kill -KILL {state['Pid']}"),
    )
    wait_until(
        lambda: inspect(victim)["State"]["StartedAt"] > state["StartedAt"],
        NOTICE_SECONDS,
        "the container has started again",
    )
    assert inspect(victim)["RestartCount"] == 1
    name = inspect(victim)["Config"]["Hostname"]
    wait_until(
        lambda: name in ask_hosts(whole, 10, kept=True), NOTICE_SECONDS, "it answers"
    )


def assert_told_to_come_again(load: Load) -> None:
    """Writers were told that the database is away, and in no other way."""
    refused = load.refused()
    assert refused, "the database was away, and no message was refused"
    for outcome in refused:
        assert outcome.status == 503 and outcome.answer, str(outcome)
        assert load.was_within(outcome, REFUSAL_SECONDS), str(outcome)
        assert (outcome.answer.header("Retry-After") or "").isdigit()
        assert outcome.answer.json()["code"]


def restart(stack: Stack, load: Load) -> None:
    stack.compose("restart", "db")


def kill_and_start(stack: Stack, load: Load) -> None:
    docker("kill", stack.container("db"))
    wait_until(load.refused, REFUSAL_SECONDS, "a writer was told to come again")
    stack.compose("start", "db")


@pytest.mark.parametrize("interrupt", [restart, kill_and_start])
def test_a_database_that_goes_and_comes_loses_nothing(
    whole: Stack, interrupt: Callable[[Stack, Load], None]
) -> None:
    with Load(whole.url) as load:
        wait_until(lambda: all(w.ids for w in load.writers), 10, "messages stored")
        interrupt(whole, load)
        started = time.monotonic()
        stored = [len(writer.ids) for writer in load.writers]
        wait_until(
            lambda: all(
                len(writer.ids) > before + 10
                for writer, before in zip(load.writers, stored)
            ),
            RECOVERY_SECONDS,
            "messages are stored again",
        )
        print(f"stored again {time.monotonic() - started:.1f} s after the start")
    # Who needs no database never notices.
    load.assert_reads(ALIVE, READ_SECONDS)
    assert_told_to_come_again(load)
    assert_stored_once(whole, load)
