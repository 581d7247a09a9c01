"""What became of a webhook's deliveries on Bitbucket Data Center, and the circuit breaker.

After five failures in a row a webhook is skipped, at first for ten seconds, at last for ten hours (Atlassian, Manage
webhooks). The API descriptions do not say what a history looks like; the names are those of Atlassian's webhooks
library. Decided here: each further failure doubles the time, and a skipped delivery counts as an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from local.standins.server.model import Hook, Invocation, Project
from local.standins.server.serialise import milliseconds

Json = dict[str, Any]
FAILURES = 5
FIRST_SKIP = timedelta(seconds=10)
LONGEST_SKIP = timedelta(hours=10)
WINDOW = timedelta(days=1)
KEPT = 1000
"""Invocations remembered of one webhook."""
SKIPPED = "The webhook has been marked unhealthy and is being skipped"
NO_ANSWER = "The endpoint could not be reached"


def is_skipped(hook: Hook, when: datetime) -> bool:
    """Whether the circuit breaker holds the delivery back."""
    return hook.skipped_until is not None and when < hook.skipped_until


def record_skipped(hook: Hook, event: str, when: datetime) -> None:
    """Note that a delivery was not even tried."""
    _add(hook, Invocation(len(hook.invocations) + 1, event, when, "ERROR", SKIPPED))


def record(hook: Hook, event: str, when: datetime, status: int | None) -> None:
    """Note what a delivery was answered with, and open or close the circuit breaker."""
    number = len(hook.invocations) + 1
    if status is not None and 200 <= status < 300:
        _add(hook, Invocation(number, event, when, "SUCCESS", str(status)))
        hook.failures_in_a_row, hook.skipped_until = 0, None
        return
    failed = Invocation(number, event, when, "FAILURE", str(status))
    _add(hook, failed if status is not None else Invocation(number, event, when, "ERROR", NO_ANSWER))
    hook.failures_in_a_row += 1
    over = hook.failures_in_a_row - FAILURES
    if over >= 0:
        hook.skipped_until = when + min(FIRST_SKIP * 2 ** min(over, 20), LONGEST_SKIP)


def _add(hook: Hook, invocation: Invocation) -> None:
    hook.invocations.append(invocation)
    del hook.invocations[:-KEPT]


def latest(hook: Hook, event: str | None = None, outcome: str | None = None) -> Json | None:
    """The newest invocation of an event and outcome, None when there is none."""
    found = [one for one in hook.invocations if event in (None, one.event) and outcome in (None, one.outcome)]
    return _written(hook, found[-1]) if found else None


def history(hook: Hook, now: datetime, event: str | None = None) -> Json:
    """Counts of the last day, and the newest success, failure and error there are."""
    invocations = [one for one in hook.invocations if event in (None, one.event)]
    recent = [one for one in invocations if one.started >= now - WINDOW]
    window = {"start": milliseconds(now - WINDOW), "duration": int(WINDOW.total_seconds() * 1000)}
    written: Json = {
        "counts": {
            "successes": _count(recent, "SUCCESS"),
            "failures": _count(recent, "FAILURE"),
            "errors": _count(recent, "ERROR"),
            "window": window,
        }
    }
    for name, outcome in (("lastSuccess", "SUCCESS"), ("lastFailure", "FAILURE"), ("lastError", "ERROR")):
        newest = _newest(invocations, outcome)
        if newest is not None:
            written[name] = _written(hook, newest)
    return written


def _count(invocations: Iterable[Invocation], outcome: str) -> int:
    return sum(one.outcome == outcome for one in invocations)


def _newest(invocations: Sequence[Invocation], outcome: str) -> Invocation | None:
    return next((one for one in reversed(invocations) if one.outcome == outcome), None)


def _written(hook: Hook, invocation: Invocation) -> Json:
    started = milliseconds(invocation.started)
    return {
        "id": invocation.id,
        "event": invocation.event,
        "eventScope": {
            "id": str(hook.subject.id),
            "type": "project" if isinstance(hook.subject, Project) else "repository",
        },
        "start": started,
        "finish": started,
        "duration": 0,
        "request": {"method": "POST", "url": hook.url},
        "result": {"outcome": invocation.outcome, "description": invocation.description},
    }
