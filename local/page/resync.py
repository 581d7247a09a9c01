"""A stack's resyncs in the shape the page shows them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bitbucket_port.objects import JsonObject
from local import resync_words as words
from local.page.watched import Json
from local.resyncs import Look, RefusedError, Watched

COLUMNS = ("listed", "created", "updated", "healed", "unchanged", "deleted", "failed")
LOOK_EVERY = 1.0
"""Real seconds between two looks; one that takes long is followed by a pause of several times its length."""


class ResyncView:
    """One stack's resyncs, remembered between two looks. ``watched`` is None where there are none to see."""

    def __init__(self, watched: Watched | None) -> None:
        self._watched = watched
        self._look = Look()
        self._next = 0.0

    def look(self) -> Look:
        """The resyncs, not much later than now."""
        began = time.perf_counter()
        if self._watched is not None and began >= self._next:
            self._look = self._watched.look()
            took = time.perf_counter() - began
            self._next = time.perf_counter() + max(LOOK_EVERY, 5 * took)
        return self._look

    def start(self) -> None:
        """Begin one, because somebody pressed the button. Raises RefusedError."""
        if self._watched is None:
            raise RefusedError("This stack has no resyncs.")
        self._watched.start("the button on the page")
        self._next = 0.0

    def shown(self, stack: str, order: int) -> Json | None:
        """As the page is told it; None where there are none to see."""
        if self._watched is None:
            return None
        look = self._look
        report = look.so_far if look.run else look.last
        return {
            "stack": stack,
            "order": order,
            "running": None if look.run is None else _running(look),
            "kinds": [
                {"kind": words.kind_words(kind)[1], "counts": [counts.get(name, 0) for name in COLUMNS]}
                for kind, counts in words.kinds(report)
            ],
            "columns": list(COLUMNS),
            "last": None if look.last is None else _ended(look.last),
            "requested": look.requested,
            "due": None if look.due is None else {"at": look.due.at, "kind": look.due.kind},
            "refusal": look.refusal,
        }


def _running(look: Look) -> Json:
    assert look.run is not None
    return {
        "kind": look.run.kind,
        "phase": words.phase(look.run.phase),
        "jobs": look.jobs,
        "since": look.run.started,
        "reason": look.run.reason,
        "throttled": (look.so_far or {}).get("throttled", 0),
    }


def _ended(report: JsonObject) -> Json:
    return {
        "kind": report["kind"],
        "status": report["status"],
        "ended": report["ended"],
        "cost": words.cost(report),
        "throttled": report["throttled"],
        "failures": [f"{failure['what']}: {failure['reason']}" for failure in report["failures"]],
        "more": max(0, _failed(report["kinds"]) - len(report["failures"])),
        "protected": [f"{name}: {reason}" for name, reason in report["protected"].items()],
        "blocked": [
            f"{counts['blocked']} of {blueprint} were not deleted, they are more than the threshold allows"
            for blueprint, counts in report["blueprints"].items()
            if counts.get("blocked")
        ],
        "notes": list(report["notes"]),
    }


def _failed(kinds: Mapping[str, Mapping[str, int]]) -> int:
    return sum(counts.get("failed", 0) for counts in kinds.values())
