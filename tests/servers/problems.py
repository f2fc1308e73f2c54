# SPDX-License-Identifier: MIT
"""What a web server itself may answer, by the texts that are in nginx's files."""

import json
import re
from typing import Any

from answers import Answer
from system import ROOT

TEXTS = ROOT / "webserver-configs" / "nginx" / "buzon" / "errors.conf"

# A product's name with its version, as a standard error page has it.
VERSION = re.compile(rb"(?i)(nginx|caddy|haproxy|lighttpd|apache|php|adminer)[/ ]\d")


def known() -> dict[int, list[dict[str, Any]]]:
    """The problems that there are for each status."""
    problems: dict[int, list[dict[str, Any]]] = {}
    for status, text in re.findall(r"return (\d+) '(\{.*\})';", TEXTS.read_text()):
        problems.setdefault(int(status), []).append(json.loads(text))
    assert {404, 413, 502, 504} <= set(problems), f"{TEXTS} has {sorted(problems)}"
    return problems


def assert_no_version(answer: Answer) -> None:
    assert not re.search(r"\d", answer.header("Server") or ""), answer.headers
    for name in ("X-Powered-By", "Via"):
        assert answer.header(name) is None, answer.headers
    assert not VERSION.search(answer.body), answer.body


def is_page(answer: Answer) -> bool:
    return (answer.header("Content-Type") or "").startswith("text/html")


def assert_guarded(answer: Answer) -> None:
    """No version, and pages say what they may load."""
    assert_no_version(answer)
    if is_page(answer):
        policy = answer.header("Content-Security-Policy") or ""
        assert re.match(r"default-src '(self|none)'; ", policy), answer
        assert "frame-ancestors 'none'" in policy, answer
        assert answer.header("X-Content-Type-Options") == "nosniff", answer


def assert_own_problem(answer: Answer, *statuses: int) -> None:
    """The web server's own refusal, with one of these statuses."""
    assert answer.status in statuses, answer
    assert_no_version(answer)
    assert answer.header("Content-Type") == "application/problem+json", answer
    assert answer.json() in known()[answer.status], answer
