"""Renaming keeps what others added; deleting stops at what others need; ownership is what Port shows."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.errors import NotFoundError, TransientError
from bitbucket_port.objects import Entity, EntityKey
from bitbucket_port.port.client import PortClient, RenameRefusedError
from local.standins.http import Answer, Request
from local.standins.port import PortStandIn
from tests.port.blueprints import pull_request, repository
from tests.port.conftest import Connect

OLD = EntityKey("repository", "old")


def write(client: PortClient, *entities: Entity) -> None:
    written = client.upsert(entities, merge=True, create_missing=True)
    assert {one.outcome for one in written} <= {"created", "updated"}


def test_a_rename_keeps_team_hand_added_values_and_relations_to_it(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("old", size=1))
    port.put_entity("repository", "old", team="growers", properties={"note": "by hand"})
    port.put_entity("service", "shop", relations={"repository": "old", "mirrors": ["old"]})
    client.rename(OLD, repository("new", title="New", size=2), create_missing=True)
    assert list(port.entities("repository")) == ["new"]
    entity = port.entities("repository")["new"]
    assert (entity["title"], entity["team"]) == ("New", "growers")
    assert entity["properties"] == {"size": 2, "note": "by hand"}
    assert port.entities("service")["shop"]["relations"] == {"repository": "new", "mirrors": ["new"]}


def test_identifiers_with_slashes_can_be_renamed_read_and_deleted(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("orchard/old+1"))
    key = EntityKey("repository", "orchard/new:2")
    client.rename(EntityKey("repository", "orchard/old+1"), repository(key.identifier), create_missing=True)
    entity = client.get(key)
    assert entity is not None
    assert entity["identifier"] == "orchard/new:2"
    assert client.delete("repository", [key.identifier], delete_dependents=False).deleted == (key.identifier,)
    assert client.get(key) is None


def test_a_rename_onto_an_existing_entity_is_refused_and_changes_nothing(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("old"), repository("taken"))
    before = port.catalog()
    with pytest.raises(RenameRefusedError, match="409"):
        client.rename(OLD, repository("taken", title="Other"), create_missing=True)
    assert port.catalog() == before


def test_renaming_what_is_not_there_is_told_apart_from_a_missing_relation(
    port: PortStandIn, client: PortClient
) -> None:
    with pytest.raises(NotFoundError):
        client.rename(OLD, repository("new"), create_missing=True)
    write(client, repository("old"))
    lost = Entity("repository", "new", {"relations": {"origin": "nowhere"}})
    with pytest.raises(RenameRefusedError, match="404"):
        client.rename(OLD, lost, create_missing=False)


def test_a_rename_leaves_out_what_the_blueprint_does_not_have(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("old"))
    written = client.rename(OLD, repository("new", size=2, colour="red"), create_missing=True)
    assert port.entities("repository")["new"]["properties"] == {"size": 2}
    assert written.trimmed == ("properties.colour",)
    assert written.sent == repository("new", size=2)


def test_an_entity_does_not_move_to_another_blueprint(client: PortClient) -> None:
    with pytest.raises(RenameRefusedError):
        client.rename(OLD, pull_request("new", of="x"), create_missing=True)


def test_deleting_what_is_gone_already_counts_as_deleted(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("a"))
    assert set(client.delete("repository", ["a", "never-was"], delete_dependents=False).deleted) == {"a", "never-was"}
    assert client.delete("orchard", ["x", "y"], delete_dependents=False).blocked == {}
    assert port.entities("repository") == {}


def test_an_entity_others_relate_to_blocks_only_itself_and_they_are_named(
    port: PortStandIn, client: PortClient
) -> None:
    names = [f"r{number}" for number in range(9)]
    write(client, *(repository(name) for name in names))
    port.put_entity("service", "shop", relations={"mirrors": ["r3"]})
    outcome = client.delete("repository", names, delete_dependents=False)
    assert set(outcome.deleted) == set(names) - {"r3"}
    assert list(outcome.blocked) == ["r3"]
    assert "service#shop" in outcome.blocked["r3"]
    assert list(port.entities("repository")) == ["r3"]


def test_a_parent_goes_once_its_child_in_the_same_call_has_gone(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("parent"), Entity("repository", "fork", {"relations": {"origin": "parent"}}))
    outcome = client.delete("repository", ["parent", "fork"], delete_dependents=False)
    assert outcome.blocked == {}
    assert port.entities("repository") == {}


def test_dependents_go_along_only_when_that_is_asked_for(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("a"), pull_request("p1", of="a"))
    assert "pullRequest#p1" in client.delete("repository", ["a"], delete_dependents=False).blocked["a"]
    assert client.delete("repository", ["a"], delete_dependents=True).blocked == {}
    assert port.catalog() == {}


def test_more_than_a_hundred_are_deleted_in_several_requests(port: PortStandIn, client: PortClient) -> None:
    names = [f"r{number}" for number in range(150)]
    write(client, *(repository(name) for name in names))
    port.forget_requests()
    assert len(client.delete("repository", names, delete_dependents=False).deleted) == 150
    assert len(port.calls()) == 2


def test_ours_is_what_port_shows_under_our_datasource(port: PortStandIn, client: PortClient, connect: Connect) -> None:
    write(client, repository("ours"))
    write(connect(identifier="meadow"), repository("neighbours"))
    port.put_entity("repository", "theirs", datasource="port-ocean/github/1/orchard/exporter")
    assert client.ours("repository", ["ours", "neighbours", "theirs", "missing"]) == {"ours"}
    assert port.entities("repository")["ours"]["$datasource"] == "port-ocean/bitbucket-cloud/1.2.3/orchard/exporter"


def test_ours_asks_for_many_in_several_requests(port: PortStandIn, client: PortClient) -> None:
    names = [f"r{number}" for number in range(120)]
    write(client, *(repository(name) for name in names))
    port.forget_requests()
    assert client.ours("repository", names) == set(names)
    assert len(port.calls()) == 3


def test_relating_to_finds_straight_relations_only(port: PortStandIn, client: PortClient) -> None:
    write(client, repository("a"), Entity("repository", "fork", {"relations": {"origin": "a"}}))
    write(client, pull_request("p1", of="a"), pull_request("p2", of="fork"))
    found = {(one["blueprint"], one["identifier"]) for one in client.relating_to(EntityKey("repository", "a"))}
    assert found == {("repository", "fork"), ("pullRequest", "p1")}


def test_a_blueprint_is_looked_up_once(port: PortStandIn, client: PortClient) -> None:
    assert client.blueprint("repository")["title"] == client.blueprint("repository")["title"] == "Repository"
    assert len(port.calls()) == 1
    with pytest.raises(NotFoundError):
        client.blueprint("orchard")


def test_an_answer_that_is_not_ports_never_means_that_an_entity_is_gone(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(client, repository("a"))

    def proxy(request: Request) -> Any:
        return Answer(404, b"<html>no such page</html>")

    monkeypatch.setattr(port, "_outcome", lambda request: (proxy(request), ""))
    with pytest.raises(TransientError):
        client.get(EntityKey("repository", "a"))
    with pytest.raises(TransientError):
        client.delete("repository", ["a", "b"], delete_dependents=False)
    with pytest.raises(TransientError):
        client.blueprint("repository")
    with pytest.raises(TransientError):
        client.ours("repository", ["a"])
