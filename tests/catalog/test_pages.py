"""What a run relies on: pages and looks, with the requests they cost, what they leave alone and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from bitbucket_port.catalog.adopting import Adopter
from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.items import UNKNOWN, Facts
from bitbucket_port.catalog.outcome import Outcome, Removals
from bitbucket_port.catalog.outside import Ask, Reader, Reading, Writer
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.catalog.settle import WriteOptions
from bitbucket_port.errors import BusyError, ForbiddenError, NotFoundError, StillThereError, TransientError
from bitbucket_port.mapping.model import Mapped, MappingProblem
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.client import Deleted, Written
from bitbucket_port.webhooks.change import Change
from tests.catalog.ledgers import sqlite_ledger
from tests.catalog.rig import START, Gate, MemoryPort

REPOSITORY = SourceKey("repository", "{w}", "{r}")
PULLS = REPOSITORY.children_container


class CountingPort(MemoryPort):
    """Tells what it was asked; ``poison`` makes a whole request fail, ``refused`` only the entity.

    Of those in ``no_room`` everything is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.poison: set[str] = set()
        self.refused: set[str] = set()
        self.no_room: set[str] = set()
        self.down: TransientError | None = None
        self.deletes: list[list[str]] = []
        self.upserts: list[int] = []

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        self.upserts.append(len(entities))
        if self.down:
            raise self.down
        if self.poison & {entity.key.identifier for entity in entities}:
            raise TransientError("Port answered 500")
        taken = [one for one in entities if one.key.identifier not in self.refused]
        written = iter(super().upsert(taken, create_only=create_only, merge=merge, create_missing=create_missing))
        return [
            Written(one, "refused", "422") if one.key.identifier in self.refused else self._trimmed(next(written))
            for one in entities
        ]

    def _trimmed(self, written: Written) -> Written:
        entity = written.entity
        if entity.key.identifier not in self.no_room or written.outcome == "exists":
            return written
        return replace(written, trimmed=("title",), sent=replace(entity, fields={}))

    def delete(self, blueprint: str, identifiers: Sequence[str], *, delete_dependents: bool) -> Deleted:
        self.deletes.append(list(identifiers))
        return super().delete(blueprint, identifiers, delete_dependents=delete_dependents)


