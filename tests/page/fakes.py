"""A machine to look at: stacks whose functions log what the real ones log, and a clock that stands where it is put."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bitbucket_port.resync.report import merged, whole
from bitbucket_port.resync.store import Phase, Run, Status
from local.page import Page
from local.resyncs import RUNNING, Due, Look, RefusedError
from local.standins.port import PortStandIn

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
BLUEPRINTS = [
    {
        "identifier": "project",
        "title": "Project",
        "schema": {"properties": {"url": {"type": "string", "format": "url", "title": "Link"}}},
    },
    {
        "identifier": "repository",
        "title": "Repository",
        "schema": {
            "properties": {
                "visibility": {"type": "string", "enum": ["private", "public"], "title": "Visibility"},
                "readme": {"type": "string", "format": "markdown", "title": "README"},
                "language": {"type": "string", "title": "Language"},
            }
        },
        "relations": {"project": {"target": "project", "many": False, "required": False, "title": "Project"}},
    },
]
QUEUES = ("ProjectQueue", "RepositoryQueue", "PushQueue", "PullRequestQueue", "ResyncJobsQueue")


@dataclass(frozen=True)
class Request:
    at: float
    delivery_id: str
    event_key: str
    path: str
    status: int
    milliseconds: float = 12.0


@dataclass
class StoppedClock:
    time: float = NOON
    scale: float = 1.0

    def now(self) -> float:
        return self.time


@dataclass
class FakeStack:
    """``tell`` a request and its log line, ``log`` what a process function says."""

    logs_folder: Path
    product: Literal["cloud", "server"] = "cloud"
    name: str = "local-1"
    url: str = "http://127.0.0.1:3000"
    received: list[Request] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    def depths(self) -> dict[str, int]:
        if self.broken:
            raise ConnectionError("moto is gone")
        depths = dict.fromkeys(QUEUES, 0) | {name.replace("Queue", "DeadLetters"): 0 for name in QUEUES}
        return depths | self.waiting | {"PushDeadLetters": len(self.letters)}

    def dead_letters(self) -> dict[str, list[dict[str, Any]]]:
        return {"PushDeadLetters": self.letters}

    def write(self, function: str, at: float, message: str, **fields: Any) -> None:
        """One line of Powertools' Logger."""
        moment = datetime.fromtimestamp(at, UTC)
        stamp = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}+0000"
        line = {
            "level": "INFO",
            "location": "x:1",
            "message": message,
            "timestamp": stamp,
            "service": "local",
            **fields,
        }
        with (self.logs_folder / f"{function}.log").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def stored(self, id_: str, event_key: str = "repo:push", at: float = NOON, family: str = "push") -> None:
        """A webhook that was taken: the front door's note and the receive function's line."""
        self.received.append(Request(at, id_, event_key, f"/webhooks/{family}", 202))
        fields = {"outcome": "stored", "status": 202, "event_key": event_key, "delivery_id": id_, "family": family}
        self.write("PushReceive", at + 0.01, "webhook stored", **fields)

    def answered(
        self, outcome: str, status: int, *, at: float = NOON, event_key: str = "repo:push", reason: str | None = None
    ) -> None:
        """A webhook that was not stored; its line names no delivery."""
        self.received.append(Request(at, f"unverified-{len(self.received)}", event_key, "/webhooks/push", status))
        fields = {"outcome": outcome, "status": status, "event_key": event_key}
        self.write("PushReceive", at + 0.01, f"webhook {outcome}", **fields, **({"reason": reason} if reason else {}))

    def applied(
        self, id_: str, result: str = "applied", at: float = NOON + 1, *, key: str = "repository#{a}#{b}", **fields: Any
    ) -> None:
        """A process function's line about one object."""
        told = {"delivery_id": id_, "event_key": "repo:push", "result": result, "reading": "refresh"}
        self.write("PushProcess", at, f"{key} {result}", **(told | fields))

    def failed(self, id_: str, message: str, at: float = NOON + 1, *, message_id: str = "m", **fields: Any) -> None:
        """A process function's line about a try that went wrong."""
        told = {"delivery_id": id_, "event_key": "repo:push", "message_id": message_id, "receives": 1}
        self.write("PushProcess", at, message, **(told | fields))

    def bury(self, id_: str, message_id: str = "m") -> None:
        """The delivery's message lies in the dead-letter queue."""
        body = json.dumps({"v": 1, "product": self.product, "id": id_, "eventKey": "repo:push", "payload": {}})
        self.letters.append({"id": message_id, "body": body, "sent": NOON, "receives": 500})


@dataclass
class Demo:
    """A page over a machine that a test plays with. ``cloud`` and ``server`` share one Port."""

    page: Page
    cloud: FakeStack
    server: FakeStack
    port: PortStandIn
    url: str = ""

    def project(self, identifier: str = "PAY", **given: str) -> None:
        self.port.put_entity("project", identifier, title=given.pop("title", None), properties=dict(given))

    def repository(
        self, identifier: str, *, title: str | None = None, project: str | None = None, **given: str
    ) -> None:
        relations = {"project": project} if project else {}
        self.port.put_entity("repository", identifier, title=title, properties=dict(given), relations=relations)


@dataclass
class FakeResyncs:
    """Resyncs that are as they are put; ``start`` begins one that goes on until it is put otherwise."""

    product: Literal["cloud", "server"]
    now: Look = field(default_factory=Look)
    refusal: str = ""
    started: list[str] = field(default_factory=list)

    def look(self) -> Look:
        return self.now

    def start(self, reason: str) -> None:
        if refusal := self.refusal or self.now.refusal:
            raise RefusedError(refusal)
        self.started.append(reason)
        self.now = going_on()


def going_on(
    phase: Phase = "listing",
    *,
    jobs: int = 2,
    last: dict[str, Any] | None = None,
    due: Due | None = None,
    **kinds: dict[str, int],
) -> Look:
    """A full run that began at noon; ``kinds`` with underscores are what its jobs counted so far."""
    run = Run("1-a", "full", 1, phase, "hash", started=NOON, reason="asked for", until=NOON + 1800)
    return Look(run, jobs, merged([{"kinds": _named(kinds)}]), last, due=due, refusal=RUNNING)


def finished(
    status: Status = "complete", *, failures: list[dict[str, str]] | None = None, **kinds: dict[str, int]
) -> dict[str, Any]:
    """The report of a full run that began at noon."""
    run = Run("1-a", "full", 1, "report", "hash", started=NOON, reason="asked for", until=NOON + 1800)
    part = {"kinds": _named(kinds), "failures": failures or [], "requests": {"bitbucket": 12, "port": 1}}
    return {**whole(run, [part], {}, at=NOON + 3.1), "status": status}


def _named(kinds: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {kind.replace("_", "-"): counts for kind, counts in kinds.items()}
