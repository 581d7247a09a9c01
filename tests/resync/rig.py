"""A small world for whole runs: Bitbucket and Port in memory, ledger and run in SQLite, and a queue we deal from.

The catalog is a short stand-in with the same promises as ``catalog.apply`` for one writer: what it may delete it
deletes only by Bitbucket's own answer. Every call that leaves a job passes the gate, where it can be made to fail.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.held import failed
from bitbucket_port.catalog.items import Commit, Facts, Granted, Guard, ObjectItem
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import (
    BitbucketPortError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    StillThereError,
    TransientError,
)
from bitbucket_port.lambda_queue import wait_seconds
from bitbucket_port.mapping.model import Mapping, Resource, Selector
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.client import Deleted
from bitbucket_port.port.listing import PortPage
from bitbucket_port.resync.children import ChildrenWorker, ListedPage
from bitbucket_port.resync.leftovers import Leftovers
from bitbucket_port.resync.listing import Listings
from bitbucket_port.resync.plan import Listing, Plan
from bitbucket_port.resync.portside import PortSide
from bitbucket_port.resync.run import RunFollowers
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.resync.start import Intervals, Starter, Tick
from bitbucket_port.resync.store import RunStore
from bitbucket_port.resync.sweep import Sweeps
from bitbucket_port.resync.worker import RunWorker
from bitbucket_port.sqlite import Database
from bitbucket_port.webhooks.change import Change

SOURCE = "{workspace}"
PAGE = 3
START = 1_800_000_000.0
Choose = Callable[["list[Waiting]"], "Waiting"]
_tokens = itertools.count()


class Killed(BaseException):
    """The function is gone in the middle of its work: no handler of ours runs."""


@dataclass(frozen=True)
class FakePlan:
    """Projects, repositories, and below each repository its pull requests."""

    listings: tuple[Listing, ...] = (Listing("project"), Listing("repository"), Listing("pull-request"))
    roots: tuple[int, ...] = (0, 1)

    def below(self, repository: JsonObject, ask: object) -> int:
        return 2


def mapping(threshold: float = 1.0, **change: Any) -> Mapping:
    kinds: tuple[Kind, ...] = ("project", "repository", "pull-request")
    resources = tuple(
        Resource(index, kind, Selector(), identifier=".id", blueprint=f'"{kind}"', title=".title")
        for index, kind in enumerate(kinds)
    )
    return replace(Mapping("cloud", resources, deletion_threshold=threshold, hash="mapping-1"), **change)


def project(name: str) -> SourceKey:
    return SourceKey("project", SOURCE, name)


def repository(name: str) -> SourceKey:
    return SourceKey("repository", SOURCE, name)


def pull_request(name: str, number: int) -> SourceKey:
    return SourceKey("pull-request", repository(name).children_container, str(number))


def entity_of(key: SourceKey, title: str) -> Entity:
    name = key.id if key.kind != "pull-request" else f"{key.container.rpartition('/')[2]}/{key.id}"
    return Entity(key.kind, name, {"title": title})


@dataclass
class World:
    """Bitbucket: what there is, by key; ``hidden`` is there but makes nothing; ``trouble`` answers with an error."""

    objects: dict[SourceKey, str] = field(default_factory=dict)
    hidden: set[SourceKey] = field(default_factory=set)
    trouble: dict[SourceKey | str, Exception] = field(default_factory=dict)
    aged: set[SourceKey] = field(default_factory=set)
    requests: int = 0

    def fill(self, repositories: int, pull_requests: int) -> World:
        self.objects[project("P")] = "project P"
        for number in range(repositories):
            name = f"r{number}"
            self.objects[repository(name)] = f"repository {name}"
            for one in range(1, pull_requests + 1):
                self.objects[pull_request(name, one)] = f"pull request {one} of {name}"
        return self

    def expected(self) -> dict[EntityKey, str]:
        return {entity_of(key, title).key: title for key, title in self.objects.items() if key not in self.hidden}


class Rig:
    """One world with its parts; ``run()`` works the queue off."""

    def __init__(
        self,
        world: World,
        *,
        threshold: float = 1.0,
        mapped: Mapping | None = None,
        store: RunStore | None = None,
        follows_up: bool = False,
    ) -> None:
        self.follows_up = follows_up
        self.world = world
        self.now = START
        self.mapping = mapped or mapping(threshold)
        database = Database(Path(":memory:"))
        self.real_ledger = SQLiteLedger(database)
        self.real_store: RunStore = store or SQLiteRunStore(database)
        self.port: dict[EntityKey, str] = {}
        self.queue: list[Waiting] = []
        self.spared: set[str] = set()
        self.sent = 0
        self.gate: Callable[[str, Callable[[], Any]], Any] = lambda name, call: call()
        self.calls: list[str] = []
        self.time_left = True
        self.most_pages: int | None = None
        self._pages = 0
        self.ledger = cast("SQLiteLedger", Gated("ledger", self.real_ledger, self))
        self.store = cast("RunStore", Gated("store", self.real_store, self))
        self.catalog = Catalog(self)
        self.followers = RunFollowers(self.send, clock=lambda: self.now)
        self.worker = self._worker()

    # --- parts

    def starter(self, **intervals: float) -> Starter:
        return Starter(
            store=self.store,
            send=lambda message, delay=0: self.send([message], delay),
            mapping_hash=self.mapping.hash,
            kinds=frozenset({one.kind for one in self.mapping.resources}),
            intervals=Intervals(**intervals) if intervals else Intervals(360, 60),
            clock=lambda: self.now,
        )

    def _worker(self) -> RunWorker:
        plan = cast("Plan", FakePlan())
        catalog, port = self.catalog, cast("Any", PortView(self))
        kinds = frozenset({one.kind for one in self.mapping.resources})
        common: dict[str, Any] = {
            "ledger": self.ledger,
            "catalog": catalog,
            "clock": lambda: self.now,
        }
        timed: dict[str, Any] = {**common, "time_left": self.has_time}
        leftovers = Leftovers(
            ledger=self.ledger,
            ours=lambda blueprint, names: {one for one in names if EntityKey(blueprint, one) in self.port},
            spared=lambda blueprint, names: {name: "it is needed" for name in names if name in self.spared},
            delete=self.delete,
            rewrite=catalog.rewrite,
        )
        return RunWorker(
            store=self.store,
            send=self.send,
            mapping_hash=self.mapping.hash,
            listings=Listings(plan=lambda kind: plan, kinds=kinds, bitbucket=self, source=lambda: SOURCE, **timed),
            port_side=PortSide(mapping=self.mapping, port=port, source=lambda: SOURCE, **timed),
            sweeps=Sweeps(
                kinds=kinds,
                threshold=self.mapping.deletion_threshold,
                leftovers=leftovers,
                **common,
            ),
            children=ChildrenWorker(
                ledger=self.ledger,
                applier=cast("Applier", catalog),
                time_left=self.has_time,
            ),
            followers=self.followers,
            spent=lambda: (self.world.requests, 0),
            clock=lambda: self.now,
            log=logging.getLogger("tests"),
            starter=self.starter(full=0, list=0) if self.follows_up else None,
        )

    def has_time(self) -> bool:
        return self.time_left and (self.most_pages is None or self._pages < self.most_pages)

    def send(self, messages: Sequence[str], delay: int = 0) -> None:
        for message in messages:
            self.call("send", partial(self.queue.append, Waiting(message, self.now + delay)))

    def call(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        return self.gate(name, call)

    # --- Bitbucket

    def list(self, listing: Listing, *, container: Address | None, cursor: str | None) -> Iterator[ListedPage]:
        at = int(cursor or 0)
        while True:
            page = self.call("list", partial(self._page, listing.kind, container, at))
            self._pages += 1
            yield page
            if page.next is None:
                return
            at = int(page.next)

    def _page(self, kind: Kind, container: Address | None, at: int) -> ListedPage:
        self.world.requests += 1
        name = container.repository if container else None
        self._troubled(repository(name) if name else kind)
        self._troubled(f"{kind} {at}")
        if name and repository(name) not in self.world.objects:
            raise NotFoundError(f"no {name}")
        found = sorted(
            key
            for key in self.world.objects
            if key.kind == kind and (not name or key.container == repository(name).children_container)
        )
        entries = [PageEntry(key, self.reading(key)) for key in found[at : at + PAGE]]
        return ListedPage(entries, self.now, str(at + PAGE) if len(found) > at + PAGE else None)

    def asker(self, listing: Listing) -> Callable[[object], bool]:
        return lambda question: True

    def read(self, key: SourceKey) -> Reading:
        return cast("Reading", self.call("read", lambda: self._read(key)))

    def _read(self, key: SourceKey) -> Reading:
        self.world.requests += 1
        self._troubled(key)
        if key not in self.world.objects:
            raise NotFoundError(f"no {key}")
        return self.reading(key)

    def reading(self, key: SourceKey) -> Reading:
        if key.kind == "pull-request":
            address = Address(repository=key.container.rpartition("/")[2], number=int(key.id))
        else:
            address = Address(repository=key.id) if key.kind == "repository" else Address(project=key.id)
        return Reading({"id": key.id, "title": self.world.objects[key]}, None, Facts(address))

    def _troubled(self, what: SourceKey | str) -> None:
        if what in self.world.trouble:
            raise self.world.trouble[what]

    # --- Port

    def delete(self, blueprint: str, identifiers: Sequence[str]) -> Deleted:
        def go() -> Deleted:
            for identifier in identifiers:
                self.port.pop(EntityKey(blueprint, identifier), None)
            return Deleted(tuple(identifiers))

        return cast("Deleted", self.call("port", go))

    # --- working the queue off

    def begin(self, kind: str = "full") -> None:
        tick = self.starter().begin(cast("Any", kind), "test", self.real_store.state())
        assert tick.did == "began", tick

    def tick(self) -> Tick:
        return self.starter().tick()

    def step(self, waiting: Waiting) -> None:
        """One receive of one message, as the queue and the function do it."""
        waiting.receives += 1
        self._pages = 0
        try:
            self.worker.handle(waiting.message, waiting.receives)
        except TransientError as error:
            waiting.visible = self.now + wait_seconds(error.retry_after, waiting.receives)
        except PermanentError:
            self.queue.remove(waiting)
        except (Killed, BitbucketPortError):
            waiting.visible = self.now + 1800
        else:
            self.queue.remove(waiting)

    def run(self, choose: Choose | None = None, *, most: int = 3000) -> JsonObject:
        """Work until nothing is left; returns the last report."""
        for _ in range(most):
            if not self.queue:
                if self.real_store.state().run is None:
                    break
                self.now += 60
                with suppress(Killed, TransientError):  # A tick that is lost is followed by another.
                    self.tick()
                continue
            ready = [one for one in self.queue if one.visible <= self.now]
            if not ready:
                self.now = min(one.visible for one in self.queue)
                continue
            self.now += 0.01
            self.step(choose(ready) if choose else ready[0])
        else:
            raise AssertionError(f"the run does not end: {[one.message for one in self.queue][:5]}")
        return self.real_store.last_reports(1)[0]

    def full(self) -> JsonObject:
        """A run from its beginning to its end, an hour after what went before."""
        self.now += 3600
        self.begin()
        return self.run()


@dataclass(eq=False)
class Waiting:
    """A message of the queue."""

    message: str
    visible: float
    receives: int = 0


class Gated:
    """Every method of something else, through the gate."""

    def __init__(self, name: str, target: object, rig: Rig) -> None:
        self._name, self._target, self._rig = name, target, rig

    def __getattr__(self, method: str) -> Callable[..., Any]:
        attribute = getattr(self._target, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._rig.call(f"{self._name}.{method}", lambda: attribute(*args, **kwargs))

        return call


class PortView:
    """Port as ``port.listing`` asks it: everything is ours."""

    datasource_rules: tuple[JsonObject, ...] = ()

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def search_blueprint(
        self, blueprint: str, rules: Sequence[JsonObject], *, include: Sequence[str], limit: int, cursor: str | None
    ) -> PortPage:
        def search() -> PortPage:
            wanted = {name for rule in rules for name in rule["value"]}
            found = [
                {"identifier": key.identifier, "title": title, "updatedAt": "2026-01-01T00:00:00Z"}
                for key, title in self._rig.port.items()
                if key.blueprint == blueprint and (not rules or key.identifier in wanted)
            ]
            return PortPage(cast("list[JsonObject]", found), None)

        return cast("PortPage", self._rig.call("port", search))


class Catalog:
    """Writes what readings make. One writer at a time, so no lease is ever refused."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def apply_page(
        self, entries: Sequence[PageEntry], *, asked: float, removals: str = "allow", ask: object = None
    ) -> list[Outcome]:
        items = self._rig.ledger.read([entry.key for entry in entries])
        return [self._settle(items[entry.key], entry.reading, asked, removals) for entry in entries]

    def look_all(self, changes: Sequence[Change], *, removals: str) -> list[Outcome]:
        return [self._told(change, removals) for change in changes]

    def _told(self, change: Change, removals: str) -> Outcome:
        try:
            return self.look(change, removals=removals)
        except BitbucketPortError as error:
            return failed(change.key, error, "refresh")

    def look(self, change: Change, *, removals: str) -> Outcome:
        asked = self._rig.now
        item = self._rig.ledger.read([change.key])[change.key]
        try:
            reading = self._rig.read(change.key)
        except NotFoundError:
            return self._missing(item, removals)
        return self._settle(item, reading, asked, removals, refreshed=asked)

    def rewrite(self, key: SourceKey) -> Outcome:
        asked = self._rig.now
        item = self._rig.ledger.read([key])[key]
        return self._settle(item, self._rig.read(key), asked, "allow", refreshed=asked)

    def remove(self, key: SourceKey, *, version: int | None) -> Outcome:
        item = self._rig.ledger.read([key])[key]
        return self._go(item)

    def _missing(self, item: ObjectItem, removals: str) -> Outcome:
        rig = self._rig
        since = item.missing_since
        if not item.owns and not self._children(item.key):
            return Outcome(item.key, "absent", "refresh")
        if removals == "defer":
            granted = self._lease(item)
            with self._given_up_on_failure(granted):
                rig.ledger.miss(item.key, granted.token, since=since or rig.now, dirty=False)
            below: dict[str, int] = {}
            for child in self._children(item.key):
                for entity in child.owned():
                    below[entity.blueprint] = below.get(entity.blueprint, 0) + 1
            return Outcome(item.key, "absent", "refresh", planned=tuple(item.owned()), below=below)
        if since is None or rig.now - since < 60:
            raise StillThereError("a second look decides", retry_after=61)
        return self._go(item)

    def _children(self, key: SourceKey) -> list[ObjectItem]:
        if key.kind != "repository":
            return []
        return [child for child in self._rig.ledger.children(key.children_container) if child.owns]

    def _go(self, item: ObjectItem) -> Outcome:
        """Children first, by a job."""
        if self._children(item.key):
            granted = self._lease(item)
            with self._given_up_on_failure(granted):
                self._rig.followers.remove(item.key, replace(item.facts, gone=True), version=None)
                self._commit(item, granted, item.owns, self._rig.now, gone=True)
            return Outcome(item.key, "deleting", "refresh")
        return self._settle(item, None, self._rig.now, "allow", refreshed=self._rig.now)

    def _settle(
        self, item: ObjectItem, reading: Reading | None, asked: float, removals: str, *, refreshed: float = 0.0
    ) -> Outcome:
        rig, key = self._rig, item.key
        made = [entity_of(key, reading.object["title"])] if reading and key not in rig.world.hidden else []
        wanted = {str(entity.key): entity for entity in made}
        unwanted = [one for one in item.owns if one not in wanted]
        changed = [one for one in made if item.owns.get(str(one.key)) != one.content_hash or item.lease]
        if not changed and not unwanted and not refreshed:
            return Outcome(key, "unchanged", "page", unchanged=len(made), mapped=len(made))
        granted = self._lease(item, [str(one.key) for one in changed if str(one.key) not in item.owns])
        with self._given_up_on_failure(granted):
            return self._write(granted, made, changed, unwanted, reading, asked, removals, refreshed)

    @contextmanager
    def _given_up_on_failure(self, granted: Granted) -> Iterator[None]:
        try:
            yield
        except TransientError:
            self._rig.real_ledger.release(granted.item.key, granted.token, dirty=True)
            raise

    def _write(
        self,
        granted: Granted,
        made: list[Entity],
        changed: list[Entity],
        unwanted: list[str],
        reading: Reading | None,
        asked: float,
        removals: str,
        refreshed: float,
    ) -> Outcome:
        rig, item = self._rig, granted.item
        key, wanted = item.key, {str(entity.key): entity for entity in made}
        created = 0
        for entity in changed:
            rig.ledger.join(entity.key, key, now=rig.now)
            created += entity.key not in rig.port
            rig.call("port", partial(rig.port.update, {entity.key: entity.fields["title"]}))
        owns = {name: entity.content_hash for name, entity in wanted.items()}
        planned: tuple[EntityKey, ...] = ()
        if removals == "defer":
            planned = tuple(EntityKey.parse(one) for one in unwanted)
            owns |= {one: item.owns[one] for one in unwanted}
        else:
            for one in unwanted:
                entity_key = EntityKey.parse(one)
                rig.ledger.mark_deleting(entity_key, key, granted.token, now=rig.now, until=rig.now + 60)
                rig.call("port", partial(rig.port.pop, entity_key, None))
                rig.ledger.drop(entity_key, granted.token)
        self._commit(item, granted, owns, asked, refreshed=refreshed, reading=reading, gone=reading is None)
        return Outcome(
            key,
            "applied" if reading else "deleted",
            "refresh" if refreshed else "page",
            written=len(changed),
            created=created,
            updated=len(changed) - created,
            deleted=0 if removals == "defer" else len(unwanted),
            unchanged=len(made) - len(changed),
            mapped=len(made),
            planned=planned,
            aged=bool(planned) and key in rig.world.aged,
        )

    def _lease(self, item: ObjectItem, intents: Collection[str] = ()) -> Granted:
        rig = self._rig
        granted = rig.ledger.take_lease(
            item, f"t{next(_tokens)}", now=rig.now, until=rig.now + 330, guard=Guard(), intents=intents
        )
        if not isinstance(granted, Granted):
            raise TransientError(f"{item.key} is being written")
        return granted

    def _commit(
        self,
        item: ObjectItem,
        granted: Granted,
        owns: Any,
        asked: float,
        *,
        refreshed: float = 0.0,
        reading: Reading | None = None,
        gone: bool = False,
    ) -> None:
        facts = reading.facts if reading else replace(item.facts, gone=gone)
        commit = Commit(owns, None, asked, refreshed or item.refreshed_at, item.received, facts)
        self._rig.ledger.commit(item.key, granted.token, commit, now=self._rig.now)


__all__ = ["ForbiddenError", "Killed", "Rig", "Waiting", "World"]
