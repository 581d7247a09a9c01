"""What a run did, put together from the parts its jobs left.

A part (and the whole) is a JSON object::

    kinds      kind → listed, mapped, filtered, failed, created, updated, healed, unchanged, left, deleted, aged,
               protected, candidates, unknown (objects that may make entities nobody here knows of)
    failures   [{kind, what, reason}], the first few in full; ``failed`` counts them all
    blueprints blueprint → ours (listed by Port before anything was deleted), missing, differing, unclaimed, blocked
    requests   bitbucket, port, listing (Bitbucket's, for listings alone: what the next run will cost at least)
    throttled  seconds that jobs waited because of a limit on requests; jobs wait side by side

``aged`` counts entities that may go only because ``closedWithinDays`` is over: as a rule they are among ``deleted``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.objects import JsonObject, Kind
from bitbucket_port.resync.store import Run, Status

Count = Literal[
    "listed",
    "mapped",
    "filtered",
    "failed",
    "created",
    "updated",
    "healed",
    "unchanged",
    "left",
    "deleted",
    "aged",
    "protected",
    "candidates",
    "unknown",
]
_LASTING: tuple[Count, ...] = ("created", "updated", "healed", "deleted")
FULL_FAILURES = 10
"""Failures of a kind that are told in full; the others are counted."""
LONGEST_REASON = 500


class Part:
    """The part of one job."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, int]] = {}
        self._failures: list[JsonObject] = []
        self._blueprints: dict[str, dict[str, int]] = {}
        self._requests: dict[str, int] = {}
        self._throttled = 0.0
        self._notes: list[str] = []

    def count(self, kind: str, name: Count, number: int = 1) -> None:
        """Count something about a kind."""
        if number:
            counts = self._kinds.setdefault(kind, {})
            counts[name] = counts.get(name, 0) + number

    def failed(self, kind: str, what: str, reason: str) -> None:
        """Something did not work for good; it is counted, and the first few are told."""
        self.count(kind, "failed")
        if len(self._failures) < FULL_FAILURES:
            self._failures.append({"kind": kind, "what": what, "reason": reason[:LONGEST_REASON]})

    def note(self, text: str) -> None:
        """Something people should know, that is no failure."""
        if len(self._notes) < FULL_FAILURES:
            self._notes.append(text[:LONGEST_REASON])

    def blueprint(self, blueprint: str, **counts: int) -> None:
        """Count something about a blueprint."""
        kept = self._blueprints.setdefault(blueprint, {})
        for name, number in counts.items():
            kept[name] = kept.get(name, 0) + number

    def requested(self, *, bitbucket: int = 0, port: int = 0, listing: int = 0) -> None:
        """Count requests."""
        for name, number in (("bitbucket", bitbucket), ("port", port), ("listing", listing)):
            if number:
                self._requests[name] = self._requests.get(name, 0) + number

    def throttled(self, seconds: float) -> None:
        """Count time spent waiting for a limit."""
        self._throttled += seconds

    def listed(self, outcome: Outcome) -> None:
        """Count what became of an object that a listing showed."""
        kind = outcome.key.kind
        if outcome.mapped:
            self.count(kind, "mapped")
        elif outcome.result not in ("left", "failed"):
            self.count(kind, "filtered")
        if outcome.result == "left":
            self.count(kind, "left")
        if outcome.incomplete or (not outcome.mapped and (outcome.failed or outcome.result == "left")):
            self.count(kind, "unknown")
        if not outcome.transient:
            self._trouble(outcome)  # What another try may mend is tried again, and fails then if it does.
        self._entities(outcome)

    def looked(self, outcome: Outcome) -> None:
        """Count what became of an object that was read by itself."""
        self._trouble(outcome)
        self._entities(outcome, unchanged=False)

    def healed(self, outcome: Outcome) -> None:
        """Count what became of an object that Port showed otherwise than it was written."""
        kind = outcome.key.kind
        self._trouble(outcome)
        self.count(kind, "healed", outcome.written)
        self.count(kind, "deleted", outcome.deleted)

    def kept(self) -> Part:
        """What counts although the job is tried again: another try does not find that to do any more."""
        part = Part()
        for kind, counts in self._kinds.items():
            for name in _LASTING:
                part.count(kind, name, counts.get(name, 0))
        for blueprint, counts in self._blueprints.items():
            if counts.get("swept"):
                part.blueprint(blueprint, swept=counts["swept"])
        return part

    def _entities(self, outcome: Outcome, *, unchanged: bool = True) -> None:
        kind = outcome.key.kind
        self.count(kind, "created", outcome.created)
        self.count(kind, "updated", outcome.updated + outcome.renamed)
        self.count(kind, "deleted", outcome.deleted)
        if unchanged:
            self.count(kind, "unchanged", outcome.unchanged)

    def _trouble(self, outcome: Outcome) -> None:
        for problem in (*([outcome.failed] if outcome.failed else []), *outcome.problems):
            self.failed(outcome.key.kind, str(outcome.key), problem)

    def to_json(self) -> JsonObject:
        """The part as it is kept."""
        whole: JsonObject = {
            "kinds": self._kinds,
            "failures": self._failures,
            "blueprints": self._blueprints,
            "requests": self._requests,
            "throttled": round(self._throttled, 3),
            "notes": self._notes,
        }
        return {name: value for name, value in whole.items() if value}


