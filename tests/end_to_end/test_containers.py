"""Renames, moves, transfers and deletions of repositories and projects, and what hangs below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from local.machine import Machine
from local.standins.webhook import Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request

SERVICE = {
    "identifier": "service",
    "title": "Service",
    "schema": {"properties": {}, "required": []},
    "relations": {"source": {"title": "Source", "target": "", "required": False, "many": False}},
}


class Place:
    """One product's machine and its words for the same things."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.world: Any = machine.bitbucket.world
        self.prefix = "bitbucketCloud" if machine.product == "cloud" else "bitbucketServer"
        for blueprint in ("Repository", "Project"):
            machine.port.put_blueprint(
                {
                    **SERVICE,
                    "identifier": f"service{blueprint}",
                    "relations": {"source": {**SERVICE["relations"]["source"], "target": self.prefix + blueprint}},  # type: ignore[index]
                }
            )

    def name(self, project: str, slug: str) -> str:
        return slug if self.machine.product == "cloud" else f"{project}/{slug}"

    def repository_id(self, project: str, slug: str) -> str:
        return f"acme/{slug}" if self.machine.product == "cloud" else f"{project}/{slug}"

    def project_id(self, project: str) -> str:
        return f"acme/{project}" if self.machine.product == "cloud" else project

    def repository(self, project: str, slug: str) -> Any:
        """A repository that the catalog knows, with its project."""
        events = self.world.create_repository(project, slug, readme=f"# {slug}\n")
        self.machine.tell(events)
        self.machine.tell(self.world.push(self.name(project, slug), "main", {"a.txt": slug}))
        assert self.repository_id(project, slug) in self.held("Repository")
        return events.subject

    def pulls(self, project: str, slug: str, count: int) -> list[Any]:
        made = [self.world.open_pull_request(self.name(project, slug), f"branch-{index}") for index in range(count)]
        for events in made:
            self.machine.tell(events)
        return [events.subject for events in made]

    def held(self, blueprint: str, about: str = "") -> dict[str, Any]:
        """The entities of a blueprint, only those about one repository where its slug is given."""
        found = self.machine.port.entities(self.prefix + blueprint)
        return {name: entity for name, entity in found.items() if about in name.split("/")} if about else found

    def decorate(self, blueprint: str, identifier: str) -> None:
        """What people and other integrations add to an entity."""
        full = self.prefix + blueprint
        self.machine.port.put_entity(full, identifier, team=["payments"], properties={"tier": "gold"})
        self.machine.port.put_entity(f"service{blueprint}", f"svc-{identifier}", relations={"source": identifier})

    def assert_decorated(self, blueprint: str, identifier: str, old: str) -> None:
        entity = self.held(blueprint)[identifier]
        assert entity["team"] == ["payments"]
        assert entity["properties"]["tier"] == "gold"
        pointing = self.machine.port.entities(f"service{blueprint}")[f"svc-{old}"]
        assert pointing["relations"]["source"] == identifier


@pytest.fixture(scope="module", params=["cloud", "server"])
def place(request: pytest.FixtureRequest, deploy: Deploy) -> Place:
    made = Place(deploy(request.param))
    for blueprint in ("Repository", "Project"):
        _add_property(made.machine, made.prefix + blueprint, "tier")
    made.world.create_project("PAY", "Payments")
    made.world.create_project("OPS", "Operations")
    return made


@pytest.fixture(scope="module")
def on_cloud(deploy: Deploy) -> Place:
    made = Place(deploy("cloud"))
    made.world.create_project("PAY", "Payments")
    return made


def _add_property(machine: Machine, blueprint: str, name: str) -> None:
    existing = machine.port._catalog.blueprint(blueprint)
    properties = {**existing["schema"]["properties"], name: {"type": "string", "title": name.title()}}
    machine.port.put_blueprint({**existing, "schema": {**existing["schema"], "properties": properties}})


def _only(events: Sequence[Webhook], start: str) -> list[Webhook]:
    return [event for event in events if event.event_key.startswith(start)]


