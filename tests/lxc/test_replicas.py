# SPDX-License-Identifier: MIT
"""Replicas that die, come, go and are replaced, all of it under load: no request is
lost."""

import csv
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import server as servers
from commands import CommandError, run
from conftest import Site
from load import ALIVE, NEWEST, Load
from server import Server, inside
from system import ROOT
from timeline import Timeline
from traffic import SecureApi, Traffic
from waiting import wait_until
from wrk import Wrk

SECONDS = 15

# From the decision to the first request that a new replica answers.
READY_SECONDS = 3

ALL_BACK_SECONDS = 30


@pytest.fixture
def two(site: Site) -> Iterator[Server]:
    """Two replicas, before the test and after it."""
    run("buzon-replicas", "scale", "2")
    wait_until(lambda: len(servers.replicas()) == 2, ALL_BACK_SECONDS, "both are up")
    yield site.server
    run("buzon-replicas", "scale", "2")


def pid_of_program(container: str) -> int:
    """As the server sees it."""
    own = inside(container, "systemctl", "show", "--property=MainPID", "--value", "buzon")
    for process in servers.processes(container):
        spaces = re.search(r"^NSpid:\t(.*)$", (process / "status").read_text(), re.MULTILINE)
        if spaces and spaces[1].split()[-1] == own.strip():
            return int(process.name)
    raise AssertionError(f"{container} has no process {own}")


def test_a_killed_program_costs_no_read_and_is_back(two: Server) -> None:
    with Traffic(servers.DOMAIN) as traffic:
        os.kill(pid_of_program("api-1"), signal.SIGKILL)
        traffic.go_on()
        wait_until(lambda: len(servers.replicas()) == 2, ALL_BACK_SECONDS, "both are up")
    for target in (ALIVE, NEWEST):
        traffic.assert_reads(target, SECONDS)
    api = SecureApi(servers.URL)
    traffic.assert_stored_once(api)
    api.close()


def test_a_killed_container_costs_no_read_and_is_back(two: Server) -> None:
    with Traffic(servers.DOMAIN) as traffic:
        run("lxc-stop", "--name", "api-2", "--kill")
        traffic.go_on()
        wait_until(lambda: len(servers.replicas()) == 2, ALL_BACK_SECONDS, "both are up")
    for target in (ALIVE, NEWEST):
        traffic.assert_reads(target, SECONDS)


def test_scaling_by_hand_costs_no_request(two: Server) -> None:
    with Traffic(servers.DOMAIN) as traffic:
        run(
            *(str(ROOT / "scripts" / "scale"), "4"),
            *("--inventory", str(two.inventory)),
        )
        assert servers.replicas() == ["api-1", "api-2", "api-3", "api-4"]
        traffic.go_on()
        run(
            *(str(ROOT / "scripts" / "scale"), "2"),
            *("--inventory", str(two.inventory)),
        )
        assert servers.replicas() == ["api-1", "api-2"]
        traffic.go_on()
    traffic.assert_no_faults()


def test_what_is_scaled_outlasts_a_reload_of_haproxy(two: Server) -> None:
    run("buzon-replicas", "scale", "3")
    run("systemctl", "reload", "haproxy")
    wait_until(lambda: len(servers.replicas()) == 3, 10, "three replicas are up")


