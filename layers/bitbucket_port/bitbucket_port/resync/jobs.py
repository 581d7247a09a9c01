"""The jobs queue's messages: those about the catalog, and how any of them is read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from bitbucket_port.catalog.items import Facts
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import KINDS, Address, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.resync.stack_jobs import STACK_JOBS, STACK_JOBS_VERSION, StackJob
from bitbucket_port.resync.store import Candidate, Phase, Reason

MESSAGE_VERSION = 1
MOST_HOPS = 200
"""Continuations of one job: Lambda's own bound on chains is switched off for the worker, so we have one."""
LONGEST_LISTING_HOPS = 5000
"""A listing's: each turn gets on by at least one page."""

Action = Literal["follow", "remove", "rewrite"]


@dataclass(frozen=True, slots=True)
class ChildrenJob:
    """Look after what hangs below a repository or project, or (``rewrite``) after the object itself.

    ``follow``: the container was renamed or moved; ``before`` and ``after`` are its facts, ``left`` the entities it
    made before and makes no more: Port creates one again when somebody relates to it at that moment. ``remove``: it is
    gone for certain since ``version`` (epoch microseconds). ``rewrite``: another object wrote an entity that belongs to
    ``container``, so everything it makes is written again. ``requested`` is our clock in epoch seconds; ``hop`` counts
    continuations. ``run``: the run that waits for it, empty for a live event's; the work is to be done in any case.
    ``ordered_by``: the id of the run's job that asked for it.
    """

    action: Action
    container: SourceKey
    before: Facts
    after: Facts
    requested: float
    version: int | None = None
    hop: int = 0
    run: str = ""
    left: tuple[EntityKey, ...] = ()
    ordered_by: str = ""

    @property
    def id(self) -> str:
        """Its name among the jobs of a run."""
        return f"{self.action}#{self.container}#{self.requested}#{self.hop}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        body: JsonObject = {
            "job": "children",
            "action": self.action,
            "container": str(self.container),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "requested": self.requested,
            "version": self.version,
            "hop": self.hop,
        }
        if self.run:
            body |= {"run": self.run, "by": self.ordered_by}
        if self.left:
            body["left"] = [str(key) for key in self.left]
        return _message(body)

    @classmethod
    def from_message(cls, text: str) -> ChildrenJob:
        """The job in a message; raises as ``parse`` does, PermanentError also for another kind of job."""
        job = parse(text)
        if not isinstance(job, cls):
            raise PermanentError("a message of the jobs queue is not a job about children")
        return job

    @classmethod
    def _from_json(cls, body: JsonObject) -> ChildrenJob:
        if body["action"] not in get_args(Action):
            raise PermanentError(f"children with action {body['action']!r} is not a job")
        return cls(
            cast("Action", body["action"]),
            SourceKey.parse(body["container"]),
            Facts.from_json(body["before"]),
            Facts.from_json(body["after"]),
            float(body["requested"]),
            body["version"],
            int(body["hop"]),
            str(body.get("run", "")),
            tuple(EntityKey.parse(text) for text in body.get("left", [])),
            str(body.get("by", "")),
        )

    def continued(self) -> ChildrenJob:
        """The same job, to be gone on with; raises PermanentError when it went on too often."""
        if self.hop >= MOST_HOPS:
            raise PermanentError(f"the job to {self.action} below {self.container} did not end in {MOST_HOPS} turns")
        return replace(self, hop=self.hop + 1)


@dataclass(frozen=True, slots=True)
class PhaseJob:
    """Open a phase of a run: find out what it has to do, and order that."""

    run: str
    phase: Phase

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"phase#{self.phase}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message({"job": "phase", "run": self.run, "phase": self.phase})

    @classmethod
    def _from_json(cls, body: JsonObject) -> PhaseJob:
        if body["phase"] not in get_args(Phase):
            raise TransientError(f"the phase {body['phase']!r} waits for another release", retry_after=600.0)
        return cls(str(body["run"]), cast("Phase", body["phase"]))


