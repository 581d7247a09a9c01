"""What hangs below an object that moved or is gone, over a real ledger and a Bitbucket and a Port in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.items import Commit, Facts, Granted, Guard, ObjectItem
from bitbucket_port.catalog.outside import Reading, Writer
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.catalog.settle import WriteOptions
from bitbucket_port.errors import ForbiddenError, NotFoundError, StillThereError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.client import Deleted
from bitbucket_port.resync.children import LOOKS_AT_BLOCKED, ChildrenWorker, ListedPage, Progress
from bitbucket_port.resync.jobs import ChildrenJob
from bitbucket_port.resync.leftovers import Leftovers
from bitbucket_port.webhooks.change import Change
from tests.catalog.rig import TABLE, MemoryPort

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_numbers = itertools.count()
LEASE_AND_MORE = 400.0
"""Seconds after which nothing is announced or held any more by somebody who failed."""


class Mapper:
    """Blueprints of its own for each world: all worlds share one table."""

    def __init__(self, world: str) -> None:
        self.world = world

    def map(self, kind: Kind, obj: JsonObject, *, ask: object) -> Mapped:
        return Mapped((Entity(f"{kind}@{self.world}", f"{obj['name']}/{obj['id']}", {"title": obj["title"]}),))

    def map_payload(self, kind: Kind, obj: JsonObject) -> Mapped:
        return self.map(kind, obj, ask=None)

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        return []

    def ageless(self, kind: Kind, obj: JsonObject, *, ask: object) -> Mapped:
        return self.map(kind, obj, ask=ask)


@dataclass
class World:
    """One repository with pull requests; ``name`` is what Bitbucket calls it now."""

    client: DynamoDBClient
    now: float = 1_800_000_000.0
    name: str = "acme/old"
    open_ones: list[int] = field(default_factory=list)
    all_ones: list[int] = field(default_factory=list)
    gone: bool = False
    broken: dict[int, Exception] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    jobs: list[ChildrenJob] = field(default_factory=list)
    time_left: bool = True
    needed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.port = MemoryPort()
        self.ledger = DynamoDBLedger(self.client, TABLE)
        self.repository = SourceKey("repository", f"world-{next(_numbers)}", "{r}")
        self.applier = Applier(
            ledger=self.ledger,
            mapper=Mapper(self.repository.container),
            port=cast("Writer", self.port),
            reader=self,
            followers=self,
            options=WriteOptions(),
            clock=lambda: self.now,
            sleep=self.wait,
            facts_of=lambda key, address, obj: self.facts(key),
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def facts(self, key: SourceKey) -> Facts:
        number = int(key.id) if key.kind == "pull-request" else None
        return Facts(Address(repository="{r}", number=number), full_name=self.name, project="PAY")

    def key(self, number: int) -> SourceKey:
        return SourceKey("pull-request", self.repository.children_container, str(number))

    def read(self, key: SourceKey, address: Address) -> Reading:
        number = int(key.id) if key.kind == "pull-request" else 0
        self.reads.append(number)
        if number in self.broken:
            raise self.broken[number]
        if self.gone or (number and number not in self.all_ones):
            raise NotFoundError(f"no {key}")
        return self.reading(key, number)

    def reading(self, key: SourceKey, number: int) -> Reading:
        obj = {"name": self.name, "id": number, "title": f"{key.kind} {number}"}
        return Reading(obj, 1_000_123, self.facts(key))

    def check_source(self) -> None:
        return None

    def ask(self, question: object) -> bool:
        return True

    def below(self, kind: Kind, address: Address) -> Iterator[ListedPage]:
        yield ListedPage(
            [PageEntry(self.key(number), self.reading(self.key(number), number)) for number in self.open_ones], self.now
        )

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: Sequence[EntityKey] = ()) -> None:
        self.jobs.append(ChildrenJob("follow", container, before, after, self.now, left=tuple(left)))

    def rewrite(self, key: SourceKey) -> None:
        self.jobs.append(ChildrenJob("rewrite", key, Facts(), Facts(), self.now))

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        self.jobs.append(ChildrenJob("remove", container, facts, facts, self.now, version))

    # --- what happens

    def hint(self, key: SourceKey, action: Any = "upsert") -> None:
        address = self.facts(key).address or Address()
        change = Change(key.kind, key, action, address, None, None, received=self.now, object=None)
        self.applier.apply(change)

    def fill(self, count: int, *, still_open: int) -> None:
        self.hint(self.repository)
        self.all_ones = list(range(1, count + 1))
        self.open_ones = self.all_ones[:still_open]
        for number in self.all_ones:
            self.hint(self.key(number))
        self.wait(120)
        self.reads.clear()

    def worker(self) -> ChildrenWorker:
        return ChildrenWorker(
            ledger=self.ledger,
            applier=self.applier,
            lister=self,
            leftovers=Leftovers(
                ledger=self.ledger,
                ours=self.port.ours,
                spared=lambda blueprint, names: {name: "it is needed" for name in names if name in self.needed},
                delete=partial(self.port.delete, delete_dependents=False),
                rewrite=self.applier.rewrite,
            ),
            time_left=lambda: self.time_left,
            clock=lambda: self.now,
        )

    def held(self, kind: str) -> set[str]:
        return {key.identifier for key in self.port.entities if key.blueprint == f"{kind}@{self.repository.container}"}

    def item(self, key: SourceKey) -> ObjectItem:
        return self.ledger.read([key])[key]


@pytest.fixture
def world(dynamodb: DynamoDBClient) -> World:
    return World(dynamodb)


def renamed(world: World, count: int, still_open: int) -> ChildrenJob:
    world.fill(count, still_open=still_open)
    world.name = "acme/new"
    world.hint(world.repository)
    world.reads.clear()
    (job,) = world.jobs
    return job


def test_open_pull_requests_follow_with_one_page_and_the_others_with_a_read_each(world: World) -> None:
    job = renamed(world, 4, still_open=3)
    world.jobs.clear()
    progress = world.worker().run(job)
    assert progress.finished
    assert world.jobs == []
    assert world.held("pull-request") == {f"acme/new/{number}" for number in range(1, 5)}
    assert world.reads == [4]


def test_a_job_done_twice_costs_no_second_read(world: World) -> None:
    job = renamed(world, 3, still_open=1)
    world.worker().run(job)
    world.reads.clear()
    assert world.worker().run(job).finished
    assert world.reads == []


def test_what_a_live_event_touched_a_moment_ago_follows_as_well(world: World) -> None:
    job = renamed(world, 2, still_open=2)
    world.ledger.move(world.item(world.key(1)), version=None, read_at=world.now - 1, received=world.now)
    world.worker().run(job)
    assert world.held("pull-request") == {"acme/new/1", "acme/new/2"}
    assert world.reads == [1]


def test_one_child_that_cannot_be_read_does_not_keep_the_others(world: World) -> None:
    job = renamed(world, 3, still_open=0)
    world.broken = {1: TransientError("Bitbucket answered 500"), 2: ForbiddenError("not for us")}
    progress = world.worker().run(job)
    assert world.held("pull-request") == {"acme/old/1", "acme/old/2", "acme/new/3"}
    assert progress.failed is world.broken[1]
    assert len(progress.problems) == 2
    world.broken = {}
    assert world.worker().run(job).finished
    assert world.held("pull-request") == {"acme/new/1", "acme/new/2", "acme/new/3"}


def test_a_long_wait_ends_the_turn_instead_of_asking_for_every_child(world: World) -> None:
    job = renamed(world, 3, still_open=0)
    world.broken = dict.fromkeys((1, 2, 3), TransientError("limited", retry_after=1800))
    progress = world.worker().run(job)
    assert progress.failed is not None
    assert progress.failed.retry_after == 1800
    assert world.reads == [1]


def test_when_the_time_is_up_the_rest_is_left_for_another_turn(world: World) -> None:
    job = renamed(world, 3, still_open=0)
    world.time_left = False
    assert not world.worker().run(job).finished
    assert len(world.reads) <= 1
    world.time_left = True
    assert world.worker().run(job.continued()).finished
    assert world.held("pull-request") == {"acme/new/1", "acme/new/2", "acme/new/3"}


def old_name(world: World, job: ChildrenJob) -> EntityKey:
    """The repository's entity of before, there again."""
    (key,) = job.left
    world.port.entities[key] = {"identifier": key.identifier}
    return key


