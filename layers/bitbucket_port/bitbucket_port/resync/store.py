"""What a run keeps while it goes on, so that any job can die and any other can go on from there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bitbucket_port.objects import Address, EntityKey, JsonObject, Kind, SourceKey

RunKind = Literal["full", "list"]
Phase = Literal["listing", "port", "look", "sweep-children", "sweep-repositories", "sweep-projects", "report", "closed"]
Status = Literal["complete", "partial", "failed", "superseded", "dead"]
Reason = Literal["vanished", "out of scope"]
PlannedReason = Literal["gone", "out of scope", "unclaimed"]

KEPT_SECONDS = 14 * 24 * 3600
"""How long what a run leaves behind is kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """A resync. Times are epoch seconds of our clock.

    ``number`` counts full runs (a list run bears the number of the last full one). ``kinds``: what it lists. ``until``:
    the lease; past it the run is dead, and another may begin. ``phase_began``: when ``phase`` did.
    """

    id: str
    kind: RunKind
    number: int
    phase: Phase
    mapping_hash: str
    started: float
    reason: str
    until: float
    kinds: tuple[Kind, ...] = ()
    phase_began: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants a run; requests that come while one goes on become one that follows."""

    kind: RunKind
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class State:
    """Everything a tick decides by, in one read.

    ``run`` is the open run, None when none is. ``last_full`` and ``last_list``: when the last run of that kind began
    (0: never); a full run lists, too. ``number``: full runs so far. ``mapping_hash``: that of the last full run.
    """

    run: Run | None = None
    requested: Request | None = None
    last_full: float = 0.0
    last_list: float = 0.0
    number: int = 0
    mapping_hash: str = ""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that is still to be done; ``waits``: how often it was put off because of a limit on requests."""

    id: str
    message: str
    waits: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """The ids (``SourceKey.id``) a listing has shown so far; ``began``: when it did, 0 where nothing was kept."""

    ids: frozenset[str] = frozenset()
    complete: bool = False
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may have to go; only Bitbucket's own answer decides."""

    key: SourceKey
    address: Address
    reason: Reason


@dataclass(frozen=True, slots=True)
class Planned:
    """What the second look at an object is expected to delete.

    ``entities``: the object's own. ``below``: blueprint → how many entities hang below it and go with it. ``aged``:
    it left only because of ``closedWithinDays``. ``key`` is None for unclaimed entities.
    """

    key: SourceKey | None
    address: Address
    entities: tuple[EntityKey, ...]
    reason: PlannedReason
    aged: bool = False
    below: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The object's key, or the unclaimed entity's."""
        return str(self.key) if self.key else f"unclaimed#{self.entities[0]}"


class RunStore(Protocol):
    """The run's items. Every method may raise TransientError when the database throttles or cannot be reached.

    Whatever is put twice under the same name is there once. Everything below a run is forgotten KEPT_SECONDS later.
    """

    # --- the run itself

    def state(self) -> State:
        """What is going on, consistently."""

    def begin(self, run: Run, jobs: Sequence[tuple[str, str]]) -> bool:
        """Make ``run`` the open one and its ``jobs`` (id, message) open, in one step; takes the request it answers.

        False, and nothing changed, unless no run is open or the open one's ``until`` <= ``run.started``, and a list
        run only while no full one is requested. Sets last_full or last_list, and with a full run number and hash.
        """

    def extend(self, run_id: str, until: float) -> bool:
        """Move the lease of the open run; False when another one is open. Never makes it shorter."""

    def advance(
        self, run_id: str, from_phase: Phase, to_phase: Phase, at: float, jobs: Sequence[tuple[str, str]]
    ) -> bool:
        """Begin a phase with its ``jobs`` open, in one step; False when this run is not in ``from_phase`` any more."""

    def close(self, run_id: str, status: Status, report: JsonObject, at: float) -> bool:
        """End the open run and keep its report; False when it is not the open one any more."""

    def request(self, request: Request) -> None:
        """Ask for a run; one for ``full`` replaces one for ``list``, otherwise the first stays."""

    def last_reports(self, count: int) -> list[JsonObject]:
        """Reports of the last runs, newest first."""

    # --- its jobs

    def put_jobs(self, run_id: str, jobs: Sequence[tuple[str, str]]) -> list[str]:
        """Open jobs (id, message); returns the ids now open: a job that was done is not opened again.

        Whoever opens a job sends its message, even if it had been open before: its sender may have died.
        """

    def open_job(self, run_id: str, job_id: str) -> OpenJob | None:
        """The job, None when it was done."""

    def open_jobs(self, run_id: str) -> Iterator[OpenJob]:
        """All jobs still to be done."""

    def waited(self, run_id: str, job_id: str) -> None:
        """Count that the job was put off because of a limit on requests."""

    def done(self, run_id: str, job_id: str, report: JsonObject) -> bool:
        """Close a job and keep its report, in one step; False when it was done already."""

    def any_open(self, run_id: str) -> bool:
        """Whether any job is open, consistently."""

    # --- what it found out

    def put_seen(
        self, run_id: str, listing: str, part: int, ids: Collection[str], *, began: float, complete: bool
    ) -> None:
        """Keep what a part of a listing showed; ``complete`` with the last part."""

    def seen(self, run_id: str, listing: str) -> Seen:
        """All parts of a listing together, consistently."""

    def put_candidates(self, run_id: str, candidates: Sequence[Candidate]) -> None:
        """Objects to look at."""

    def candidates(self, run_id: str) -> Iterator[Candidate]:
        """All of them, in the order of their keys."""

    def put_planned(self, run_id: str, planned: Sequence[Planned]) -> None:
        """Removals to decide about; unclaimed ones are one item per entity."""

    def planned(self, run_id: str) -> Iterator[Planned]:
        """All of them, those of one kind together."""

    def protect(self, run_id: str, container: str, reason: str) -> None:
        """Nothing may go because this container's listing did not show it.

        ``container`` is ``str(SourceKey)`` of a repository, or a kind when the listing of all of that kind failed.
        """

    def protected(self, run_id: str) -> dict[str, str]:
        """Container → reason."""

    def put_report(self, run_id: str, name: str, report: JsonObject) -> None:
        """Keep a part of the report that belongs to no finished job."""

    def reports(self, run_id: str) -> Iterator[tuple[str, JsonObject]]:
        """All parts of the report by name; a job's part bears the job's id."""

    def claim(self, run_id: str, name: str) -> bool:
        """Whether nobody asked for this name in this run before: true for exactly one of all who ever ask."""

    # --- from run to run

    def put_unclaimed(self, blueprint: str, number: int, identifiers: Collection[str]) -> None:
        """Entities that Port says are ours and the ledger does not know, found by the complete full run ``number``."""

    def unclaimed(self, blueprint: str, number: int) -> frozenset[str]:
        """What that run found; empty when it was not complete."""