@dataclass(frozen=True, slots=True)
class ListJob:
    """One listing: all objects of a kind in the source, or the pull requests of one repository (``container``).

    ``listing`` is the index in the plan of the kind. ``began``: our clock when the listing did (0: not yet). ``cursor``
    is where to go on, None at the beginning; ``hop`` counts continuations.
    """

    run: str
    kind: Kind
    container: SourceKey | None = None
    address: Address | None = None
    listing: int = 0
    cursor: str | None = None
    hop: int = 0
    began: float = 0.0

    @property
    def name(self) -> str:
        """The listing, all its turns together."""
        return f"list#{self.kind}#{self.container or '-'}#{self.listing}"

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"{self.name}#{self.hop}"

    @property
    def container_name(self) -> str:
        """What is protected when this listing fails."""
        return str(self.container) if self.container else self.kind

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message(
            {
                "job": "list",
                "run": self.run,
                "kind": self.kind,
                "container": str(self.container) if self.container else None,
                "address": self.address.to_json() if self.address else None,
                "listing": self.listing,
                "cursor": self.cursor,
                "hop": self.hop,
                "began": self.began,
            }
        )

    @classmethod
    def _from_json(cls, body: JsonObject) -> ListJob:
        if body["kind"] not in KINDS:
            raise PermanentError(f"{body['kind']!r} is not a kind that is listed")
        return cls(
            str(body["run"]),
            cast("Kind", body["kind"]),
            SourceKey.parse(body["container"]) if body["container"] else None,
            Address.from_json(body["address"]) if body["address"] is not None else None,
            int(body["listing"]),
            body["cursor"],
            int(body["hop"]),
            float(body["began"]),
        )

    def continued(self, cursor: str) -> ListJob:
        """The same listing from ``cursor``; raises PermanentError when it went on too often."""
        if self.hop >= LONGEST_LISTING_HOPS:
            raise PermanentError(f"the listing {self.name} did not end in {LONGEST_LISTING_HOPS} turns")
        return replace(self, cursor=cursor, hop=self.hop + 1)


@dataclass(frozen=True, slots=True)
class PortJob:
    """Compare what Port shows of a blueprint with the ledger."""

    run: str
    blueprint: str

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"port#{self.blueprint}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message({"job": "port", "run": self.run, "blueprint": self.blueprint})

    @classmethod
    def _from_json(cls, body: JsonObject) -> PortJob:
        return cls(str(body["run"]), str(body["blueprint"]))


@dataclass(frozen=True, slots=True)
class HealJob:
    """Write objects again whose entities of ``blueprint`` Port does not show as they were written."""

    run: str
    blueprint: str
    part: int
    keys: tuple[SourceKey, ...]
    hop: int = 0

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"heal#{self.blueprint}#{self.part}#{self.hop}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message(
            {
                "job": "heal",
                "run": self.run,
                "blueprint": self.blueprint,
                "part": self.part,
                "keys": [str(key) for key in self.keys],
                "hop": self.hop,
            }
        )

    @classmethod
    def _from_json(cls, body: JsonObject) -> HealJob:
        keys = tuple(SourceKey.parse(text) for text in body["keys"])
        return cls(str(body["run"]), str(body["blueprint"]), int(body["part"]), keys, int(body["hop"]))

    def continued(self, keys: tuple[SourceKey, ...]) -> HealJob:
        """What is left for another turn."""
        return replace(self, keys=keys, hop=self.hop + 1)