def test_what_is_created_again_by_the_old_name_goes_when_all_children_have_followed(world: World) -> None:
    job = renamed(world, 2, still_open=1)
    old = old_name(world, job)
    world.broken = {2: TransientError("Bitbucket answered 500")}
    world.worker().run(job)
    assert old in world.port.entities
    world.broken = {}
    assert world.worker().run(job).finished
    assert old not in world.port.entities
    assert world.held("repository") == {"acme/new/0"}


def test_whoever_writes_by_the_old_name_is_waited_for(world: World) -> None:
    job = renamed(world, 1, still_open=1)
    late = world.item(world.key(9))
    granted = world.ledger.take_lease(late, "t", now=world.now, until=world.now + 60, guard=Guard())
    assert isinstance(granted, Granted)
    progress = world.worker().run(job)
    assert not progress.finished
    assert progress.delay > 0
    old = old_name(world, job)
    world.ledger.release(late.key, "t", dirty=False)
    assert world.worker().run(job.continued()).finished
    assert old not in world.port.entities


def test_the_old_name_stays_where_somebody_has_it_or_needs_it(world: World) -> None:
    job = renamed(world, 1, still_open=1)
    old = old_name(world, job)
    world.needed = {old.identifier}
    assert world.worker().run(job).finished
    assert old in world.port.entities
    world.needed = set()
    world.ledger.join(old, SourceKey("repository", world.repository.container, "another"), now=world.now)
    assert world.worker().run(job).finished
    assert old in world.port.entities


