# SPDX-License-Identifier: MIT
"""Replicas are killed under writers: what was acknowledged is stored, once."""

import os
import random
import signal

import pytest

from conftest import Figure, Scale
from system import System, refuses
from waiting import wait_until
from witnesses import BLIND, KEYED, ONCE, Witnesses

SEED = 20261129
BETWEEN_KILLS = 150
CONTROL_KILLS_MAX = 40


def kill_one(fragile: System, chance: random.Random) -> None:
    """nginx gives POSTs to the first one, so that is killed more often."""
    number = chance.choice([1, 1, 2, 3])
    os.kill(fragile.pid(f"buzon-{number}"), signal.SIGKILL)
    wait_until(lambda: refuses(fragile.replica_socket(number)), 10, f"buzon-{number} is dead")


@pytest.mark.timeout(3600)
def test_what_16_writers_were_told_is_stored_once(
    fragile: System, scale: Scale, figure: Figure
) -> None:
    chance = random.Random(SEED)
    kills, messages = scale(6, 200), scale(2_000, 100_000)
    with Witnesses(fragile.port, {KEYED: 16, ONCE: 2}) as witnesses:
        for _ in range(kills):
            witnesses.wait_for(chance.randrange(BETWEEN_KILLS))
            kill_one(fragile, chance)
            fragile.up()
        wait_until(lambda: witnesses.acknowledged() >= messages, 600, f"{messages} messages")
        witnesses.finish()
        verdict = witnesses.verdict(fragile.database)
    figure(f"{kills} kills: {verdict}")
    verdict.assert_good()


@pytest.mark.timeout(600)
def test_control_without_keys_there_are_duplicates(fragile: System, figure: Figure) -> None:
    chance = random.Random(SEED)
    with Witnesses(fragile.port, {BLIND: 16}) as witnesses:
        for kills in range(1, CONTROL_KILLS_MAX + 1):
            witnesses.wait_for(chance.randrange(BETWEEN_KILLS))
            kill_one(fragile, chance)
            fragile.up()
            if stored_twice(fragile, witnesses):
                break
        witnesses.finish()
        verdict = witnesses.verdict(fragile.database)
    figure(f"control, {kills} kills: {verdict}")
    assert verdict.twice and not verdict.lost


def stored_twice(fragile: System, witnesses: Witnesses) -> bool:
    rows = fragile.database.run(
        f"SELECT 1 FROM message WHERE sender > '{witnesses.mark}'"
        f" AND sender < '{witnesses.mark}~' GROUP BY sender, content HAVING COUNT(*) > 1 LIMIT 1"
    )
    return bool(rows)
