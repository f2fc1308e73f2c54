# SPDX-License-Identifier: MIT
"""nginx gives every POST to the first replica, whose batches are then the largest, and to
the others while that one does not answer."""

import json
import os
import signal
from collections import Counter
from contextlib import closing

from http_client import unique
from system import System, refuses
from waiting import wait_until

MESSAGES = 10


def logged_by(system: System, identifiers: set[str | None]) -> Counter[str]:
    """How many of these requests each replica has answered, by its own log."""
    return Counter(
        name
        for name in system.replica_names()
        for line in (system.var / "log" / f"{name}.log").read_text().splitlines()
        if line.startswith("{") and json.loads(line).get("request_id") in identifiers
    )


def posted_to(system: System, sender: str) -> Counter[str]:
    """How many of MESSAGES posts each replica took."""
    identifiers = set()
    for number in range(MESSAGES):
        with closing(system.api()) as api:
            answer = api.post_message(sender, str(number))
        assert answer.status == 201, str(answer)
        identifiers.add(answer.header("X-Request-ID"))
    # A request is logged once its answer is sent, which may be read by then.
    wait_until(
        lambda: logged_by(system, identifiers).total() == MESSAGES, 5, "all are logged"
    )
    return logged_by(system, identifiers)


def test_posts_go_to_the_first_replica_while_it_answers() -> None:
    with System(3, settings=["BUZON_LOG_REQUESTS=on"]) as system:
        assert posted_to(system, unique()) == {"buzon-1": MESSAGES}

        os.kill(system.pid("buzon-1"), signal.SIGKILL)
        wait_until(lambda: refuses(system.replica_socket(1)), 10, "buzon-1 is dead")
        others = posted_to(system, unique())
        assert others.total() == MESSAGES and "buzon-1" not in others
