"""What changes while nobody tells, found by the next run: deleted, renamed and moved things, another mapping, edits."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.objects import JsonObject as Json
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.oracle import Expected, differences, shown
from tests.resync_end_to_end.rig import Place, Run, writes
from tests.resync_end_to_end.worlds import MEDIUM

ENTITIES = {"cloud": "bitbucketCloud", "server": "bitbucketServer"}
NOTE = "noteByHand"
SERVICE = "service"
IDENTIFIER = "payments-bitbucket"
Key = tuple[str, str]


@dataclass(frozen=True)
class Migrated:
    """A place whose catalog another tool filled, after two runs.

    ``right`` is what must be in Port, ``left`` what the tool knew and is nowhere any more.
    """

    place: Place
    right: Expected
    left: set[Key]
    runs: tuple[Run, Run]
    catalogs: tuple[dict[Key, Json], dict[Key, Json]]


@pytest.fixture(scope="module", params=["cloud", "server"])
def migrated(request: pytest.FixtureRequest, found: Found) -> Migrated:
    """In Port people have a property and a blueprint of their own."""
    made: Place = found(request.param, size=MEDIUM, IntegrationIdentifier=IDENTIFIER)
    made.world.create_project("EMPTY", "Nothing in it")
    repository = blueprint(made, "Repository")
    (declared,) = (one for one in made.port.blueprints() if one["identifier"] == repository)
    declared = copy.deepcopy(declared)
    declared["schema"]["properties"][NOTE] = {"type": "string"}
    made.port.put_blueprint(declared)
    relation = {"target": repository, "required": False, "many": False}
    made.port.put_blueprint({"identifier": SERVICE, "relations": {"repository": relation}})
    left = fill_as_ocean(made)
    first = made.resync()
    between = made.port.catalog()
    made.machine.stack.clock.advance(300.0)
    second = made.resync()
    return Migrated(made, made.right(), left, (first, second), (between, made.port.catalog()))


def fill_as_ocean(place: Place) -> set[Key]:
    """What Ocean wrote under the same type and identifier, some time ago; returns what is not in Bitbucket any more."""
    datasource = f"port-ocean/bitbucket-{place.machine.product}/0.1.38-beta/{IDENTIFIER}/exporter"
    for key, entity in place.right().items():
        if key[0] in (blueprint(place, "Project"), blueprint(place, "Repository")) and entity["title"]:
            place.port.put_entity(*key, title="As it was", team=["payments"], datasource=datasource)
    left = {(blueprint(place, kind), "gone/long-ago") for kind in ("Repository", "PullRequest")}
    for key in left:
        place.port.put_entity(*key, datasource=datasource)
    return left


@pytest.fixture
def place(migrated: Migrated) -> Iterator[Place]:
    """The same for all tests of a product, right again after each, and some minutes later."""
    migrated.place.machine.stack.clock.advance(300.0)
    yield migrated.place


def assert_right(place: Place, run: Run) -> None:
    place.assert_right(run, besides=[SERVICE], unmapped=[NOTE])


def blueprint(place: Place, kind: str) -> str:
    return ENTITIES[place.machine.product] + kind


def names(place: Place, repository: Any) -> str:
    """What a repository is called in Port."""
    return str(repository.full_name)


def ordinary(place: Place) -> list[Any]:
    """Repositories of ordinary names and projects, with pull requests but not too many of all there are."""
    return [
        one
        for one in place.world.repositories
        if one.name.startswith("repo-") and getattr(one.project, "owner", None) is None and one.pull_requests
    ]


def open_pulls(place: Place, without: list[Any]) -> list[Any]:
    found = [pull for one in ordinary(place) if one not in without for pull in one.pull_requests.values()]
    return [pull for pull in found if pull.state == "OPEN"]


def test_a_catalog_that_ocean_filled_is_adopted_and_what_is_in_no_list_goes_with_the_second_run(
    migrated: Migrated,
) -> None:
    (first, _), (between, after), right = migrated.runs, migrated.catalogs, migrated.right
    assert after.keys() == right.keys()
    assert between.keys() == right.keys() | migrated.left
    assert not differences(shown({key: between[key] for key in right}), right)
    assert [first.report["blueprints"][name]["unclaimed"] for name, _ in migrated.left] == [1, 1]
    repositories = [key for key in right if key[0] == blueprint(migrated.place, "Repository")]
    assert {tuple(between[key]["team"]) for key in repositories} == {("payments",)}
    assert first.count("repository", "updated") == len(repositories)


def test_deleted_renamed_moved_and_closed_things_leave_exactly_the_right_catalog(place: Place) -> None:
    world, cloud = place.world, place.machine.product == "cloud"
    deleted, renamed, moved, transferred, *_ = ordinary(place)
    merged, declined, retitled, removed, *_ = open_pulls(place, [deleted, transferred])
    before = names(place, renamed)
    place.port.put_entity(blueprint(place, "Repository"), before, team=["payments"], properties={NOTE: "look here"})
    place.port.put_entity(SERVICE, "wallet", relations={"repository": before})
    world.delete_repository(deleted)
    world.delete_project("EMPTY")
    world.rename_repository(renamed, "Renamed größer")
    world.move_repository(moved, next(one for one in world.projects if one is not moved.project))
    if cloud:
        world.transfer_repository(transferred, "elsewhere")
    else:
        world.delete_pull_request(removed)
    world.change_project(world.projects[1], key="NEWKEY", name="New name")
    world.merge(merged)
    world.decline(declined)
    world.update_pull_request(retitled, title="Another title")
    run = place.resync()
    assert_right(place, run)
    kept = place.port.catalog()[blueprint(place, "Repository"), names(place, renamed)]
    assert (kept["team"], kept["properties"][NOTE]) == (["payments"], "look here")
    assert place.port.catalog()[SERVICE, "wallet"]["relations"] == {"repository": names(place, renamed)}
    assert names(place, renamed) != before
    projects = place.port.entities(blueprint(place, "Project")).items()
    assert [one["team"] for name, one in projects if name.endswith("NEWKEY")] == [["payments"]]


def test_what_grew_too_old_goes_whatever_the_threshold_says(place: Place) -> None:
    place.machine.stack.clock.advance(20 * 86400.0)
    before = set(place.port.catalog())
    run = place.resync()
    assert_right(place, run)
    gone = before - set(place.port.catalog())
    assert gone
    assert {key[0] for key in gone} <= {blueprint(place, "PullRequest")}
    assert run.count("pull-request", "aged") == len(gone)


def test_the_threshold_keeps_what_a_much_smaller_mapping_would_delete(place: Place, tmp_path: Path) -> None:
    whole, before = place.mapping, place.port.catalog()
    head, _, _ = whole.partition("  - kind: pull-request")
    place.use_mapping(head, tmp_path)
    run = place.resync()
    assert place.port.catalog() == before
    assert run.status == "partial"
    assert run.report["blueprints"][blueprint(place, "PullRequest")]["blocked"]
    place.use_mapping(whole, tmp_path)


def test_a_catalog_emptied_by_hand_is_right_after_one_run(place: Place) -> None:
    for key in list(place.port.catalog()):
        place.port.remove_entity(*key)
    assert place.port.catalog() == {}
    assert_right(place, place.resync())


def test_what_is_edited_by_hand_is_right_after_one_run(place: Place) -> None:
    pull = open_pulls(place, [])[0]
    repository = names(place, pull.repository)
    key = blueprint(place, "PullRequest"), f"{repository}/{pull.id}"
    place.port.put_entity(
        *key, title="By hand", properties={"status": "MERGED", "number": 7}, relations={"author": None}
    )
    place.port.put_entity(
        blueprint(place, "Repository"), repository, team=["payments"], properties={"description": "x", NOTE: "mine"}
    )
    assert place.wrong(besides=[SERVICE], unmapped=[NOTE])
    run = place.resync()
    assert_right(place, run)
    kept = place.port.catalog()[blueprint(place, "Repository"), repository]
    assert (kept["team"], kept["properties"][NOTE]) == (["payments"], "mine")
    assert sum(counts.get("healed", 0) for counts in run.report["kinds"].values()) == 2
    assert len(writes(run)) == 2


def test_a_smaller_mapping_leaves_what_it_is_about(place: Place, tmp_path: Path) -> None:
    wanted = ".is_private" if place.machine.product == "cloud" else ".public | not"
    head, _, _ = place.mapping.partition("  - kind: pull-request")
    first, _, rest = head.partition("  - kind: repository\n")
    selector, _, port = rest.partition("    port:")
    text = f"{first}  - kind: repository\n    selector:\n      query: {wanted}\n    port:{port}"
    text = text.replace("entityDeletionThreshold: 0.25", "entityDeletionThreshold: 1.0")
    assert selector
    before = set(place.port.catalog())
    place.use_mapping(text, tmp_path)
    place.resync()
    gone = {key[0] for key in before - set(place.port.catalog())}
    assert gone == {blueprint(place, "Repository"), blueprint(place, "PullRequest")}
    # Who was there only because a pull request named him has been unclaimed in one run; the next one is the second.
    place.machine.stack.clock.advance(300.0)
    assert_right(place, place.resync())
