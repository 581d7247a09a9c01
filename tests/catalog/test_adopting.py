"""What Port shows as it should be is recorded in one step, exactly as if it had been written; all else is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.catalog.adopting import Adoption
from bitbucket_port.catalog.items import UNKNOWN, Commit, Facts, Granted, Guard, ObjectItem
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import TransientError
from bitbucket_port.objects import Address, EntityKey, SourceKey
from tests.catalog.ledgers import sqlite_ledger
from tests.catalog.rig import START
from tests.catalog.test_pages import REPOSITORY, World, pull

OURS = EntityKey("pull-request", "1")
COMMIT = Commit({str(OURS): "hash"}, 5, START, 0.0, 0.0, Facts(Address(repository="{r}"), "orchard/pears"))


class Equal:
    """An adopter that compares with the memory of a port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[SourceKey] = []
        self.error: TransientError | None = None

    def adopt(self, found: Sequence[Adoption]) -> Collection[SourceKey]:
        self.asked += [one.key for one in found]
        if self.error:
            raise self.error
        shown = self._world.port.entities
        right = [one for one in found if all(shown.get(entity.key) == entity.fields for entity in one.entities)]
        return self._world.ledger.adopt(
            [(one.key, [entity.key for entity in one.entities], one.commit) for one in right]
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Port has the entities of five pull requests; the ledger is empty."""
    world = World(tmp_path)
    for number in range(1, 6):
        world.put(pull(number), str(number))
    world.page()
    world.port.upserts.clear()
    world.adopter = Equal(world)
    world.forget()
    yield world


def adopter(world: World) -> Equal:
    assert isinstance(world.adopter, Equal)
    return world.adopter


def everything(world: World) -> tuple[dict[SourceKey, Any], dict[EntityKey, Any]]:
    names = [key.identifier for key in world.port.entities]
    return world.ledger.read([*world.objects]), world.ledger.entities("pull-request", names)


def test_it_ends_as_if_it_had_been_written_without_a_lease_and_without_a_request(world: World) -> None:
    adopted = world.page()
    found = everything(world)
    assert world.gate.calls == ["ledger.read"]
    assert world.port.upserts == []

    world.adopter = None
    world.forget()
    world.now -= 100
    written = world.page()
    assert everything(world) == found
    assert [one.key for one in written] == [one.key for one in adopted]
    assert {(one.result, one.unchanged, one.written) for one in adopted} == {("unchanged", 1, 0)}


def test_the_next_page_finds_it_unchanged(world: World) -> None:
    world.page()
    world.gate.calls.clear()
    assert {one.result for one in world.page()} == {"unchanged"}
    assert world.gate.calls == ["ledger.read"]


def test_one_that_differs_is_written_and_takes_no_other_along(world: World) -> None:
    world.put(pull(3), "3", title="b")
    outcomes = {one.key: one for one in world.page()}
    assert world.port.entities[EntityKey("pull-request", "3")] == {"title": "b"}
    assert world.port.upserts == [1, 1], "created only if it is not there, then written"
    assert {key for key, one in outcomes.items() if one.written} == {pull(3)}
    assert len(everything(world)[1]) == 5


def test_one_of_two_entities_that_differs_has_the_whole_object_written(world: World) -> None:
    world.put(pull(1), "1", "9")
    assert {one.key: one.created for one in world.page(pull(1))} == {pull(1): 1}
    assert set(world.owned(pull(1))) == {"pull-request#1", "pull-request#9"}


def test_the_second_of_two_objects_that_make_one_entity_has_the_last_word(world: World) -> None:
    world.put(pull(1), "1", title="b")
    world.put(pull(2), "1", title="a")
    world.page(pull(1), pull(2))
    assert world.port.entities[OURS] == {"title": "a"}
    sources = world.ledger.entities("pull-request", ["1"])[OURS].sources
    assert sources == {str(pull(1)), str(pull(2))}


@pytest.mark.parametrize("more", [{"problem": "title"}, {"broken": True}, {"aged": True}])
def test_what_is_not_completely_known_goes_the_usual_way(world: World, more: dict[str, Any]) -> None:
    world.put(pull(1), "1", **more)
    world.page(pull(1))
    assert adopter(world).asked == []


def test_one_that_is_known_goes_the_usual_way(world: World) -> None:
    world.page()
    adopter(world).asked.clear()
    world.put(pull(1), "1", title="b")
    world.page()
    assert adopter(world).asked == []
    assert world.port.entities[OURS] == {"title": "b"}


def test_an_adopter_that_fails_leaves_everything_to_the_usual_way(world: World) -> None:
    adopter(world).error = TransientError("Port answered 503")
    assert {one.result for one in world.page()} == {"applied"}
    assert world.port.upserts == [5, 5]


# --- the ledger's step -----------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> SQLiteLedger:
    return sqlite_ledger(tmp_path)


def test_an_object_that_somebody_writes_is_left_to_him(ledger: SQLiteLedger) -> None:
    item = ObjectItem(pull(1))
    granted = ledger.take_lease(item, "his", now=START, until=START + 60, guard=Guard(), intents=[str(OURS)])
    assert isinstance(granted, Granted)
    other = EntityKey("pull-request", "2")
    assert ledger.adopt([(pull(1), [OURS], COMMIT), (pull(2), [other], COMMIT)]) == {pull(2)}
    found = ledger.read([pull(1)])[pull(1)]
    assert found.lease is not None
    assert found.lease.token == "his"
    assert found.owns == {str(OURS): UNKNOWN}
    assert ledger.entities("pull-request", ["1"]) == {}
    assert ledger.commit(pull(1), "his", COMMIT, now=START)


def test_an_entity_of_another_object_is_left_to_the_usual_way(ledger: SQLiteLedger) -> None:
    ledger.join(OURS, REPOSITORY, now=START)
    assert ledger.adopt([(pull(1), [OURS], COMMIT)]) == set()
    assert not ledger.read([pull(1)])[pull(1)].known
    assert ledger.entities("pull-request", ["1"])[OURS].sources == {str(REPOSITORY)}


def test_more_than_fit_into_one_statement_are_looked_up(ledger: SQLiteLedger) -> None:
    found = [(pull(number), [EntityKey("pull-request", str(number))], COMMIT) for number in range(1200)]
    assert len(ledger.adopt(found)) == 1200
    assert ledger.adopt(found) == set()