def merged(parts: Iterable[JsonObject]) -> JsonObject:
    """All parts as one: numbers are added, of texts the first few are kept."""
    kinds: dict[str, dict[str, int]] = {}
    blueprints: dict[str, dict[str, int]] = {}
    requests = {"bitbucket": 0, "port": 0, "listing": 0}
    failures: list[JsonObject] = []
    told: dict[str, int] = {}
    notes: list[str] = []
    throttled = 0.0
    for part in parts:
        _add(kinds, part.get("kinds", {}))
        _add(blueprints, part.get("blueprints", {}))
        for name, number in part.get("requests", {}).items():
            requests[name] = requests.get(name, 0) + number
        for failure in part.get("failures", []):
            told[failure["kind"]] = told.get(failure["kind"], 0) + 1
            if told[failure["kind"]] <= FULL_FAILURES:
                failures.append(failure)
        notes += [note for note in part.get("notes", []) if note not in notes][: FULL_FAILURES - len(notes)]
        throttled += float(part.get("throttled", 0.0))
    return {
        "kinds": kinds,
        "blueprints": blueprints,
        "requests": requests,
        "failures": failures,
        "notes": notes,
        "throttled": round(throttled, 3),
    }


def whole(run: Run, parts: Iterable[JsonObject], protected: Mapping[str, str], *, at: float) -> JsonObject:
    """The report of a run that ends at ``at``; its status is kept beside it."""
    report = merged(parts)
    for container in protected:
        kind = container.split("#", 1)[0] if "#" not in container else _below(container)
        report["kinds"].setdefault(kind, {})
        report["kinds"][kind]["protected"] = report["kinds"][kind].get("protected", 0) + 1
    duration = max(0.0, at - run.started)
    return {
        "run": run.id,
        "kind": run.kind,
        "number": run.number,
        "reason": run.reason,
        "mapping": run.mapping_hash,
        "started": run.started,
        "ended": at,
        "duration": round(duration, 3),
        **report,
        "protected": {name: reason[:LONGEST_REASON] for name, reason in sorted(protected.items())[:FULL_FAILURES]},
        "estimate": {
            "bitbucket_requests": report["requests"]["listing"],
            "seconds": round(max(0.0, duration - min(duration, report["throttled"])), 3),
        },
    }


def status_of(report: JsonObject, roots: Collection[str] = (), protected: Collection[str] = ()) -> Status:
    """How a run that came to its end went: partial when anything failed, was protected or blocked.

    ``roots``: the kinds that hang below nothing; failed when all of them are ``protected`` and nothing was listed.
    """
    listed = any(counts.get("listed") for counts in report["kinds"].values())
    if roots and not listed and set(roots) <= set(protected):
        return "failed"
    troubled = report["protected"] or any(counts.get("failed") for counts in report["kinds"].values())
    stopped = any(counts.get("blocked") for counts in report["blueprints"].values())
    return "partial" if troubled or stopped else "complete"


def _below(container: str) -> Kind:
    """What a protected repository protects: its pull requests."""
    return "pull-request" if container.startswith("repository#") else "repository"


def _add(total: dict[str, dict[str, int]], part: Mapping[str, Mapping[str, Any]]) -> None:
    for group, counts in part.items():
        kept = total.setdefault(group, {})
        for name, number in counts.items():
            kept[name] = kept.get(name, 0) + number
