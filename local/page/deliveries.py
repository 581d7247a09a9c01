"""Deliveries and what became of them: what the front door saw, joined with what the functions logged."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Literal

from local.page import words
from local.page.logs import LogLine
from local.page.watched import Json, WatchedRequest

KEPT = 2_000
"""Deliveries remembered; the oldest are forgotten first."""
SHOWN = 200
_PLANNED = re.compile(r"tried again in (?P<seconds>\d+) s: (?P<reason>.*)", re.DOTALL)
"""How the functions behind a queue announce another try."""


@dataclass(slots=True)
class ObjectResult:
    """What a delivery did to one object, over all copies of it that were processed."""

    name: str
    result: str
    reading: str
    at: float
    written: int = 0
    renamed: int = 0
    deleted: int = 0
    problems: tuple[str, ...] = ()

    def add(self, other: ObjectResult) -> None:
        """A second copy: what it counts is added, and it decides only where the first did nothing."""
        if not self.changed and other.changed:
            self.result, self.reading = other.result, other.reading
        self.written += other.written
        self.renamed += other.renamed
        self.deleted += other.deleted
        self.problems = other.problems

    @property
    def changed(self) -> int:
        """Entities written, renamed or deleted."""
        return self.written + self.renamed + self.deleted


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was not done, and from when on it is tried again, where that was said."""

    reason: str
    again: float | None = None


@dataclass(slots=True)
class Delivery:
    """One delivery, or one request that was none. Times are epoch seconds, simulated."""

    key: str
    id: str
    event_key: str
    received: float | None = None
    status: int | None = None
    path: str = ""
    requests: int = 0
    answers: int = 0
    outcome: str = ""
    stored: float | None = None
    reason: str = ""
    failure: Failure | None = None
    failures: int = 0
    given_up: bool = False
    settled: float | None = None
    """When the queues were seen empty without a word about it."""
    objects: dict[str, ObjectResult] = field(default_factory=dict)

    @property
    def done(self) -> float | None:
        """When everything it means was in the catalog."""
        if self.failure or not self.objects:
            return None if self.failure else self.settled
        return max(one.at for one in self.objects.values())

    @property
    def problems(self) -> list[str]:
        """Sentences about what could not be done."""
        return [problem for one in self.objects.values() for problem in one.problems]


class Deliveries:
    """The deliveries of one stack, newest last."""

    def __init__(self) -> None:
        self._all: dict[str, Delivery] = {}
        self._last: WatchedRequest | None = None
        self._count = 0
        self.failures: dict[str, Failure] = {}
        """How the last try of a message ended that was not done, by message id."""

    def take_requests(self, received: Iterable[WatchedRequest]) -> None:
        """What the front door saw so far; what was taken before is passed over."""
        fresh: list[WatchedRequest] = []
        for request in reversed(list(received)):
            if request is self._last:
                break
            fresh.append(request)
        for request in reversed(fresh):
            self._take_request(request)
            self._last = request

    def take_lines(self, lines: Iterable[LogLine]) -> None:
        """What the functions logged since the last call."""
        for line in lines:
            if "outcome" in line.fields and "status" in line.fields:
                self._take_answer(line)
            elif "delivery_id" in line.fields or "message_id" in line.fields:
                self._take_processing(line)

    def nothing_waits(self, since: float) -> None:
        """The live queues were empty at that moment: what was stored before and left no word is done."""
        for delivery in self._all.values():
            quiet = not delivery.objects and not delivery.failure and delivery.settled is None
            if quiet and delivery.stored is not None and delivery.stored < since:
                delivery.settled = delivery.stored

    def all(self) -> list[Delivery]:
        """Newest first."""
        return sorted(self._all.values(), key=lambda one: one.received or one.stored or 0.0, reverse=True)

    # --- the front door and the receive functions ---------------------------------------------------------------------

    def _take_request(self, request: WatchedRequest) -> None:
        # Whoever signs nothing must not be able to speak for a delivery by naming its id.
        trusted = request.delivery_id if request.status < 400 or request.status >= 500 else ""
        told_before = None if trusted else self._unpaired(request.event_key, request.status, more="answers")
        delivery = told_before or self._of(trusted, request.event_key, request.delivery_id)
        delivery.received = min(request.at, delivery.received or request.at)
        delivery.status, delivery.path = request.status, request.path
        delivery.requests += 1

    def _take_answer(self, line: LogLine) -> None:
        fields = line.fields
        delivery_id, event_key, status = _text(fields, "delivery_id"), _text(fields, "event_key"), int(fields["status"])
        unanswered = None if delivery_id else self._unpaired(event_key, status, more="requests")
        delivery = unanswered or self._of(delivery_id, event_key, delivery_id)
        delivery.answers += 1
        delivery.status, delivery.outcome = status, str(fields["outcome"])
        delivery.reason = str(fields.get("reason") or "")
        delivery.received = line.at if delivery.received is None else delivery.received
        if delivery.outcome == "stored" and delivery.stored is None:
            delivery.stored = line.at

    def _unpaired(self, event_key: str, status: int, *, more: Literal["requests", "answers"]) -> Delivery | None:
        """The oldest row with more requests than log lines, or the other way round, that names no delivery to go by."""
        for delivery in self._all.values():
            surplus = (
                delivery.requests - delivery.answers if more == "requests" else delivery.answers - delivery.requests
            )
            same = delivery.event_key.strip().lower() == event_key.strip().lower() and delivery.status == status
            if same and surplus > 0 and delivery.stored is None:
                return delivery
        return None

    def _of(self, trusted: str, event_key: str, told: str) -> Delivery:
        self._count += 1
        key = trusted or f"request {self._count}"
        if key not in self._all:
            self._all[key] = Delivery(key, told, event_key)
            while len(self._all) > KEPT:
                del self._all[next(iter(self._all))]
        return self._all[key]

    # --- the process functions ----------------------------------------------------------------------------------------

    def _take_processing(self, line: LogLine) -> None:
        fields = line.fields
        delivery_id = _text(fields, "delivery_id")
        delivery = self._of(delivery_id, _text(fields, "event_key"), delivery_id) if delivery_id else None
        if "result" in fields:
            if delivery is not None:
                _take_result(delivery, line)
        elif "message_id" in fields:
            failure = _failure(line)
            self.failures[str(fields["message_id"])] = failure
            while len(self.failures) > KEPT:
                del self.failures[next(iter(self.failures))]
            if delivery is not None:
                delivery.failure = failure
                delivery.failures += 1
                delivery.given_up = str(fields["message"]).startswith("given up")