def test_a_renamed_repository_keeps_what_people_added_and_its_pull_requests_follow(place: Place) -> None:
    place.repository("PAY", "ledger")
    pulls = place.pulls("PAY", "ledger", 3)
    (merged,) = pulls[2:]
    place.machine.tell(place.world.merge(merged))
    old = place.repository_id("PAY", "ledger")
    place.decorate("Repository", old)
    place.machine.tell(place.world.rename_repository(place.name("PAY", "ledger"), "general-ledger"))
    new = place.repository_id("PAY", "general-ledger")
    assert old not in place.held("Repository")
    place.assert_decorated("Repository", new, old)
    for pull in pulls:
        entity = entity_of(place.machine, "pull-request", pull_request(place.machine, pull))
        assert entity.identifier == f"{new}/{pull.id}"
        assert_in_port(place.machine, entity)
    assert not [identifier for identifier in place.held("PullRequest") if identifier.startswith(f"{old}/")]


def test_a_pull_request_event_from_before_a_rename_does_not_bring_the_old_name_back(place: Place) -> None:
    place.repository("PAY", "early")
    (pull,) = place.pulls("PAY", "early", 1)
    late = place.world.update_pull_request(pull, title="Said before the rename")
    place.machine.tell(place.world.rename_repository(place.name("PAY", "early"), "later"))
    place.machine.tell(late)
    identifiers = [identifier for identifier in place.held("PullRequest") if "/early/" in identifier]
    assert identifiers == []
    assert_in_port(place.machine, entity_of(place.machine, "pull-request", pull_request(place.machine, pull)))


def test_a_repository_moved_to_another_project_is_the_same_entity_there(place: Place) -> None:
    place.repository("PAY", "mover")
    (pull,) = place.pulls("PAY", "mover", 1)
    old = place.repository_id("PAY", "mover")
    place.decorate("Repository", old)
    place.machine.tell(place.world.move_repository(place.name("PAY", "mover"), "OPS"))
    new = place.repository_id("OPS", "mover")
    place.assert_decorated("Repository", new, old)
    assert place.held("Repository")[new]["relations"]["project"] == place.project_id("OPS")
    assert_in_port(place.machine, entity_of(place.machine, "pull-request", pull_request(place.machine, pull)))


def test_a_project_with_another_key_takes_its_repositories_and_their_pull_requests_along(place: Place) -> None:
    place.world.create_project("OLD", "Old")
    place.repository("OLD", "alpha")
    place.repository("OLD", "beta")
    (pull,) = place.pulls("OLD", "beta", 1)
    old = place.project_id("OLD")
    place.decorate("Project", old)
    place.machine.tell(place.world.change_project("OLD", key="NEW"))
    new = place.project_id("NEW")
    place.assert_decorated("Project", new, old)
    for slug in ("alpha", "beta"):
        repository = place.held("Repository")[place.repository_id("NEW", slug)]
        assert repository["relations"]["project"] == new
    assert_in_port(place.machine, entity_of(place.machine, "pull-request", pull_request(place.machine, pull)))
    assert old not in place.held("Project")


def test_a_deleted_repository_goes_after_its_pull_requests(on_cloud: Place) -> None:
    on_cloud.repository("PAY", "doomed")
    on_cloud.repository("PAY", "spared")
    on_cloud.pulls("PAY", "doomed", 3)
    on_cloud.pulls("PAY", "spared", 1)
    on_cloud.machine.tell(on_cloud.world.delete_repository("doomed"))
    assert on_cloud.held("Repository", "doomed") == {}
    assert on_cloud.held("PullRequest", "doomed") == {}
    assert set(on_cloud.held("PullRequest", "spared")) == {"acme/spared/1"}
    assert set(on_cloud.held("Repository", "spared")) == {"acme/spared"}


def test_a_late_event_does_not_bring_a_deleted_repository_back(on_cloud: Place) -> None:
    on_cloud.repository("PAY", "late")
    (pull,) = on_cloud.pulls("PAY", "late", 1)
    late = [
        *on_cloud.world.update_pull_request(pull, title="Late"),
        *on_cloud.world.push("late", "main", {"b": "b"}),
    ]
    on_cloud.machine.tell(on_cloud.world.delete_repository("late"))
    on_cloud.machine.tell(late)
    assert on_cloud.held("Repository", "late") == {}
    assert on_cloud.held("PullRequest", "late") == {}