def deleted(world: World, count: int) -> ChildrenJob:
    world.fill(count, still_open=count)
    world.gone = True
    world.hint(world.repository, "delete")
    (job,) = world.jobs
    return job


def test_children_go_first_and_the_container_last(world: World) -> None:
    job = deleted(world, 2)
    assert world.held("repository") == {"acme/old/0"}
    assert world.worker().run(job).finished
    assert world.port.entities == {}
    assert not world.item(world.repository).owns


def test_a_container_that_came_back_keeps_its_children(world: World) -> None:
    job = deleted(world, 2)
    world.gone = False
    world.hint(world.repository)
    assert world.worker().run(job).finished
    assert world.held("pull-request") == {"acme/old/1", "acme/old/2"}


@pytest.mark.parametrize("is_back", [True, False])
def test_a_container_is_asked_for_again_when_something_below_is_heard_of(world: World, *, is_back: bool) -> None:
    job = deleted(world, 2)
    payload = {"name": world.name, "id": 1, "title": "Told"}
    told = Change("pull-request", world.key(1), "upsert", Address(), 2_000_123, None, world.now + 1, payload)
    world.wait(1)
    world.applier.apply(told)
    world.gone = not is_back  # It was missing for a moment only, or the event was late.
    world.wait(10)
    world.jobs.clear()
    while isinstance(world.worker().run(job).failed, StillThereError):
        world.wait(61)
    for ordered in world.jobs:
        assert world.worker().run(ordered).finished
    assert world.held("pull-request") == ({"acme/old/1", "acme/old/2"} if is_back else set())
    assert world.held("repository") == ({"acme/old/0"} if is_back else set())


def test_a_container_that_comes_back_brings_back_what_went_with_it(world: World) -> None:
    job = deleted(world, 2)
    assert world.worker().run(job).finished
    assert world.port.entities == {}
    world.gone = False
    world.jobs.clear()
    world.wait(10)
    world.hint(world.repository)
    (back,) = world.jobs
    assert world.worker().run(back).finished
    assert world.held("pull-request") == {"acme/old/1", "acme/old/2"}


def test_a_job_that_is_ahead_of_who_ordered_it_waits(world: World) -> None:
    world.fill(1, still_open=1)
    item = world.item(world.repository)
    world.ledger.take_lease(item, "t", now=world.now, until=world.now + 60, guard=Guard())
    facts = replace(item.facts, gone=True)
    job = ChildrenJob("remove", world.repository, facts, facts, world.now, 7)
    progress = world.worker().run(job)
    assert not progress.finished
    assert progress.delay > 0
    world.wait(61)  # Whoever ordered it is dead, and his own message comes back.
    assert world.worker().run(job).finished
    assert world.held("pull-request") == {"acme/old/1"}