def _text(fields: Json, name: str) -> str:
    return str(fields.get(name) or "")


def _take_result(delivery: Delivery, line: LogLine) -> None:
    fields = line.fields
    key = str(fields["message"]).removesuffix(f" {fields['result']}")
    found = ObjectResult(
        words.object_name(key),
        str(fields["result"]),
        str(fields.get("reading", "none")),
        line.at,
        int(fields.get("written", 0)),
        int(fields.get("renamed", 0)),
        int(fields.get("deleted", 0)),
        tuple(str(problem) for problem in fields.get("problems", ())),
    )
    delivery.failure, delivery.given_up = None, False
    if key in delivery.objects:
        delivery.objects[key].add(found)
    else:
        delivery.objects[key] = found


def _failure(line: LogLine) -> Failure:
    """A failed try: its reason without what the page says in its own words, and with the exception's where there is a
    trace.
    """
    message = str(line.fields["message"])
    trace = str(line.fields.get("exception") or "").strip()
    if trace:
        message = f"{message}: {trace.splitlines()[-1]}"
    planned = _PLANNED.fullmatch(message)
    if planned:
        return Failure(planned["reason"], line.at + int(planned["seconds"]))
    return Failure(message.removeprefix("given up: "))


# --- as the page shows them -------------------------------------------------------------------------------------------


def shown(delivery: Delivery, stack: str, dead: Container[str]) -> Json:
    """What the page is told. ``dead``: ids of the deliveries that lie in a dead-letter queue."""
    state, label, reason = _state(delivery, dead)
    done, received = delivery.done, delivery.received
    return {
        "stack": stack,
        "id": delivery.id,
        "event": delivery.event_key,
        "received": received,
        "took": max(0.0, done - received) if done is not None and received is not None else None,
        "state": state,
        "label": label,
        "reason": reason,
        "again": delivery.failure.again if delivery.failure and label == "Trying again" else None,
        "path": delivery.path,
        "status": delivery.status,
        "attempts": max(delivery.requests, delivery.answers),
        "failures": delivery.failures,
        "objects": [
            {"name": one.name, "result": _result(one), "problems": list(one.problems)}
            for one in delivery.objects.values()
        ],
    }


def _state(delivery: Delivery, dead: Container[str]) -> tuple[str, str, str]:
    """State (waiting, done, idle, problem or failed), its label, and the reason."""
    if delivery.stored is not None and delivery.id in dead:
        return "failed", "Dead letter", delivery.failure.reason if delivery.failure else "it was tried too often"
    if delivery.failure:
        given_up = delivery.given_up
        return ("failed", "Given up", delivery.failure.reason) if given_up else _to_be_tried(delivery.failure)
    if delivery.objects:
        return _applied(delivery)
    if delivery.stored is not None and delivery.settled is not None:
        return "idle", "Not needed", "it tells nothing that this stack follows"
    return _answered(delivery)


def _to_be_tried(failure: Failure) -> tuple[str, str, str]:
    return "problem", "Trying again", failure.reason


def _applied(delivery: Delivery) -> tuple[str, str, str]:
    found = list(delivery.objects.values())
    label = words.label(
        [one.result for one in found],
        written=sum(one.written for one in found),
        renamed=sum(one.renamed for one in found),
        deleted=sum(one.deleted for one in found),
    )
    changed = any(one.changed for one in found) or any(one.result == "deleting" for one in found)
    state = "problem" if delivery.problems else "done" if changed else "idle"
    # Not "Written: 1 entity written".
    sentences = [f"{one.name}: {_result(one).replace(f' {label.lower()}', '', 1)}" for one in found]
    return state, label, "; ".join([*sentences, *delivery.problems])


def _answered(delivery: Delivery) -> tuple[str, str, str]:
    status = delivery.status or 202
    if delivery.outcome == "ignored":
        return "idle", "Ignored", "no part of the catalog depends on this event"
    if delivery.outcome == "ping":
        return "idle", "Connection test", "Bitbucket asked whether anybody is here"
    if status < 400:
        return "waiting", "Waiting", "stored; it will be applied in a moment"
    reason = delivery.reason or words.ANSWERS.get(status, f"it was answered with status {status}")
    return "problem" if status >= 500 else "failed", "Not stored" if status >= 500 else "Refused", reason


def _result(one: ObjectResult) -> str:
    return words.object_result(one.result, one.reading, written=one.written, renamed=one.renamed, deleted=one.deleted)