@pytest.mark.parametrize(
    "count, said",
    {"1": "it must be 2 to 4", "5": "it must be 2 to 4"}.items(),
)
def test_a_count_out_of_bounds_is_refused(two: Server, count: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("buzon-replicas", "scale", count)
    assert len(servers.replicas()) == 2


@pytest.mark.parametrize("count", ["", "0", "x", "-1", "1000"])
def test_what_is_no_count_is_refused_by_scripts_scale(site: Site, count: str) -> None:
    with pytest.raises(CommandError, match="must be a number from 1 to 999"):
        run(str(ROOT / "scripts" / "scale"), count)


def test_a_replica_is_ready_three_seconds_after_the_decision(two: Server) -> None:
    url = f"https://{servers.DOMAIN}"
    with Load(url, readers=8, writers=2, connect=SecureApi) as load:
        wait_until(lambda: load.hosts() == {"api-1", "api-2"}, 10, "both are asked")
        began = time.monotonic()
        run("buzon-replicas", "scale", "3")
        wait_until(lambda: "api-3" in load.hosts(), 10, "the third is asked")
        seconds = time.monotonic() - began
    print(f"ready after {seconds:.2f} s")
    assert seconds < READY_SECONDS


def test_an_upgrade_costs_no_request(two: Server) -> None:
    before = run("buzon-replicas", "list")
    with Traffic(servers.DOMAIN) as traffic:
        two.play("upgrade.yml")
        traffic.go_on()
    traffic.assert_no_faults()
    after = run("buzon-replicas", "list")
    assert images(before).isdisjoint(images(after))
    assert servers.replicas() == ["api-1", "api-2"]


def images(listed: str) -> set[str]:
    return {line.split()[-1] for line in listed.splitlines()[1:]}


NEWEST_IMAGE = Path("/var/lib/buzon/images/api/current")


@pytest.fixture
def broken_image() -> Iterator[None]:
    """The newest one, and there is no program in it."""
    whole = NEWEST_IMAGE.readlink()
    broken = NEWEST_IMAGE.with_name("broken")
    try:
        run("cp", "-a", str(NEWEST_IMAGE.resolve()), str(broken))
        (broken / "rootfs" / "usr" / "bin" / "buzon").unlink()
        run("ln", "-sfn", broken.name, str(NEWEST_IMAGE))
        yield
    finally:
        run("ln", "-sfn", str(whole), str(NEWEST_IMAGE))
        shutil.rmtree(broken, ignore_errors=True)


def test_an_upgrade_that_does_not_answer_leaves_the_old_ones(
    two: Server, broken_image: None
) -> None:
    before = run("buzon-replicas", "list")
    with Traffic(servers.DOMAIN) as traffic:
        with pytest.raises(CommandError, match="again, and the others were not"):
            run("buzon-replicas", "renew")
        traffic.go_on()
    traffic.assert_no_faults()
    assert images(run("buzon-replicas", "list")) == images(before)
    # Of that one are also replicas that are added later.
    assert images(before) == {NEWEST_IMAGE.resolve().name}


def test_autoscale_follows_the_load(two: Server) -> None:
    two.play("site.yml", autoscale=True)
    timeline = Timeline()
    try:
        with timeline, Traffic(servers.DOMAIN) as traffic:
            with Wrk(f"{servers.URL}/api/message?limit=200") as wrk:
                wait_until(lambda: len(servers.replicas()) == 4, 60, "four replicas")
                traffic.go_on()
            wait_until(lambda: len(servers.replicas()) == 2, 60, "two replicas")
            traffic.go_on()
    finally:
        run("systemctl", "disable", "--now", "buzon-autoscale")
        timeline.plot(Path(os.environ["BUZON_TEST_PLOT"]))
    traffic.assert_no_faults()
    wrk.assert_no_faults()
    # It never takes back what it has just done, and says why it did it.
    assert timeline.changes() == [1, 1, -1, -1]
    said = run("journalctl", "--no-pager", "-o", "cat", "-u", "buzon-autoscale")
    assert "2 replicas become 3: " in said
    assert "3 replicas become 2: " in said


def test_autoscale_goes_on_after_it_was_killed(two: Server) -> None:
    run("systemctl", "start", "buzon-autoscale")
    try:
        there = servers.containers()
        before = pid_of_autoscale()
        run("systemctl", "kill", "--signal=KILL", "buzon-autoscale")
        wait_until(lambda: pid_of_autoscale() not in (0, before), 20, "it is back")
        assert servers.containers() == there
    finally:
        run("systemctl", "stop", "buzon-autoscale")


def test_autoscale_replaces_a_lost_replica_also_when_told_to_end(two: Server) -> None:
    run("systemctl", "disable", "--now", "buzon-container@api-2")
    folder = Path("/var/lib/lxc/api-2")
    shutil.rmtree(folder)
    run("systemctl", "start", "buzon-autoscale")
    wait_until(folder.exists, 20, "it has begun to make another one")
    run("systemctl", "stop", "buzon-autoscale")
    assert servers.replicas() == ["api-1", "api-2"]


def test_a_replica_on_another_host_gets_requests(two: Server) -> None:
    try:
        # It is one of the server's own, by another name.
        configure(two, "[elsewhere]\nsecond ansible_host=10.77.0.12\n")
        assert servers.replicas() == ["api-1", "api-2", "elsewhere-1"]
        with Traffic(servers.DOMAIN) as traffic:
            traffic.go_on()
        traffic.assert_no_faults()
        rows = csv.DictReader(servers.runtime("show stat").removeprefix("# ").splitlines())
        total = {row["svname"]: int(row["stot"]) for row in rows if row["pxname"] == "api"}
        assert total["elsewhere-1"] > 0
    finally:
        configure(two, "")
    assert servers.replicas() == ["api-1", "api-2"]


def configure(server: Server, more: str) -> None:
    """What site.yml does of an inventory that has more."""
    text = server.inventory.read_text()
    try:
        server.inventory.write_text(text + more)
        server.render("replicas", "replicas.conf")
    finally:
        server.inventory.write_text(text)
    run("buzon-replicas", "scale", "2")
    wait_until(lambda: "DOWN" not in run("buzon-replicas", "list"), 10, "all are up")


def pid_of_autoscale() -> int:
    return int(run("systemctl", "show", "--property=MainPID", "--value", "buzon-autoscale"))


def make_and_never_start() -> None:
    folder = Path("/var/lib/lxc/api-3")
    folder.mkdir()
    shutil.copy("/var/lib/lxc/api-2/config", folder)


# What something that was killed leaves behind.
CUT_OFF = {
    "a replica that haproxy does not have": lambda: servers.runtime(
        "set server api/api-2 state maint; del server api/api-2"
    ),
    "one that haproxy still has": lambda: servers.runtime(
        "add server api/api-9 10.77.0.19:9000 proto fcgi"
    ),
    "one that gets no more requests": lambda: servers.runtime(
        "set server api/api-2 state drain"
    ),
    "one that was not started": make_and_never_start,
}


@pytest.mark.parametrize("cut_off", CUT_OFF.values(), ids=CUT_OFF)
def test_what_was_cut_off_is_brought_to_its_end(
    two: Server, cut_off: Callable[[], object]
) -> None:
    cut_off()
    run("buzon-replicas", "scale", "2")
    wait_until(lambda: servers.replicas() == ["api-1", "api-2"], 10, "both are up")
    assert "api-9" not in servers.runtime("show servers state api")
    assert not Path("/var/lib/lxc/api-3").exists()
