"""Uninstalling takes out of Port what Port shows under our datasource, what relates to others first, and no more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.catalog.items import EntityItem
from bitbucket_port.objects import EntityKey, JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.uninstall import Uninstall, _children_first
from local.standins.port import PortStandIn
from tests.setup_port.conftest import Connect

OURS = "port-ocean/bitbucket-cloud/1.0.0/orchard/exporter"
APP = "bitbucket-cloud"


def blueprint(identifier: str, **relations: str) -> JsonObject:
    ends = {name: {"target": target, "required": False, "many": False} for name, target in relations.items()}
    return {"identifier": identifier, "title": identifier, "schema": {"properties": {}}, "relations": ends}


@pytest.fixture(autouse=True)
def catalog(port: PortStandIn) -> None:
    """Two projects, three repositories, four pull requests of ours, and what others have beside them."""
    for one in (
        blueprint("project"),
        blueprint("repository", project="project"),
        blueprint("pullRequest", repository="repository"),
        blueprint("service", repository="repository"),
        blueprint("_user"),
    ):
        port.put_blueprint(one)
    for number in range(2):
        port.put_entity("project", f"p{number}", datasource=OURS)
    for number in range(3):
        port.put_entity("repository", f"r{number}", relations={"project": f"p{number % 2}"}, datasource=OURS)
    for number in range(4):
        port.put_entity("pullRequest", f"r{number % 3}/{number}", relations={"repository": "r0"}, datasource=OURS)
    port.put_entity("repository", "theirs", datasource="port-ocean/bitbucket-cloud/1.0.0/orchard-two/exporter")
    port.put_entity("service", "checkout")
    port.put_entity("_user", "jane@example.org", datasource=OURS)
    port.put_integration("orchard", app_type=APP)


def there(port: PortStandIn) -> dict[str, set[str]]:
    names = [one["identifier"] for one in port.blueprints()]
    return {name: found for name in names if (found := set(port.entities(name)))}


def deletions(port: PortStandIn) -> list[str]:
    return [call.path for call in port.calls() if call.method == "DELETE" or "/bulk/entities/delete" in call.path]


def said(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    return {one.about: (one.outcome, one.text) for one in findings}


def test_looking_tells_what_would_go_and_deletes_nothing(port: PortStandIn, client: PortClient) -> None:
    before = there(port)

    found = Uninstall(client, "orchard", APP).look()

    assert said(found) == {
        "Entities of pullRequest": ("ok", "4 would be deleted (--entities)."),
        "Entities of repository": ("ok", "3 would be deleted (--entities)."),
        "Entities of project": ("ok", "2 would be deleted (--entities)."),
        "Integration orchard": ("ok", "would be deleted (--integration)."),
    }
    assert there(port) == before
    assert {call.method for call in port.calls()} == {"GET", "POST"}
    assert deletions(port) == []


def test_exactly_ours_goes_children_first(port: PortStandIn, client: PortClient) -> None:
    found = Uninstall(client, "orchard", APP).remove(entities=True, integration=True)

    assert {one.outcome for one in found} == {"changed"}
    assert there(port) == {"repository": {"theirs"}, "service": {"checkout"}, "_user": {"jane@example.org"}}
    assert deletions(port) == [
        "/v1/blueprints/pullRequest/bulk/entities/delete",
        "/v1/blueprints/repository/bulk/entities/delete",
        "/v1/blueprints/project/bulk/entities/delete",
        "/v1/integration/orchard",
    ]
    assert port.integration("orchard") is None
    assert len(port.blueprints()) == 5


@pytest.mark.parametrize(("entities", "integration"), [(True, False), (False, True), (False, False)])
def test_only_what_is_asked_for_goes(
    port: PortStandIn, client: PortClient, *, entities: bool, integration: bool
) -> None:
    Uninstall(client, "orchard", APP).remove(entities=entities, integration=integration)

    assert ("project" in there(port)) is not entities
    assert (port.integration("orchard") is not None) is not integration


def test_doing_it_again_finds_nothing_and_is_right(client: PortClient) -> None:
    uninstall = Uninstall(client, "orchard", APP)
    uninstall.remove(entities=True, integration=True)

    assert said(uninstall.remove(entities=True, integration=True)) == {
        "Entities": ("ok", "Port shows none under our datasource."),
        "Integration orchard": ("ok", "is not in Port."),
    }


def test_what_somebody_elses_entity_relates_to_stays_with_what_it_relates_to_and_is_named(
    port: PortStandIn, client: PortClient
) -> None:
    port.put_entity("service", "checkout", relations={"repository": "r1"})

    found = Uninstall(client, "orchard", APP).remove(entities=True, integration=False)

    assert there(port)["repository"] == {"theirs", "r1"}
    assert there(port)["project"] == {"p1"}
    outcome, text = said(found)["Entities of repository"]
    assert outcome == "warning"
    assert text.startswith("2 of 3 deleted. 1 stay: r1: service#checkout relate to it")
    assert said(found)["Entities of project"][0] == "warning"
    assert "pullRequest" not in there(port)


def test_what_was_there_before_the_stack_stays_as_long_as_its_ledger_tells(
    port: PortStandIn, client: PortClient
) -> None:
    class Known:
        def entities(self, blueprint: str, identifiers: Collection[str]) -> Mapping[EntityKey, EntityItem]:
            ours = {"r0": False, "r1": True}
            return {EntityKey(blueprint, one): EntityItem(ours=ours[one]) for one in identifiers if one in ours}

    uninstall = Uninstall(client, "orchard", APP, known=Known())
    stay = "1 stay, such as r0: it was there before, and was only added to."

    assert said(uninstall.look())["Entities of repository"] == ("ok", f"2 would be deleted (--entities). {stay}")
    found = uninstall.remove(entities=True, integration=False)

    assert said(found)["Entities of repository"] == ("changed", f"2 of 2 deleted. {stay}")
    assert there(port)["repository"] == {"theirs", "r0"}


def test_what_another_stack_of_the_same_name_wrote_last_is_that_stacks(port: PortStandIn, connect: Connect) -> None:
    first, second = connect(installation="one"), connect(installation="two")
    for client, name in ((first, "r1"), (second, "r2")):
        port.credit("repository", name, f"port-ocean/bitbucket-cloud/1.0.0{client.installation}/orchard/exporter")

    found = Uninstall(first, "orchard", APP).remove(entities=True, integration=False)

    assert there(port)["repository"] == {"theirs", "r2"}
    assert "1 stay, such as r2: another stack" in said(found)["Entities of repository"][1]


def test_an_integration_of_another_type_stays(port: PortStandIn, client: PortClient) -> None:
    port.put_integration("orchard", app_type="github")

    found = Uninstall(client, "orchard", APP).remove(entities=False, integration=True)

    assert said(found) == {"Integration orchard": ("warning", "is of type github, not bitbucket-cloud: it stays.")}
    assert port.integration("orchard") is not None


def test_two_blueprints_that_relate_to_each_other_go_all_the_same(port: PortStandIn, client: PortClient) -> None:
    port.put_blueprint(blueprint("project", main="repository"))
    port.put_entity("project", "p1", relations={"main": "r2"})

    found = Uninstall(client, "orchard", APP).remove(entities=True, integration=False)

    assert {one.outcome for one in found} == {"changed"}
    assert there(port).keys() == {"repository", "service", "_user"}


def test_one_blueprint_that_fails_keeps_none_of_the_others(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(99, 503, match="POST /v1/blueprints/pullRequest/bulk/entities/delete")
    port.fail_next(99, 422, match="POST /v1/blueprints/service/entities/search")

    found = said(Uninstall(client, "orchard", APP).remove(entities=True, integration=True))

    assert found["Entities of pullRequest"][0] == "warning"
    assert "503" in found["Entities of pullRequest"][1]
    assert found["Entities of service"][0] == "warning"
    assert there(port)["repository"] == {"theirs", "r0"}
    assert found["Integration orchard"] == ("changed", "deleted.")


def test_with_port_down_nothing_is_taken_for_gone(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(999, 503)
    uninstall = Uninstall(client, "orchard", APP)

    assert {one.outcome for one in [*uninstall.look(), *uninstall.remove(entities=True, integration=True)]} == {
        "warning"
    }


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.sets(names, max_size=3), max_size=6))
def test_the_order_has_every_blueprint_once_and_targets_last_where_there_is_no_circle(
    ends: dict[str, set[str]],
) -> None:
    blueprints: dict[str, Any] = {
        name: {"relations": {target: {"target": target} for target in targets}} for name, targets in ends.items()
    }

    order = _children_first(blueprints)

    assert sorted(order) == sorted(blueprints)
    for name, targets in ends.items():
        for target in targets & ends.keys():
            if target != name and not _leads_to(ends, target, name):
                assert order.index(name) < order.index(target)


def _leads_to(ends: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if one == goal:
            return True
        if one not in seen:
            seen.add(one)
            waiting += ends.get(one, set())
    return False
