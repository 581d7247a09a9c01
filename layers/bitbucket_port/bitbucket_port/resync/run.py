"""What every job of a run works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, Protocol, TypeVar

from bitbucket_port.catalog.items import EntityItem, Facts, ObjectItem
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.mapping.scope import Question
from bitbucket_port.objects import Address, EntityKey, Kind, SourceKey
from bitbucket_port.resync.children import ListedPage
from bitbucket_port.resync.jobs import ChildrenJob, Job
from bitbucket_port.resync.plan import Listing
from bitbucket_port.resync.report import Part
from bitbucket_port.resync.store import Run, RunStore
from bitbucket_port.webhooks.change import Change

SendJobs = Callable[[Sequence[str], int], None]
"""Puts messages on the jobs queue, to be received after so many seconds."""

Ask = Callable[[Question], bool]
_Any = TypeVar("_Any")
Removals = Literal["allow", "defer"]


class Bitbucket(Protocol):
    """Bitbucket as a run asks it. Every method may raise as ``bitbucket.client.Bitbucket`` does."""

    def list(self, listing: Listing, *, container: Address | None, cursor: str | None) -> Iterator[ListedPage]:
        """The pages of a listing from ``cursor`` (None: its start) to its end."""

    def asker(self, listing: Listing) -> Ask:
        """Answers, for one job, questions about the objects of a listing."""


class Catalog(Protocol):
    """What jobs do to the catalog (``catalog.apply.Applier``)."""

    def apply_page(
        self, entries: Sequence[PageEntry], *, asked: float, removals: Removals = "allow", ask: Ask | None = None
    ) -> list[Outcome]:
        """Bring a page into the catalog; ``defer``: what would go stays, and is named in the outcome."""

    def look_all(self, changes: Sequence[Change], *, removals: Removals) -> list[Outcome]:
        """Read objects and bring them into the catalog, one outcome each; ``defer`` as above. Raises nothing."""

    def remove(self, key: SourceKey, *, version: int | None) -> Outcome:
        """Remove an object that is gone for certain."""

    def rewrite(self, key: SourceKey) -> Outcome:
        """Read an object and write everything it makes."""


class Ledger(Protocol):
    """What jobs read in the ledger (``catalog.ledger.Ledger``)."""

    def read(self, keys: Collection[SourceKey]) -> dict[SourceKey, ObjectItem]:
        """The items of all keys."""

    def objects(self, kind: Kind, container: str) -> Iterator[ObjectItem]:
        """All objects of a kind in a container."""

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """The items of those entities that have one."""

    def accept(self, entity: EntityKey, accepted: str) -> None:
        """Keep with the entity how Port shows it although it was just written."""

    def forget_hash(self, key: SourceKey, entities: Collection[EntityKey], *, now: float) -> bool:
        """Note that Port does not show these entities as the object wrote them; False while somebody writes it."""


@dataclass
class Turn:
    """One try of one job (its id), the ``tries``-th of those that count.

    ``last_try``: after this one the job is given up, so what fails is reported instead.
    """

    run: Run
    store: RunStore
    send: SendJobs
    part: Part = field(default_factory=Part)
    job: str = ""
    tries: int = 1
    last_try: bool = False

    def order(self, jobs: Sequence[Job], *, delay: int = 0) -> None:
        """Open jobs and send them; those that were done already are left out."""
        if not jobs:
            return
        opened = set(self.store.put_jobs(self.run.id, [(job.id, job.to_message()) for job in jobs]))
        self.send([job.to_message() for job in jobs if job.id in opened], delay)


class RunFollowers:
    """Orders what hangs below an object: for the run while one of its jobs works, else as a live event does."""

    def __init__(self, send: SendJobs, *, clock: Callable[[], float] = time.time) -> None:
        self._send = send
        self._clock = clock
        self.turn: Turn | None = None

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: Sequence[EntityKey] = ()) -> None:
        """See ``catalog.outside.Followers``."""
        self._order(ChildrenJob("follow", container, before, after, self._clock(), run=self._run, left=tuple(left)))

    def rewrite(self, key: SourceKey) -> None:
        """See ``catalog.outside.Followers``."""
        self._order(ChildrenJob("rewrite", key, Facts(), Facts(), self._clock(), run=self._run))

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        """See ``catalog.outside.Followers``."""
        self._order(ChildrenJob("remove", container, facts, facts, self._clock(), version, run=self._run))

    @property
    def _run(self) -> str:
        return self.turn.run.id if self.turn else ""

    def _order(self, job: ChildrenJob) -> None:
        if self.turn:
            self.turn.order([replace(job, ordered_by=self.turn.job)])
        else:
            self._send([job.to_message()], 0)


def chunks(values: Iterable[_Any], size: int) -> Iterator[tuple[_Any, ...]]:
    """The values, so many at a time."""
    rest = iter(values)
    while some := tuple(islice(rest, size)):
        yield some


def objects_of(ledger: Ledger, kind: Kind, source: str) -> Iterator[ObjectItem]:
    """All objects of a kind in the source."""
    if kind != "pull-request":
        yield from ledger.objects(kind, source)
        return
    for repository in ledger.objects("repository", source):
        yield from ledger.objects(kind, repository.key.children_container)


def read_now(key: SourceKey, address: Address, now: float, container: ObjectItem | None = None) -> Change:
    """The change that says: look at this object."""
    above = (container.key, container.facts.address) if container and container.facts.address else None
    return Change(
        key.kind,
        key,
        "upsert",
        address,
        version=None,
        event_time=None,
        received=now,
        object=None,
        container=above,
    )