def test_a_container_stays_while_a_child_cannot_be_removed_and_that_is_said_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = deleted(world, 1)
    monkeypatch.setattr(world.port, "delete", _blocked)
    progress = world.worker().run(job)
    assert not progress.finished
    assert world.held("repository") == {"acme/old/0"}
    last = world.worker().run(replace(job, hop=LOOKS_AT_BLOCKED))
    assert last.finished
    assert "its own entity stays" in last.problems[-1]


def test_a_container_waits_as_long_as_its_children_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns are counted to find what can never be removed. An outage is no such thing, however long it lasts."""
    job = replace(deleted(world, 2), hop=LOOKS_AT_BLOCKED)
    with monkeypatch.context() as outage:
        outage.setattr(world.port, "delete", _fails)
        progress = world.worker().run(job)
    assert progress.failed is not None
    assert len(progress.problems) == 2
    assert world.held("repository") == {"acme/old/0"}
    world.now += LEASE_AND_MORE
    assert world.worker().run(job).finished
    assert world.port.entities == {}


def test_a_rename_that_port_could_not_do_at_first_is_still_a_rename(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = renamed(world, 1, still_open=0)
    (old,) = [key for key in world.port.entities if key.identifier == "acme/old/1"]
    world.port.entities[old]["owner"] = "somebody who is not in the mapping"
    with monkeypatch.context() as outage:
        outage.setattr(world.port, "rename", _fails)
        assert world.worker().run(job).failed is not None
    world.now += LEASE_AND_MORE
    assert world.worker().run(job).finished
    assert world.held("pull-request") == {"acme/new/1"}
    assert world.port.entities[replace(old, identifier="acme/new/1")]["owner"] == "somebody who is not in the mapping"


def test_a_project_that_is_gone_takes_no_repository_that_is_elsewhere_now(world: World) -> None:
    """Bitbucket deletes no project that has repositories; nobody told that this one was moved out before."""
    project = SourceKey("project", world.repository.container, "7")
    world.hint(world.repository)
    world.wait(120)
    world.reads.clear()
    facts = Facts(Address(project="PAY"), full_name="PAY", project="PAY", gone=True)
    item = world.item(project)
    granted = world.ledger.take_lease(item, "t", now=world.now, until=world.now + 60, guard=Guard())
    assert isinstance(granted, Granted)
    world.ledger.commit(project, "t", Commit({}, None, world.now, 0.0, 0.0, facts), now=world.now)
    progress = world.worker().run(ChildrenJob("remove", project, facts, facts, world.now))
    assert (progress.finished, world.reads) == (True, [0])
    assert "its own entity stays" in progress.problems[-1]
    assert world.held("repository") == {"acme/old/0"}
    world.gone = True
    world.wait(120)
    job = ChildrenJob("remove", project, facts, facts, world.now)
    assert isinstance(world.worker().run(job).failed, StillThereError)
    world.wait(61)
    assert world.worker().run(job).finished
    assert world.held("repository") == set()


@pytest.mark.parametrize(("waits", "longest"), [((5, 90, 61), 90), ((5, None, 90), None), ((None, 5), None)])
def test_of_several_failures_the_longest_wait_counts(waits: tuple[float | None, ...], longest: float | None) -> None:
    progress = Progress()
    for wait in waits:
        progress.fail(TransientError("later", retry_after=wait))
    assert progress.failed is not None
    assert progress.failed.retry_after == longest


def _fails(*_: object, **__: object) -> Deleted:
    raise TransientError("Port answered 500")


def _blocked(blueprint: str, identifiers: list[str], *, delete_dependents: bool) -> Deleted:
    return Deleted((), dict.fromkeys(identifiers, "something relates to it"))


def test_a_rewrite_puts_back_what_another_object_wrote_over(world: World) -> None:
    world.fill(1, still_open=1)
    (entity,) = [key for key in world.port.entities if key.identifier == "acme/old/1"]
    world.port.entities[entity] = {"title": "somebody else's"}
    job = ChildrenJob("rewrite", world.key(1), Facts(), Facts(), world.now)
    assert world.worker().run(ChildrenJob.from_message(job.to_message())).finished
    assert world.port.entities[entity] == {"title": "pull-request 1"}