@dataclass
class World:
    """Pull requests and their repository; an object's ``makes`` are the identifiers of its entities."""

    folder: Path
    now: float = START
    gone: set[SourceKey] = field(default_factory=set)
    errors: dict[SourceKey | None, Exception] = field(default_factory=dict)
    objects: dict[SourceKey, JsonObject] = field(default_factory=dict)
    reads: list[SourceKey | None] = field(default_factory=list)
    handed_over: list[SourceKey] = field(default_factory=list)
    rewrites: list[SourceKey] = field(default_factory=list)
    adopter: Adopter | None = None

    def __post_init__(self) -> None:
        self.port = CountingPort()
        self.forget()

    def forget(self) -> None:
        """Go on with an empty ledger."""
        self.ledger = sqlite_ledger(self.folder)
        self.gate = Gate(lambda: None)
        self.applier = Applier(
            ledger=self.gate.around("ledger", self.ledger),
            mapper=self,
            port=cast("Writer", self.port),
            reader=cast("Reader", self),
            followers=cast("Any", self),
            options=WriteOptions(expected=lambda sent, content: f"{sent.fields} {content}"),
            clock=lambda: self.now,
            sleep=self.wait,
            facts_of=lambda key, address, obj: self.facts(key),
            adopter=self.adopter,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def facts(self, key: SourceKey) -> Facts:
        if key.kind == "project":
            return Facts(Address(project="GARDEN"), "GARDEN", "GARDEN")
        return Facts(Address(repository=key.id), "orchard/pears", "GARDEN")

    # --- the mapping

    def map(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        made = [Entity(obj.get("blueprint", kind), name, {"title": obj["title"]}) for name in obj["makes"]]
        problem = MappingProblem(0, kind, obj.get("problem", ""), "It went wrong.", "Mend it.")
        problems = (problem,) if "problem" in obj else ()
        return Mapped(() if obj.get("aged") else tuple(made), problems, complete=not obj.get("broken"))

    def ageless(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        return self.map(kind, {**obj, "aged": False}, ask=ask)

    def map_payload(self, kind: Kind, obj: JsonObject) -> Mapped:
        return self.map(kind, obj, ask=None)

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        return []

    # --- Bitbucket

    def put(self, key: SourceKey, *makes: str, title: str = "a", **more: Any) -> SourceKey:
        self.objects[key] = {"title": title, "makes": list(makes), **more}
        return key

    def read(self, key: SourceKey, address: Address) -> Reading:
        self.reads.append(key)
        if key in self.errors:
            raise self.errors[key]
        if key in self.gone or key not in self.objects:
            raise NotFoundError(f"no {key}")
        return self.reading(key)

    def reading(self, key: SourceKey) -> Reading:
        return Reading(self.objects[key], 1_000_123, self.facts(key))

    def check_source(self) -> None:
        self.reads.append(None)
        if None in self.errors:
            raise self.errors[None]

    def ask(self, question: object) -> bool:
        raise AssertionError("nothing is asked here")

    # --- jobs

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: object = ()) -> None: ...

    def rewrite(self, key: SourceKey) -> None:
        self.rewrites.append(key)

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        self.handed_over.append(container)

    # --- what a run does

    def page(self, *keys: SourceKey, removals: Removals = "defer") -> list[Outcome]:
        self.wait(100)
        entries = [PageEntry(key, self.reading(key)) for key in keys or tuple(self.objects)]
        return self.applier.apply_page(entries, asked=self.now, removals=removals)

    def change(self, key: SourceKey) -> Change:
        container = (REPOSITORY, Address(repository="{r}")) if key.kind == "pull-request" else None
        return Change(key.kind, key, "upsert", Address(), None, None, self.now, None, container=container)

    def look(self, key: SourceKey, removals: Removals) -> Outcome:
        self.wait(100)
        return self.applier.look(self.change(key), removals=removals)

    def owned(self, key: SourceKey) -> dict[str, str]:
        return dict(self.ledger.read([key])[key].owns)

    def held(self) -> set[str]:
        return {key.identifier for key in self.port.entities}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def pull(number: int) -> SourceKey:
    return SourceKey("pull-request", PULLS, str(number))


def writes(world: World) -> list[str]:
    return [call for call in world.gate.calls if call not in {"ledger.read", "ledger.entities"}]


# --- what a page costs


def test_a_page_that_shows_nothing_new_is_one_read_and_no_write(world: World) -> None:
    for number in range(50):
        world.put(pull(number), str(number))
    assert [one.created for one in world.page()] == [1] * 50
    world.gate.calls.clear()
    world.port.upserts.clear()
    outcomes = world.page()
    assert (world.gate.calls, world.port.upserts) == (["ledger.read"], [])
    assert {(one.result, one.unchanged, one.mapped) for one in outcomes} == {("unchanged", 1, 1)}


def test_the_objects_of_a_page_share_requests_in_whole_bulks(world: World) -> None:
    for number in range(100):
        world.put(pull(number), str(number))
    world.page()
    assert world.port.upserts == [40, 40, 20]


def test_what_no_resource_selects_costs_no_item(world: World) -> None:
    world.put(pull(1))
    assert world.page()[0].mapped == 0
    assert not writes(world)


# --- one that fails


def test_an_entity_that_fails_every_request_it_is_in_fails_its_own_object_alone(world: World) -> None:
    for number in range(30):
        world.put(pull(number), str(number))
    world.port.poison = {"7"}
    outcomes = {one.key: one for one in world.page()}
    assert world.held() == {str(number) for number in range(30)} - {"7"}
    failed = outcomes.pop(pull(7))
    assert (failed.result, failed.transient, failed.failed) == ("failed", True, "Port answered 500")
    assert {one.created for one in outcomes.values()} == {1}
    item = world.ledger.read([pull(7)])[pull(7)]
    assert item.lease is not None, "nobody may believe that nothing was written"
    assert not item.lease.live(world.now)
    world.port.poison = set()
    assert world.look(pull(7), "defer").written == 1


def test_an_entity_that_port_refuses_spoils_no_other(world: World) -> None:
    world.put(pull(1), "1")
    world.put(pull(2), "2")
    world.port.refused = {"1"}
    first, second = world.page()
    assert "refused" in first.problems[0]
    assert second.created == 1
    assert world.owned(pull(1)) == {"pull-request#1": UNKNOWN}


def test_a_port_that_takes_nothing_ends_the_page_soon_and_the_next_one_writes_it(world: World) -> None:
    for number in range(100):
        world.put(pull(number), str(number))
    world.port.down = TransientError("Port answered 503")
    with pytest.raises(TransientError):
        world.page()
    assert len(world.port.upserts) <= 8
    world.port.down = None
    world.page()
    assert len(world.held()) == 100


def test_a_limit_on_requests_is_told_at_once_with_its_wait(world: World) -> None:
    world.put(pull(1), "1")
    world.put(pull(2), "2")
    world.port.down = TransientError("Port answered 429", retry_after=600)
    with pytest.raises(TransientError) as raised:
        world.page()
    assert raised.value.retry_after == 600
    assert world.port.upserts == [2]


def test_what_port_had_no_room_for_is_kept_with_the_entity_as_what_port_shows(world: World) -> None:
    world.put(pull(1), "1")
    world.put(pull(2), "2")
    world.port.no_room = {"2"}
    _, trimmed = world.page()
    assert "no title; left out" in trimmed.problems[0]
    kept = world.owned(pull(2))["pull-request#2"]
    accepted = {key.identifier: one.accepted for key, one in world.ledger.entities("pull-request", "12").items()}
    assert accepted == {"1": None, "2": f"{{}} {kept}"}


def test_an_object_of_which_that_cannot_be_kept_fails_alone_and_is_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outage(entity: EntityKey, accepted: str) -> None:
        raise TransientError(f"DynamoDB cannot be reached for {entity} {accepted}")

    world.put(pull(1), "1")
    world.put(pull(2), "2")
    world.port.no_room = {"2"}
    with monkeypatch.context() as patched:
        patched.setattr(world.ledger, "accept", outage)
        first, second = world.page()
    assert (first.created, second.result, second.transient) == (1, "failed", True)
    assert world.look(pull(2), "defer").written == 1
    assert world.ledger.entities("pull-request", "2")[EntityKey("pull-request", "2")].accepted


# --- the main branch


@pytest.mark.parametrize("wants_files", [False, True])
def test_a_list_that_tells_no_main_branch_leaves_the_one_that_is_known(world: World, wants_files: bool) -> None:
    world.put(REPOSITORY, "r")
    known = Facts(Address(repository="{r}"), "orchard/pears", main_branch="trunk", listed="digest", commit="c1")
    assert list_repository(world, known).result == "applied"
    told = replace(known, main_branch="")
    assert list_repository(world, told, whole=known if wants_files else None).result == "unchanged"
    assert world.reads == []
    world.objects[REPOSITORY]["title"] = "b"
    list_repository(world, replace(told, listed="another"), whole=told if wants_files else None)
    assert world.ledger.read([REPOSITORY])[REPOSITORY].facts.main_branch == "trunk"


def test_a_main_branch_that_moved_or_that_a_list_says_is_none_is_forgotten(world: World) -> None:
    world.put(REPOSITORY, "r")
    known = Facts(Address(repository="{r}"), main_branch="trunk", commit="c1")
    for told, more in [(replace(known, main_branch="", commit="c2"), {}), (replace(known, main_branch=""), NO_BRANCH)]:
        list_repository(world, known)
        world.objects[REPOSITORY] |= {"title": told.commit + str(more), **more}
        list_repository(world, told)
        assert world.ledger.read([REPOSITORY])[REPOSITORY].facts.main_branch == ""


NO_BRANCH = {"mainbranch": None}


def list_repository(world: World, facts: Facts, *, whole: Facts | None = None) -> Outcome:
    """A page that shows the repository; ``whole``: its facts once its files are read, of which it knows nothing yet."""
    world.wait(100)
    reading = Reading(world.objects[REPOSITORY], None, facts)

    def read_files() -> Reading:
        world.reads.append(REPOSITORY)
        return replace(reading, facts=whole or facts)

    enrich = read_files if whole else None
    return world.applier.apply_page([PageEntry(REPOSITORY, reading, enrich)], asked=world.now)[0]


# --- removals


def test_deferred_removals_stay_owned_and_everything_else_is_written(world: World) -> None:
    world.put(pull(1), "kept", "going")
    world.page()
    world.put(pull(1), "kept", title="b")
    (outcome,) = world.page()
    assert (outcome.updated, outcome.deleted, outcome.aged) == (1, 0, False)
    assert outcome.planned == (EntityKey("pull-request", "going"),)
    assert world.port.entities[EntityKey("pull-request", "kept")]["title"] == "b"
    world.gate.calls.clear()
    (again,) = world.page()
    assert (again.planned, writes(world)) == (outcome.planned, [])
    assert world.look(pull(1), "defer").planned == outcome.planned
    assert world.held() == {"kept", "going"}
    assert world.look(pull(1), "allow").deleted == 1
    assert world.held() == {"kept"}


def test_a_mapping_that_fails_plans_no_removal(world: World) -> None:
    world.put(pull(1), "one")
    world.page()
    world.put(pull(1), broken=True)
    assert world.page()[0].planned == ()
    assert world.look(pull(1), "allow").deleted == 0
    assert world.held() == {"one"}


def test_what_left_only_by_its_age_is_told_apart(world: World) -> None:
    world.put(pull(1), "one")
    world.put(pull(2), "two")
    world.page()
    world.put(pull(1), "one", aged=True)
    world.put(pull(2))
    assert [(len(one.planned), one.aged) for one in world.page()] == [(1, True), (1, False)]
    assert world.look(pull(1), "defer").aged
    assert not world.look(pull(2), "defer").aged


def test_a_share_in_an_entity_is_given_up_at_once_since_nothing_is_deleted(world: World) -> None:
    world.put(pull(1), "shared", "own")
    world.put(pull(2), "shared")
    world.page()
    world.put(pull(1), "own")
    assert world.look(pull(1), "defer").planned == ()
    assert world.owned(pull(1)).keys() == {"pull-request#own"}
    assert world.rewrites == [pull(2)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_rename_is_one_even_where_another_object_takes_the_old_name_on_the_same_page(
    world: World, order: tuple[int, int]
) -> None:
    world.put(pull(1), "pears")
    world.page()
    world.port.entities[EntityKey("pull-request", "pears")]["team"] = "orchard"
    world.put(pull(1), "plums")
    world.put(pull(2), "pears", title="new")
    outcomes = {one.key: one for one in world.page(*map(pull, order))}
    assert (outcomes[pull(1)].renamed, outcomes[pull(2)].created) == (1, 1)
    assert world.port.entities[EntityKey("pull-request", "plums")]["team"] == "orchard"
    assert world.port.entities[EntityKey("pull-request", "pears")] == {"title": "new"}


# --- live events


def test_what_live_wrote_since_the_page_was_asked_for_is_left_where_the_page_shows_something_else(world: World) -> None:
    world.put(pull(1), "one")
    world.put(pull(2), "two")
    entries = [PageEntry(key, world.reading(key)) for key in world.objects]
    asked = world.now
    world.put(pull(1), "one", title="newer")
    for key in world.objects:
        world.look(key, "allow")
    outcomes = world.applier.apply_page(entries, asked=asked, removals="defer")
    assert [one.result for one in outcomes] == ["left", "unchanged"]
    assert world.port.entities[EntityKey("pull-request", "one")]["title"] == "newer"


# --- what a listing cannot give


def enriched(world: World, key: SourceKey, read: Callable[[], Reading], **facts: str) -> Outcome:
    world.wait(100)
    reading = world.reading(key)
    entry = PageEntry(key, replace(reading, facts=replace(reading.facts, **facts)), read)  # type: ignore[arg-type]
    return world.applier.apply_page([entry], asked=world.now, removals="defer")[0]


def test_files_are_read_only_where_the_ledger_does_not_know_this_state(world: World) -> None:
    world.put(REPOSITORY, "pears")
    reads: list[str] = []

    def state(commit: str, listed: str = "l") -> Outcome:
        def read() -> Reading:
            reads.append(commit + listed)
            return replace(
                world.reading(REPOSITORY), facts=replace(world.facts(REPOSITORY), commit=commit, listed=listed)
            )

        return enriched(world, REPOSITORY, read, commit=commit, listed=listed)

    assert [state("c1").created, state("c1").unchanged, state("c2").unchanged, state("c2").unchanged] == [1, 1, 1, 1]
    assert reads == ["c1l", "c2l"]
    state("c2", "other")
    assert world.ledger.forget_hash(REPOSITORY, [EntityKey("repository", "pears")], now=world.now)
    assert state("c2", "other").updated == 1
    assert reads == ["c1l", "c2l", "c2other", "c2other"]


@pytest.mark.parametrize(("wrong", "reads"), [("identifier", 1), ("selector", 3)])
def test_what_is_wrong_with_an_object_is_told_again_and_read_again_only_where_bitbucket_may_answer_otherwise(
    world: World, wrong: str, reads: int
) -> None:
    world.put(REPOSITORY, "pears", problem=wrong)
    read: list[int] = []

    def state() -> Outcome:
        def whole() -> Reading:
            read.append(1)
            return replace(world.reading(REPOSITORY), facts=replace(world.facts(REPOSITORY), listed="l"))

        return enriched(world, REPOSITORY, whole, listed="l")

    told = [state().problems for _ in range(3)]
    assert told == [(f"resources[0] (repository): {wrong}: It went wrong. Fix: Mend it.",)] * 3
    assert len(read) == reads


def test_a_file_that_cannot_be_read_fails_its_object_and_a_limit_keeps_what_was_done(world: World) -> None:
    world.put(pull(1), "1")
    world.put(pull(2), "2")

    def page(error: Exception) -> list[Outcome]:
        def read() -> Reading:
            raise error

        world.wait(100)
        entries = [PageEntry(pull(1), world.reading(pull(1))), PageEntry(pull(2), world.reading(pull(2)), read)]
        return world.applier.apply_page(entries, asked=world.now, removals="defer")

    assert [one.result for one in page(TransientError("Bitbucket answered 500"))] == ["applied", "failed"]
    world.put(pull(1), "1", title="b")
    with pytest.raises(TransientError):
        page(TransientError("limited", retry_after=3000))
    assert world.port.entities[EntityKey("pull-request", "1")]["title"] == "b"


# --- what is missing


def missing(world: World, *numbers: int) -> None:
    world.put(REPOSITORY, "pears")
    for number in numbers:
        world.put(pull(number), str(number))
    world.page()
    world.gone = {pull(number) for number in numbers}
    world.reads.clear()


def test_only_the_second_look_a_minute_later_deletes(world: World) -> None:
    missing(world, 1)
    first = world.look(pull(1), "defer")
    assert (first.result, first.planned) == ("absent", (EntityKey("pull-request", "1"),))
    with pytest.raises(StillThereError) as raised:
        world.applier.look(world.change(pull(1)), removals="allow")
    assert raised.value.retry_after == 61
    assert world.held() == {"pears", "1"}
    second = world.look(pull(1), "allow")
    assert (second.result, second.deleted) == ("deleted", 1)
    assert world.held() == {"pears"}


def test_what_is_found_again_at_the_second_look_stays(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    world.gone.clear()
    assert world.look(pull(1), "allow").result == "unchanged"
    assert world.held() == {"pears", "1"}


def test_what_is_told_after_bitbucket_was_asked_is_not_part_of_its_answer(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    told: list[Change] = []
    read = world.read

    def slowly(key: SourceKey, address: Address) -> Reading:
        try:
            return read(key, address)
        finally:
            if key == pull(1) and address.repository and not told:
                world.wait(20)
                world.gone.clear()
                told.append(world.change(pull(1)))
                world.wait(20)

    world.read = slowly  # type: ignore[method-assign]
    assert world.look(pull(1), "allow").deleted == 1
    world.applier.apply(told[0])
    assert world.held() == {"pears", "1"}


def test_who_failed_to_delete_comes_back_when_what_he_announced_is_over(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    delete, world.port.delete = world.port.delete, unavailable  # type: ignore[method-assign, assignment]
    with pytest.raises(TransientError):
        world.look(pull(1), "allow")
    world.port.delete = delete  # type: ignore[method-assign]
    with pytest.raises(BusyError) as busy:
        world.applier.look(world.change(pull(1)), removals="allow")
    wait = busy.value.retry_after or 0.0
    assert wait > 30
    world.wait(wait)
    assert world.applier.look(world.change(pull(1)), removals="allow").result == "deleted"


def unavailable(*_: Any, **__: Any) -> None:
    raise TransientError("Port answered 429")


def test_what_a_page_shows_again_was_not_missing(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    world.gone.clear()
    assert world.page(pull(1))[0].result == "unchanged"
    world.gone = {pull(1)}
    world.wait(100)
    with pytest.raises(StillThereError):
        world.applier.apply(world.change(pull(1)))
    assert world.held() == {"pears", "1"}


def test_what_is_written_again_and_not_found_waits_for_the_look_at_its_repository(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    world.gone.add(REPOSITORY)
    world.wait(100)
    with pytest.raises(StillThereError):
        world.applier.rewrite(pull(1))
    assert world.held() == {"pears", "1"}


def test_a_project_stays_while_a_repository_is_in_it_and_takes_none_with_it(world: World) -> None:
    project = world.put(SourceKey("project", "{w}", "{p}"), "garden")
    world.put(REPOSITORY, "pears")
    world.page()
    world.gone = {project}
    first = world.look(project, "defer")
    assert (first.planned, first.below) == ((EntityKey("project", "garden"),), {})
    assert world.look(project, "allow").result == "left"
    world.gone.add(REPOSITORY)
    world.look(REPOSITORY, "defer")
    assert world.look(REPOSITORY, "allow").result == "deleted"
    assert world.look(project, "allow").result == "deleted"
    assert world.held() == set()


def test_who_is_removed_without_being_asked_for_covers_nothing_that_was_told_before(world: World) -> None:
    missing(world, 1)
    world.gone.clear()
    told = world.change(pull(1))
    world.wait(20)
    assert world.applier.remove(pull(1), version=None).deleted == 1
    world.applier.apply(told)
    assert world.held() == {"pears", "1"}


@pytest.mark.parametrize("error", [ForbiddenError("403"), TransientError("500")])
def test_nothing_is_gone_while_its_container_does_not_answer(world: World, error: Exception) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    world.errors[REPOSITORY] = error
    with pytest.raises(type(error)):
        world.look(pull(1), "allow")
    assert world.held() == {"pears", "1"}


def test_a_pull_request_waits_for_the_look_at_its_repository_where_both_are_missing(world: World) -> None:
    missing(world, 1)
    world.look(pull(1), "defer")
    world.gone.add(REPOSITORY)
    assert world.look(pull(1), "allow").result == "left"
    above = world.look(REPOSITORY, "defer")
    assert (above.planned, above.below) == ((EntityKey("repository", "pears"),), {"pull-request": 1})
    assert world.look(pull(1), "allow").result == "deleted"
    assert world.look(REPOSITORY, "allow").deleted == 1


def test_a_missing_repository_goes_after_its_children_by_a_job(world: World) -> None:
    missing(world, 1)
    world.gone = {REPOSITORY}
    world.look(REPOSITORY, "defer")
    assert world.look(REPOSITORY, "allow").result == "deleting"
    assert world.handed_over == [REPOSITORY]
    assert world.held() == {"pears", "1"}


def test_many_looks_share_one_deletion_and_one_question_to_their_container(world: World) -> None:
    missing(world, *range(30))
    changes = [world.change(pull(number)) for number in range(30)]
    world.applier.look_all(changes, removals="defer")
    world.wait(100)
    world.reads.clear()
    outcomes = world.applier.look_all(changes, removals="allow")
    assert {(one.result, one.deleted) for one in outcomes} == {("deleted", 1)}
    assert [len(some) for some in world.port.deletes] == [30]
    assert world.reads.count(REPOSITORY) == 1
    assert world.held() == {"pears"}


def test_one_look_that_fails_fails_alone_and_a_limit_ends_the_asking(world: World) -> None:
    missing(world, 1, 2, 3, 4)
    world.gone = set()
    world.errors = {
        pull(1): TransientError("Bitbucket answered 500"),
        pull(3): TransientError("limit", retry_after=900),
    }
    for number in range(1, 5):
        world.put(pull(number), str(number), title="b")
    outcomes = world.applier.look_all([world.change(pull(number)) for number in range(1, 5)], removals="defer")
    assert [one.result for one in outcomes] == ["failed", "applied", "failed", "failed"]
    assert [one.retry_after for one in outcomes] == [None, None, 900, 900]
    assert world.reads == [pull(1), pull(2), pull(3)]
    assert not [key for key in map(pull, range(1, 5)) if world.ledger.read([key])[key].lease]
