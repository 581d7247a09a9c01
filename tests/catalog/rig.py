"""The catalog's code in a small world: a real ledger on moto, a Port and a Bitbucket in memory, a clock we move.

Every call to the outside passes a gate. The gate counts, and at one number makes an accident happen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.held import Timing
from bitbucket_port.catalog.items import Facts
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Removals
from bitbucket_port.catalog.outside import Reader, Reading, Writer
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.catalog.settle import WriteOptions
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import NotFoundError, PermanentError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.client import Deleted, Written
from bitbucket_port.webhooks.change import Change
from tests.model.stories import Shape, Story

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "ledger"
START = 1_800_000_000.0
LAG_SECONDS = 30.0
ReadMode = Literal["payload", "refresh", "webhook-only"]


class Killed(BaseException):
    """The function is gone in the middle of its work: no handler of ours runs."""


# Accidents that a call can meet (``Gate.accident``).


def kill(name: str, call: Callable[[], Any]) -> Any:
    """The function is gone before the call."""
    raise Killed(name)


def lose_answer(name: str, call: Callable[[], Any]) -> Any:
    """The call is carried out, but we hear of a failure."""
    call()
    raise TransientError(f"{name} did not answer", retry_after=5)


def refuse(name: str, call: Callable[[], Any]) -> Any:
    """The call is not carried out."""
    raise TransientError(f"{name} is not available", retry_after=5)


@dataclass
class Gate:
    """Counts outside calls, each of which takes a moment; the call number ``at`` meets ``accident``."""

    tick: Callable[[], None]
    at: int = -1
    accident: Callable[[str, Callable[[], Any]], Any] | None = None
    calls: list[str] = field(default_factory=list)

    def guard(self, name: str, call: Callable[[], Any]) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        self.tick()
        if number == self.at and self.accident is not None:
            return self.accident(name, call)
        return call()

    def around(self, name: str, target: object) -> Any:
        return _Guarded(name, target, self)


class _Guarded:
    def __init__(self, name: str, target: object, gate: Gate) -> None:
        self._name, self._target, self._gate = name, target, gate

    def __getattr__(self, method: str) -> Callable[..., Any]:
        attribute = getattr(self._target, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._gate.guard(f"{self._name}.{method}", lambda: attribute(*args, **kwargs))

        return call


class MemoryPort:
    """Port's entities; everything in it is under our datasource."""

    def __init__(self) -> None:
        self.entities: dict[EntityKey, JsonObject] = {}

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        written = []
        for entity in entities:
            there = entity.key in self.entities
            if not (there and create_only):
                self.entities[entity.key] = dict(entity.fields)
            outcome: Literal["created", "updated", "exists"] = "created" if not there else "updated"
            written.append(Written(entity, "exists" if there and create_only else outcome))
        return written

    def rename(self, old: EntityKey, entity: Entity, *, create_missing: bool) -> Written:
        if old not in self.entities:
            raise NotFoundError(f"there is no {old}")
        if entity.key in self.entities:
            raise PermanentError(f"{entity.key} exists")
        self.entities[entity.key] = {**self.entities.pop(old), **entity.fields}
        return Written(entity, "updated", identifier=entity.key.identifier)

    def delete(self, blueprint: str, identifiers: Sequence[str], *, delete_dependents: bool) -> Deleted:
        for identifier in identifiers:
            self.entities.pop(EntityKey(blueprint, identifier), None)
        return Deleted(tuple(identifiers))

    def ours(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        return {one for one in identifiers if EntityKey(blueprint, one) in self.entities}

    def get(self, key: EntityKey) -> JsonObject | None:
        return self.entities.get(key)

    def relating_to(self, key: EntityKey) -> list[Any]:
        return []


class StoryMapper:
    """Reads the entities off the object; either all of one blueprint, or each of its own (then nothing is renamed)."""

    def __init__(self, blueprint: str, *, one_blueprint: bool, gaps: bool) -> None:
        self._blueprint = blueprint
        self._one_blueprint = one_blueprint
        self._gaps = gaps

    def key(self, name: str) -> EntityKey:
        return EntityKey(self._blueprint if self._one_blueprint else f"{self._blueprint}-{name}", name)

    def map(self, kind: Kind, obj: JsonObject, *, ask: object) -> Mapped:
        made = []
        for name, content in obj["entities"].items():
            key = self.key(name)
            made.append(Entity(key.blueprint, key.identifier, {"title": content}))
        return Mapped(tuple(made))

    def ageless(self, kind: Kind, obj: JsonObject, *, ask: object) -> Mapped:
        return self.map(kind, obj, ask=ask)

    def map_payload(self, kind: Kind, obj: JsonObject) -> Mapped:
        return self.map(kind, obj, ask=None)

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        return ["resources[0]: this story always asks"] if self._gaps else []


class Rig:
    """One story in one table: Bitbucket goes from world to world, deliveries wait in a list."""

    PROJECTS: ClassVar[bool] = False

    def __init__(
        self, client: DynamoDBClient | SQLiteLedger, story: Story, name: str, *, mode: ReadMode, one_blueprint: bool
    ) -> None:
        self.story, self.mode, self.name = story, mode, name
        self.world = 0
        self.now = START
        self.changed_at = START
        self.gate = Gate(lambda: self.wait(0.01))
        self.port = MemoryPort()
        self.mapper = StoryMapper(name, one_blueprint=one_blueprint, gaps=mode == "refresh")
        self.ledger = client if isinstance(client, SQLiteLedger) else DynamoDBLedger(cast("Any", client), TABLE)
        self.queue: list[Change] = []
        self.rewrites: list[SourceKey] = []
        self.looks: list[SourceKey] = []
        self.page: tuple[list[PageEntry], float] | None = None
        self.log: list[str] = []
        self.applier = Applier(
            ledger=cast("Ledger", self.gate.around("ledger", self.ledger)),
            mapper=self.mapper,
            port=cast("Writer", self.gate.around("port", self.port)),
            reader=None if mode == "webhook-only" else cast("Reader", self.gate.around("bitbucket", self)),
            followers=cast("Any", self.gate.around("jobs", self)),
            options=WriteOptions(),
            projects=self.PROJECTS,
            timing=Timing(look=1.5),
            clock=lambda: self.now,
            sleep=self.wait,
            facts_of=lambda key, address, obj: self._facts(key),
        )
        for obj in story.objects:
            if story.shape(0, obj) is not None:
                self.applier.apply(self._change(0, obj))
        self.wait(100)
        self.gate.calls.clear()

    # --- time and Bitbucket

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def all_worlds(self) -> None:
        """Bitbucket goes through the whole story before anything is delivered."""
        while self.world < len(self.story.worlds) - 1:
            self.next_world()

    def next_world(self) -> None:
        self.world += 1
        self.wait(5)
        self.changed_at = self.now
        self.queue += [self._change(self.world, name) for name in self.story.changes(self.world)]

    def key(self, name: str) -> SourceKey:
        return SourceKey("repository", self.name, name)

    def _facts(self, key: SourceKey) -> Facts:
        return Facts(Address(repository=key.id), full_name=f"orchard/{key.id}")

    def _object(self, key: SourceKey, shape: Shape) -> JsonObject:
        return {"name": key.id, "entities": dict(shape.entities)}

    def _change(self, world: int, name: str) -> Change:
        shape = self.story.shape(world, name)
        key = self.key(name)
        told = shape is not None and world not in self.story.hints
        return Change(
            "repository",
            key,
            "upsert" if shape else "delete",
            Address(repository=name),
            version=_time(shape.version) if shape else None,
            event_time=int(self.now * 1_000_000),
            received=self.now,
            object=self._object(key, shape) if shape and told else None,
        )

    def read(self, key: SourceKey, address: Address) -> Reading:
        shape = self.story.shape(self.world, key.id)
        hidden = self.world in self.story.lags and self.now - self.changed_at < LAG_SECONDS
        if shape is None or hidden:
            raise NotFoundError(f"no {key}")
        return Reading(self._object(key, shape), _time(shape.shown), self._facts(key))

    def check_source(self) -> None:
        return None

    def ask(self, question: object) -> bool:
        return True

    # --- jobs

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: Sequence[EntityKey] = ()) -> None:
        return None

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        raise AssertionError("nothing hangs below the objects of a story")

    def rewrite(self, key: SourceKey) -> None:
        if self.mode != "webhook-only":
            self.rewrites.append(key)

    # --- what a function does

    def ask_page(self) -> None:
        shapes = [(self.key(name), self.story.shape(self.world, name)) for name in self.story.objects]
        entries = [
            PageEntry(key, Reading(self._object(key, shape), _time(shape.shown), self._facts(key)))
            for key, shape in shapes
            if shape is not None
        ]
        self.page = entries, self.now

    def write_page(self, removals: Removals = "allow") -> None:
        """The job writes its page; killed, it comes back later and reads the page again.

        Objects that failed alone, or would lose something, are looked at by themselves.
        """
        if self.page is None:
            return
        entries, asked = self.page
        try:
            outcomes = self.applier.apply_page(entries, asked=asked, removals=removals)
        except (Killed, TransientError) as error:
            self.log.append(f"page: {error!r}")
            self.wait(61)
            self.ask_page()
        else:
            self.page = None
            self.log += [f"page: {one.key.id}: {one.failed}" for one in outcomes if one.failed]
            self.looks += [one.key for one in outcomes if one.failed or one.planned]
            self.wait(61 if self.looks else 0)

    def look_at_all(self) -> None:
        """A sweep's second look at everything that waits for one; what is not found needs a third."""
        keys, self.looks = self.looks, []
        changes = [
            Change("repository", key, "upsert", Address(repository=key.id), None, None, self.now, None) for key in keys
        ]
        try:
            outcomes = self.applier.look_all(changes, removals="allow")
        except Killed:
            self.log.append("looks: killed")
            self.looks = keys
        else:
            self.log += [f"look: {one.key.id}: {one.failed or one.result}" for one in outcomes]
            self.looks = [one.key for one in outcomes if one.failed]
        self.wait(61 if self.looks else 0)

    def deliver_next(self) -> None:
        """The first delivery that waits."""
        self.deliver(self.queue.pop(0))

    def deliver(self, change: Change) -> None:
        """One delivery; what fails comes back, what was killed comes back when its lease is over."""
        try:
            outcome = self.applier.apply(change)
            self.log.append(f"{change.key.id} {change.version}: {outcome.result} by {outcome.reading}")
        except Killed:
            self.log.append(f"{change.key.id} {change.version}: killed")
            self.wait(61)
            self.queue.append(change)
        except TransientError as error:
            self.log.append(f"{change.key.id} {change.version}: {error!r}")
            self.wait(max(error.retry_after or 0, 20))
            self.queue.append(change)

    def list_world(self, removals: Removals) -> None:
        """A run without any delivery: one page, then a look at what it did not show."""
        self.queue.clear()
        self.wait(100)
        self.ask_page()
        while self.page is not None:
            self.write_page(removals)
        shown = {name for name in self.story.objects if self.story.shape(self.world, name)}
        self.looks += [self.key(name) for name in self.story.objects if name not in shown]
        while self.looks or self.rewrites:
            if self.looks:
                self.look_at_all()
            else:
                self.rewrite_one()

    def rewrite_one(self) -> None:
        key = self.rewrites.pop(0)
        try:
            self.applier.rewrite(key)
        except (Killed, TransientError) as error:
            self.log.append(f"rewrite of {key.id}: {error!r}")
            self.wait(61)
            self.rewrites.append(key)

    def finish(self) -> None:
        """Everything that is still to do, until nothing is left."""
        for _ in range(100):
            if self.queue:
                self.deliver(self.queue.pop(0))
            elif self.rewrites:
                self.rewrite_one()
            elif self.looks:
                self.look_at_all()
            elif self.world < len(self.story.worlds) - 1:
                self.next_world()
            elif self.page is not None:
                self.write_page()
            else:
                return
        raise AssertionError("it does not come to rest: " + "; ".join(self.log))

    # --- what must be true at rest

    def expected(self) -> dict[EntityKey, JsonObject]:
        return {self.mapper.key(entity): {"title": content} for entity, content in self.story.catalog()}

    def check(self) -> None:
        story = f"{self.story.name} ({self.mode}): " + "; ".join(self.log)
        assert self.port.entities == self.expected(), story
        items = self.ledger.read([self.key(name) for name in self.story.objects])
        owned = sorted(text for item in items.values() for text in item.owns)
        assert owned == sorted(str(key) for key in self.expected()), story
        assert not [item.key.id for item in items.values() if item.lease and item.lease.live(self.now)], story


def _time(version: int) -> int:
    """A version as a time in microseconds, before every delivery and not on a full second."""
    return int((START - 1000 + version) * 1_000_000) + 123_456
