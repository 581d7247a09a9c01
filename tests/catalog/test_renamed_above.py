"""What hangs below something that got another name is written after that has it: else its own entity could not get it.

Port creates what a relation names. An entity of the new name that is there too early keeps the one people know, with
what they added to it, from being renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.catalog.items import Facts
from bitbucket_port.catalog.outside import Ask, Reading
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.errors import ForbiddenError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.client import Written
from bitbucket_port.webhooks.change import Change
from tests.catalog.test_pages import REPOSITORY, CountingPort, World, pull

PULL = pull(1)
PROJECT = SourceKey("project", "{w}", "{p}")
REPOSITORY_BELOW = SourceKey("repository", "{w}", "{b}")


class RelatingPort(CountingPort):
    """Merges what it is told, and creates what a relation names."""

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        before = {entity.key: self.entities.get(entity.key, {}) for entity in entities}
        written = super().upsert(entities, create_only=create_only, merge=merge, create_missing=create_missing)
        for entity in entities:
            known, now = before[entity.key], self.entities[entity.key]
            properties = {**known.get("properties", {}), **now.get("properties", {})}
            self.entities[entity.key] = {**known, **now, "properties": properties}
            for name in entity.fields.get("relations", {}).values():
                self.entities.setdefault(EntityKey("above", name), {"title": None, "properties": {}})
        return written


@dataclass
class Renaming(World):
    """Two objects, one above the other; ``name`` is what the one above is called now."""

    above: SourceKey = REPOSITORY
    below: SourceKey = PULL
    name: str = "orchard/old"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.port = RelatingPort()
        self.applier._writer._port = self.port
        self.put(self.above)
        self.put(self.below)

    def facts(self, key: SourceKey) -> Facts:
        if key == self.above and key.kind == "project":
            return Facts(Address(project=self.name), full_name=self.name, project=self.name)
        if key.kind == "repository" and self.above.kind == "project":
            return Facts(Address(repository="{b}"), full_name="orchard/below", project=self.name)
        return Facts(Address(repository="{r}"), full_name=self.name)

    def reading(self, key: SourceKey) -> Reading:
        read = super().reading(key)
        parent = (self.above, Address(project=self.name)) if key == self.below and key.kind == "repository" else None
        return replace(read, object={**read.object, "name": self.name}, parent=parent)

    def map(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        if kind == self.above.kind:
            return Mapped((Entity("above", obj["name"], {"title": "known"}),))
        return Mapped((Entity("below", "one", {"title": obj["title"], "relations": {"above": obj["name"]}}),))

    @property
    def names(self) -> dict[str, Any]:
        """The entities above, with who people say they belong to."""
        return {key.identifier: one.get("team") for key, one in self.port.entities.items() if key.blueprint == "above"}

    def entry(self) -> PageEntry:
        return PageEntry(self.below, self.reading(self.below))

    def hint(self, key: SourceKey) -> Change:
        container = (self.above, Address(repository="{r}")) if key.kind == "pull-request" else None
        return replace(Change.hint(key, Address(), self.now), container=container)


@pytest.fixture(params=["repository", "project"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Renaming:
    above, below = (REPOSITORY, PULL) if request.param == "repository" else (PROJECT, REPOSITORY_BELOW)
    made = Renaming(tmp_path, above=above, below=below)
    made.applier._projects = True
    made.page(made.above)
    made.page(made.below)
    made.port.entities[EntityKey("above", "orchard/old")]["team"] = "pears"
    made.reads.clear()
    return made


def test_a_page_that_names_it_anew_waits_for_the_rename(world: Renaming) -> None:
    world.name = "orchard/new"
    (outcome,) = world.page(world.below)
    assert outcome.updated == 1
    assert world.names == {"orchard/new": "pears"}
    assert world.reads == [world.above]


def test_so_it_does_where_the_page_above_left_it_to_a_live_event_of_a_moment_ago(world: Renaming) -> None:
    world.wait(50)
    world.look(world.above, "allow")
    world.name = "orchard/new"
    for key in (world.above, world.below):
        world.applier.apply_page([PageEntry(key, world.reading(key))], asked=world.now, removals="defer")
    assert world.names == {"orchard/new": "pears"}


def test_what_a_page_names_in_two_ways_is_looked_at_once(world: Renaming) -> None:
    other = replace(world.below, id="2")
    world.put(other)
    world.name = "orchard/newer"
    first = PageEntry(other, world.reading(world.below))
    world.name = "orchard/new"
    world.applier.apply_page([first, world.entry()], asked=world.now, removals="defer")
    assert world.reads == [world.above]
    assert world.names == {"orchard/new": "pears"}


def test_a_page_from_before_the_rename_does_not_bring_the_old_name_back(world: Renaming) -> None:
    world.put(world.below, title="b")
    entry, asked = world.entry(), world.now
    world.name = "orchard/new"
    world.wait(100)
    world.applier.apply(world.hint(world.above))
    assert [one.result for one in world.applier.apply_page([entry], asked=asked, removals="defer")] == ["left"]
    assert world.names == {"orchard/new": "pears"}


def test_a_page_is_left_where_nobody_may_look_at_what_is_above(world: Renaming) -> None:
    world.name = "orchard/new"
    world.errors[world.above] = ForbiddenError("403")
    assert [one.result for one in world.page(world.below)] == ["left"]
    assert world.names == {"orchard/old": "pears"}


def test_a_page_that_only_shows_what_is_known_costs_one_read_and_no_look(world: Renaming) -> None:
    world.gate.calls.clear()
    assert [one.result for one in world.page(world.below)] == ["unchanged"]
    assert (world.gate.calls, world.reads) == (["ledger.read"], [])


def test_a_live_event_about_what_is_below_renames_first(world: Renaming) -> None:
    world.name = "orchard/new"
    world.wait(100)
    world.applier.apply(world.hint(world.below))
    assert world.names == {"orchard/new": "pears"}


def test_a_look_at_what_is_below_renames_first(world: Renaming) -> None:
    world.name = "orchard/new"
    world.look(world.below, "defer")
    assert world.names == {"orchard/new": "pears"}


def test_a_look_at_both_is_told_to_come_again_for_what_is_below(world: Renaming) -> None:
    world.name = "orchard/new"
    world.wait(100)
    for result in ("failed", "applied"):
        looked = world.applier.look_all([world.hint(key) for key in (world.above, world.below)], removals="defer")
        assert looked[1].result == result
    assert world.names == {"orchard/new": "pears"}


def test_a_look_at_what_is_below_waits_while_what_is_above_cannot_be_renamed(world: Renaming) -> None:
    world.name = "orchard/new"
    rename, world.port.rename = world.port.rename, unavailable  # type: ignore[method-assign, assignment]
    for _ in range(2):  # The second finds what the first began.
        with pytest.raises(TransientError):
            world.look(world.below, "defer")
    world.port.rename = rename  # type: ignore[method-assign]
    world.wait(400)
    world.look(world.below, "defer")
    assert world.names == {"orchard/new": "pears"}


def test_a_look_at_what_is_below_fails_where_nobody_may_look_at_what_is_above(world: Renaming) -> None:
    world.name = "orchard/new"
    world.errors[world.above] = ForbiddenError("403")
    with pytest.raises(ForbiddenError):
        world.look(world.below, "defer")
    assert world.names == {"orchard/old": "pears"}


def unavailable(*_: Any, **__: Any) -> None:
    raise TransientError("Port answered 429", retry_after=5.0)


def test_where_an_entity_of_the_new_name_is_there_already_what_people_added_is_copied_into_it(world: Renaming) -> None:
    old = world.port.entities[EntityKey("above", "orchard/old")]
    old["properties"] = {"by hand": "mine", "both": "old"}
    world.port.entities[EntityKey("above", "orchard/new")] = {"title": None, "properties": {"both": "new"}}
    world.name = "orchard/new"
    world.page(world.above)
    world.look(world.above, "allow")
    assert world.names == {"orchard/new": "pears"}
    assert world.port.entities[EntityKey("above", "orchard/new")]["properties"] == {"by hand": "mine", "both": "new"}


def test_what_people_added_is_not_copied_into_the_entity_of_something_else(world: Renaming) -> None:
    world.name = "orchard/new"
    other = SourceKey(world.above.kind, "{w}", "{other}")
    world.put(other)
    world.page(other)
    world.page(world.above)
    world.look(world.above, "allow")
    assert world.names == {"orchard/new": None}