def test_a_repository_transferred_out_of_the_workspace_leaves_the_catalog(on_cloud: Place) -> None:
    on_cloud.repository("PAY", "leaver")
    on_cloud.pulls("PAY", "leaver", 2)
    on_cloud.machine.tell(on_cloud.world.transfer_repository("leaver", "elsewhere"))
    assert on_cloud.held("Repository", "leaver") == {}
    assert on_cloud.held("PullRequest", "leaver") == {}


def test_in_webhook_only_mode_a_deleted_repository_goes_with_its_pull_requests(deploy: Deploy) -> None:
    place = Place(deploy("cloud", BitbucketApi="none", BitbucketToken="-"))
    place.world.create_project("PAY", "Payments")
    place.repository("PAY", "doomed")
    place.pulls("PAY", "doomed", 2)
    place.machine.tell(place.world.delete_repository("doomed"))
    assert place.held("Repository") == {}
    assert place.held("PullRequest") == {}


def test_an_entity_that_was_in_port_before_us_is_enriched_and_never_deleted(on_cloud: Place) -> None:
    on_cloud.machine.port.put_entity("bitbucketCloudRepository", "acme/theirs", title="By hand", team=["platform"])
    on_cloud.repository("PAY", "theirs")
    entity = on_cloud.held("Repository")["acme/theirs"]
    assert entity["title"] == "theirs"
    assert entity["team"] == ["platform"]
    on_cloud.machine.tell(on_cloud.world.delete_repository("theirs"))
    assert set(on_cloud.held("Repository", "theirs")) == {"acme/theirs"}
    assert "acme/theirs was in Port before us" in on_cloud.machine.stack.logs()


def test_an_entity_that_something_foreign_relates_to_is_not_deleted_but_named(on_cloud: Place) -> None:
    on_cloud.repository("PAY", "needed")
    on_cloud.machine.port.put_entity("serviceRepository", "checkout", relations={"source": "acme/needed"})
    on_cloud.machine.tell(on_cloud.world.delete_repository("needed"))
    assert set(on_cloud.held("Repository", "needed")) == {"acme/needed"}
    assert "checkout" in on_cloud.machine.stack.logs()


def test_a_pull_request_that_leaves_the_scope_leaves_the_catalog(deploy: Deploy) -> None:
    place = Place(deploy("cloud", "ocean"))
    place.prefix = "bitbucket"
    place.world.create_project("PAY", "Payments")
    events = place.world.create_repository("PAY", "scoped", readme="# Scoped\n")
    place.machine.tell(events)
    (pull,) = place.pulls("PAY", "scoped", 1)
    assert set(place.held("PullRequest")) == {"scoped1"}
    place.machine.tell(_only(place.world.merge(pull), "pullrequest:"))
    assert place.held("PullRequest") == {}


def test_a_push_to_the_default_branch_changes_readme_and_latest_commit_author(deploy: Deploy) -> None:
    machine: Machine = deploy("server", "ocean")
    world = machine.server.world
    world.create_project("DOC", "Documents")
    writer = world.create_user("writer", "The Writer", email="writer@example.com")
    world.create_repository("DOC", "guide", readme="# First\n")
    machine.tell(world.push("DOC/guide", "main", {"README.md": "# Second\n"}, by=writer))
    held = machine.port.entities("bitbucketRepository")["guide"]
    assert held["properties"]["documentation"] == "# Second\n"
    assert held["relations"]["latestCommitAuthor"] == "writer@example.com"
    asked = len(machine.bitbucket.requests)
    machine.tell(world.push("DOC/guide", "side", {"README.md": "# Aside\n"}))
    assert len(machine.bitbucket.requests) == asked
    assert machine.port.entities("bitbucketRepository")["guide"]["properties"]["documentation"] == "# Second\n"


def test_the_included_files_of_a_cloud_repository_follow_a_push(deploy: Deploy) -> None:
    machine: Machine = deploy("cloud", "ocean")
    world = machine.cloud.world
    world.create_project("DOC", "Documents")
    machine.tell(world.create_repository("DOC", "guide", readme="# First\n"))
    assert machine.port.entities("bitbucketRepository")["guide"]["properties"]["readme"] == "# First\n"
    machine.tell(world.push("guide", "main", {"README.md": "# Second\n", "CODEOWNERS": "* @docs\n"}))
    held = machine.port.entities("bitbucketRepository")["guide"]["properties"]
    assert (held["readme"], held["codeowners"]) == ("# Second\n", "* @docs\n")