@dataclass(frozen=True, slots=True)
class SweepJob:
    """Look at objects that may have to go, for the first time (``look`` 1: nothing goes) or the second."""

    run: str
    look: Literal[1, 2]
    part: str
    objects: tuple[Candidate, ...]

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"sweep#{self.look}#{self.part}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        objects = [[str(one.key), one.address.to_json(), one.reason] for one in self.objects]
        return _message({"job": "sweep", "run": self.run, "look": self.look, "part": self.part, "objects": objects})

    @classmethod
    def _from_json(cls, body: JsonObject) -> SweepJob:
        objects = tuple(
            Candidate(SourceKey.parse(key), Address.from_json(address), cast("Reason", reason))
            for key, address, reason in body["objects"]
        )
        look: Literal[1, 2] = 1 if body["look"] == 1 else 2
        return cls(str(body["run"]), look, str(body["part"]), objects)


@dataclass(frozen=True, slots=True)
class UnclaimedJob:
    """Delete entities of one blueprint that two complete runs in a row did not know."""

    run: str
    blueprint: str
    part: int
    identifiers: tuple[str, ...]

    @property
    def id(self) -> str:
        """Its name among the jobs of the run."""
        return f"unclaimed#{self.blueprint}#{self.part}"

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message(
            {
                "job": "unclaimed",
                "run": self.run,
                "blueprint": self.blueprint,
                "part": self.part,
                "identifiers": list(self.identifiers),
            }
        )

    @classmethod
    def _from_json(cls, body: JsonObject) -> UnclaimedJob:
        return cls(str(body["run"]), str(body["blueprint"]), int(body["part"]), tuple(map(str, body["identifiers"])))


RunJob = PhaseJob | ListJob | PortJob | HealJob | SweepJob | UnclaimedJob
Job = ChildrenJob | RunJob

_JOBS: dict[str, Callable[[JsonObject], Job]] = {
    "children": ChildrenJob._from_json,
    "phase": PhaseJob._from_json,
    "list": ListJob._from_json,
    "port": PortJob._from_json,
    "heal": HealJob._from_json,
    "sweep": SweepJob._from_json,
    "unclaimed": UnclaimedJob._from_json,
}


def parse(text: str) -> Job:
    """The job about the catalog in a message of the queue.

    Raises TransientError for a message of a newer version (it waits for the newer code), PermanentError for anything
    that is no such job.
    """
    job = parse_any(text)
    if isinstance(job, StackJob):
        raise PermanentError(f"{type(job).__name__} is not a job about the catalog")
    return job


def parse_any(text: str) -> Job | StackJob:
    """Whatever job is in a message of the queue; raises as ``parse`` does."""
    try:
        body = json.loads(text)
        if int(body["v"]) > (STACK_JOBS_VERSION if body["job"] in STACK_JOBS else MESSAGE_VERSION):
            raise TransientError(f"a job of version {body['v']} waits for a newer release", retry_after=600.0)
        made = _JOBS.get(body["job"]) or STACK_JOBS.get(body["job"])
        if made is None:
            raise PermanentError(f"{body['job']!r} is not a job")
        return made(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PermanentError(f"a message of the jobs queue is not a job: {type(error).__name__}") from error


def _message(body: JsonObject) -> str:
    return json.dumps({"v": MESSAGE_VERSION, **body}, ensure_ascii=True)


@dataclass(frozen=True)
class JobFollowers:
    """Sends jobs for what hangs below an object."""

    send: Callable[[str], None]
    reads: bool
    clock: Callable[[], float] = field(default=time.time)

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: Sequence[EntityKey] = ()) -> None:
        """See ``catalog.outside.Followers``; without Bitbucket, children follow with their own next event."""
        if self.reads:
            self.send(ChildrenJob("follow", container, before, after, self.clock(), left=tuple(left)).to_message())

    def rewrite(self, key: SourceKey) -> None:
        """See ``catalog.outside.Followers``; without Bitbucket, the object's next event has to do."""
        if self.reads:
            self.send(ChildrenJob("rewrite", key, Facts(), Facts(), self.clock()).to_message())

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        """See ``catalog.outside.Followers``."""
        self.send(ChildrenJob("remove", container, facts, facts, self.clock(), version).to_message())
