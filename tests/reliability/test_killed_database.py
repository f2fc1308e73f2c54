# SPDX-License-Identifier: MIT
"""MariaDB is killed under writers: what was acknowledged is stored, once."""

import random
import time

import pytest

from conftest import Figure, Scale
from http_client import Api, unique
from mariadb_process import MariadbProcess
from system import System
from waiting import wait_until
from witnesses import KEYED, ONCE, Witnesses

SEED = 20261129
BETWEEN_KILLS = 300
CONTROL_KILLS_MAX = 10
RECOVERY_SECONDS = 2


def seconds_until_it_stores(api: Api) -> float:
    began = time.monotonic()
    wait_until(lambda: api.post_message(unique(), "x").status == 201, 20, "it stores")
    return time.monotonic() - began


@pytest.mark.timeout(3600)
def test_what_16_writers_were_told_is_stored_once(
    fragile: System, mariadb: MariadbProcess, scale: Scale, figure: Figure
) -> None:
    chance = random.Random(SEED)
    kills, messages = scale(4, 50), scale(2_000, 50_000)
    longest = 0.0
    api = fragile.api()
    with Witnesses(fragile.port, {KEYED: 14, ONCE: 2}) as witnesses:
        for _ in range(kills):
            witnesses.wait_for(chance.randrange(BETWEEN_KILLS))
            mariadb.kill()
            mariadb.start()
            mariadb.wait_until_it_answers()
            longest = max(longest, seconds_until_it_stores(api))
        wait_until(lambda: witnesses.acknowledged() >= messages, 600, f"{messages} messages")
        witnesses.finish()
        verdict = witnesses.verdict(fragile.database)
    api.close()
    figure(f"{kills} kills: {verdict}; stores again after {longest:.2f} s at most")
    verdict.assert_good()
    assert longest <= RECOVERY_SECONDS


@pytest.mark.timeout(600)
def test_control_without_syncs_messages_are_lost(figure: Figure) -> None:
    with System(3, ["innodb_flush_log_at_trx_commit=0"]) as weak:
        mariadb = MariadbProcess(weak)
        lost = 0
        for kills in range(1, CONTROL_KILLS_MAX + 1):
            with Witnesses(weak.port, {KEYED: 8}) as witnesses:
                witnesses.wait_for(BETWEEN_KILLS)
                mariadb.kill()
                mariadb.start()
                mariadb.wait_until_it_answers()
                witnesses.finish()
                lost = len(witnesses.verdict(weak.database).lost)
            if lost:
                break
        mariadb.restore()
    figure(f"control, {kills} kills: {lost} lost")
    assert lost
