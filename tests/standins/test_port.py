"""The Port stand-in refuses what Port refuses, told by plain HTTP requests (not by our own client)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.standins.port import PortStandIn
from local.standins.port_values import is_identifier

Json = dict[str, Any]

BLUEPRINTS: list[Json] = [
    {"identifier": "tree", "title": "Tree"},
    {
        "identifier": "fruit",
        "title": "Fruit",
        "schema": {
            "properties": {
                "name": {"type": "string"},
                "weight": {"type": "number"},
                "ripe": {"type": "boolean"},
                "picked": {"type": "string", "format": "date-time"},
                "page": {"type": "string", "format": "url"},
                "grower": {"type": "string", "format": "user"},
                "kind": {"type": "string", "enum": ["apple", "pear"]},
                "uses": {"type": "array", "items": {"type": "string"}},
                "more": {"type": "object"},
            },
            "required": [],
        },
        "relations": {
            "tree": {"target": "tree", "many": False, "required": False},
            "trees": {"target": "tree", "many": True, "required": False},
        },
    },
]


class Caller:
    """A Port user with a shell: sends what it is told, with a token."""

    def __init__(self, port: PortStandIn) -> None:
        self.port = port
        self.session = requests.Session()
        body = {"clientId": "me", "clientSecret": "mine"}
        token = self.session.post(port.url + "/v1/auth/access_token", json=body).json()
        self.session.headers["Authorization"] = f"{token['tokenType']} {token['accessToken']}"
        self.session.headers["User-Agent"] = "hand/1"

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> requests.Response:
        return self.session.request(method, f"{self.port.url}/v1{path}", json=body, params=params)

    def write(self, *entities: Json, blueprint: str = "fruit", **params: str) -> Json:
        path = f"/blueprints/{blueprint}/entities/bulk"
        answer = self("POST", path, {"entities": list(entities)}, **{"upsert": "true", "merge": "true", **params})
        return {"status": answer.status_code, **answer.json()}


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("me", "mine", BLUEPRINTS)
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def call(port: PortStandIn) -> Caller:
    return Caller(port)


def test_wrong_credentials_and_a_missing_token_get_401(port: PortStandIn) -> None:
    wrong = requests.post(port.url + "/v1/auth/access_token", json={"clientId": "me", "clientSecret": "no"})
    missing = requests.get(port.url + "/v1/blueprints")
    assert (wrong.status_code, missing.status_code) == (401, 401)
    assert wrong.json()["ok"] is False


def test_asking_again_gives_the_same_active_token(port: PortStandIn) -> None:
    assert Caller(port).session.headers == Caller(port).session.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "params", "status"),
    [
        ("GET", "/nowhere", None, {}, 404),
        ("PUT", "/entities/search", {}, {}, 405),
        ("GET", "/blueprints/none", None, {}, 404),
        ("GET", "/blueprints/fruit/entities/none", None, {}, 404),
        ("GET", "/blueprints/fruit/entities/none", None, {"page": "2"}, 422),
        ("POST", "/blueprints/fruit/entities", {"identifier": "a"}, {}, 422),
        ("POST", "/blueprints/fruit/entities", {"identifier": "a"}, {"upsert": "yes"}, 422),
        ("POST", "/blueprints/fruit/entities", {"identifier": "a b"}, {"upsert": "true"}, 422),
        ("POST", "/blueprints/none/entities", {"identifier": "a"}, {"upsert": "true"}, 404),
        ("POST", "/blueprints/fruit/entities/bulk", {"entities": []}, {"upsert": "true"}, 422),
        ("POST", "/blueprints/fruit/entities/bulk", {"entities": [{"identifier": "a"}] * 21}, {"upsert": "true"}, 422),
        ("POST", "/blueprints/fruit/entities/bulk", {"entities": [], "extra": 1}, {"upsert": "true"}, 422),
        (
            "POST",
            "/blueprints/fruit/entities/bulk",
            {"entities": [{"identifier": "a", "title": None}]},
            {"upsert": "true"},
            422,
        ),
        ("PATCH", "/blueprints/fruit/entities/none", {"blueprint": "fruit"}, {}, 422),
        ("DELETE", "/blueprints/fruit/entities/none", None, {"delete_dependents": "false"}, 404),
        ("DELETE", "/blueprints/fruit/entities/none", None, {}, 422),
        (
            "POST",
            "/blueprints/fruit/bulk/entities/delete",
            {"entities": ["a"] * 101},
            {"delete_dependents": "true"},
            422,
        ),
        ("POST", "/blueprints/fruit/entities/search", {"limit": 1001}, {}, 422),
        ("POST", "/blueprints/fruit/entities/search", {"limit": 0}, {}, 422),
        ("POST", "/blueprints/fruit/entities/search", {"include": ["$identifier", "taste"]}, {}, 422),
        ("POST", "/blueprints/fruit/entities/search", {"include": ["identifier"]}, {}, 422),
        ("POST", "/blueprints/none/entities/search", {}, {}, 404),
        ("PATCH", "/integration/none/resync-state", {"status": "running"}, {}, 404),
        ("PATCH", "/integration/none/resync-state", {"status": "resting"}, {}, 422),
        ("POST", "/entities/search", {"rules": []}, {}, 422),
        (
            "POST",
            "/entities/search",
            {"combinator": "and", "rules": [{"property": "name", "operator": "looksLike", "value": "x"}]},
            {},
            422,
        ),
    ],
)
def test_what_the_api_does_not_know_is_refused(
    port: PortStandIn, call: Caller, method: str, path: str, body: Any, params: Json, status: int
) -> None:
    port.put_entity("fruit", "present")
    answer = call(method, path, body, **params)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)


def test_a_body_over_a_mebibyte_gets_413(call: Caller) -> None:
    assert call.write({"identifier": "a", "properties": {"name": "x" * 1_100_000}})["status"] == 413


def test_a_body_that_is_not_json_is_refused(port: PortStandIn, call: Caller) -> None:
    answer = call.session.post(port.url + "/v1/entities/search", data=b"{")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("Ärzte/größe:1+2@x_y=z-.\\", True),
        ("数据", True),
        ("x" * 1000, True),
        ("x" * 1001, False),
        ("", False),
        (".", False),
        ("..", False),
        ("...", True),
        *((f"a{character}", False) for character in " #%~,(){}&\u0301\n"),
    ],
)
def test_identifiers(text: str, good: bool) -> None:
    assert is_identifier(text) is good


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("name", "x", 1),
        ("weight", 1.5, "1"),
        ("weight", 1, True),
        ("ripe", False, "false"),
        ("picked", "2026-01-02T03:04:05.678+00:00", "2026-01-02"),
        ("page", "https://example.org/x", "example"),
        ("grower", "plum@example.org", "Plum"),
        ("kind", "apple", "walnut"),
        ("uses", ["jam"], "jam"),
        ("uses", [], [1]),
        ("more", {}, []),
    ],
)
def test_values_are_checked_against_the_blueprint(call: Caller, name: str, good: Any, bad: Any) -> None:
    answer = call.write(
        {"identifier": "good", "properties": {name: good}},
        {"identifier": "null", "properties": {name: None}},
        {"identifier": "bad", "properties": {name: bad}},
    )
    assert answer["status"] == 207
    assert [one["identifier"] for one in answer["entities"]] == ["good", "null"]
    assert [(one["index"], one["identifier"], one["statusCode"]) for one in answer["errors"]] == [(2, "bad", 422)]


def test_unknown_properties_and_relations_are_refused(call: Caller) -> None:
    answer = call.write(
        {"identifier": "a", "properties": {"colour": "red"}},
        {"identifier": "b", "relations": {"field": "x"}},
        {"identifier": "c", "relations": {"tree": ["x"]}},
        {"identifier": "d", "relations": {"trees": "x"}},
    )
    assert [one["statusCode"] for one in answer["errors"]] == [422] * 4


def test_a_related_entity_must_exist_unless_it_may_be_created(port: PortStandIn, call: Caller) -> None:
    entity = {"identifier": "a", "relations": {"tree": "oak", "trees": ["elm"]}}
    assert call.write(entity)["errors"][0]["statusCode"] == 404
    assert port.catalog() == {}
    assert call.write(entity, create_missing_related_entities="true")["status"] == 200
    assert set(port.entities("tree")) == {"oak", "elm"}


def test_creating_what_exists_without_upsert_is_a_conflict(call: Caller) -> None:
    assert call.write({"identifier": "a"}, upsert="false")["entities"][0]["created"] is True
    assert call.write({"identifier": "a"}, upsert="false")["errors"][0]["statusCode"] == 409
    assert call.write({"identifier": "a"})["entities"][0]["created"] is False


def test_upsert_replaces_and_merge_patches(port: PortStandIn, call: Caller) -> None:
    port.put_entity("fruit", "a", title="Apple", team="growers", properties={"name": "x", "weight": 1})
    call.write({"identifier": "a", "properties": {"name": None}})
    assert port.entities("fruit")["a"]["properties"] == {"weight": 1}
    assert port.entities("fruit")["a"]["team"] == "growers"
    call.write({"identifier": "a", "properties": {"ripe": True}}, merge="false")
    entity = port.entities("fruit")["a"]
    assert (entity["title"], entity["team"], entity["properties"]) == (None, None, {"ripe": True})


def test_checking_only_writes_nothing(port: PortStandIn, call: Caller) -> None:
    entity = {"identifier": "a", "relations": {"tree": "oak"}}
    call.write(entity, validation_only="true", create_missing_related_entities="true")
    assert port.catalog() == {}


def test_the_last_writer_becomes_the_datasource_and_a_hand_does_not(port: PortStandIn, call: Caller) -> None:
    port.put_entity("fruit", "a")
    assert port.entities("fruit")["a"]["$datasource"] == "somebody-else"
    call.write({"identifier": "a"})
    port.put_entity("fruit", "a", properties={"name": "by hand"})
    assert port.entities("fruit")["a"]["$datasource"] == "hand/1"


def test_a_renamed_entity_takes_the_relations_to_it_along(port: PortStandIn, call: Caller) -> None:
    port.put_entity("tree", "oak", team=["growers"])
    port.put_entity("tree", "elm")
    port.put_entity("fruit", "a", relations={"tree": "oak", "trees": ["oak", "elm"]})
    taken = call("PATCH", "/blueprints/tree/entities/oak", {"identifier": "elm"})
    renamed = call("PATCH", "/blueprints/tree/entities/oak", {"identifier": "ash"})
    assert (taken.status_code, renamed.status_code) == (409, 200)
    assert port.entities("fruit")["a"]["relations"] == {"tree": "ash", "trees": ["ash", "elm"]}
    assert port.entities("tree")["ash"]["team"] == ["growers"]


def test_put_replaces_an_entity(port: PortStandIn, call: Caller) -> None:
    port.put_entity("fruit", "a", title="Apple", properties={"weight": 1})
    assert call("PUT", "/blueprints/fruit/entities/a", {"properties": {"ripe": True}}).status_code == 200
    assert port.catalog()["fruit", "a"]["title"] is None
    assert port.catalog()["fruit", "a"]["properties"] == {"ripe": True}


def test_a_deletion_blocked_by_dependents_deletes_nothing(port: PortStandIn, call: Caller) -> None:
    port.put_entity("tree", "oak")
    port.put_entity("tree", "elm")
    port.put_entity("fruit", "a", relations={"tree": "oak"})
    path = "/blueprints/tree/bulk/entities/delete"
    assert call("POST", path, {"entities": ["elm", "oak"]}, delete_dependents="false").status_code == 422
    assert call("DELETE", "/blueprints/tree/entities/oak", delete_dependents="false").status_code == 422
    assert set(port.entities("tree")) == {"oak", "elm"}
    answer = call("POST", path, {"entities": ["elm", "oak", "gone"]}, delete_dependents="true")
    assert answer.json()["deletedEntities"] == ["elm", "oak"]
    assert port.catalog() == {}


def test_searching_a_blueprint_goes_page_by_page(port: PortStandIn, call: Caller) -> None:
    for number in range(5):
        port.put_entity("fruit", f"f{number}", properties={"weight": number})
    heavy = {"combinator": "and", "rules": [{"property": "weight", "operator": ">", "value": 0}]}
    seen: list[str] = []
    body: Json = {"query": heavy, "limit": 2, "include": ["$identifier"]}
    while True:
        answer = call("POST", "/blueprints/fruit/entities/search", body).json()
        seen += [entity["identifier"] for entity in answer["entities"]]
        if "next" not in answer:
            break
        body = {**body, "from": answer["next"]}
    assert seen == ["f1", "f2", "f3", "f4"]
    assert call("GET", "/blueprints/fruit/entities-count").json()["count"] == 5


def test_pages_of_a_search_go_on_where_they_ended_though_entities_come_and_go(port: PortStandIn, call: Caller) -> None:
    for name in "bdfhj":
        port.put_entity("fruit", name)
    path, body = "/blueprints/fruit/entities/search", {"limit": 2, "include": ["$identifier", "weight"]}
    first = call("POST", path, body).json()
    port.remove_entity("fruit", "d")
    port.remove_entity("fruit", "h")
    for name in "ace":
        port.put_entity("fruit", name, properties={"weight": 1})
    second = call("POST", path, {**body, "from": first["next"]}).json()
    assert second["entities"] == [{"identifier": "e", "properties": {"weight": 1}}, {"identifier": "f"}]
    third = call("POST", path, {**body, "from": second["next"]}).json()
    assert ([one["identifier"] for one in third["entities"]], "next" in third) == (["j"], False)


def test_a_renamed_entity_has_its_new_place_in_a_listing(port: PortStandIn, call: Caller) -> None:
    for name in "abc":
        port.put_entity("fruit", name)
    assert call("PATCH", "/blueprints/fruit/entities/a", {"identifier": "z"}).status_code == 200
    assert list(port.entities("fruit")) == ["b", "c", "z"]
    other = PortStandIn("client", "secret")
    other.recall(port.memory())
    assert list(other.entities("fruit")) == ["b", "c", "z"]


def test_an_integration_remembers_what_it_was_told_of_its_resync(port: PortStandIn, call: Caller) -> None:
    port.put_integration("orchard")
    path = "/integration/orchard/resync-state"
    assert call("PATCH", path, {"status": "running", "lastResyncStart": "t1", "lastResyncEnd": None}).status_code == 200
    answer = call("PATCH", path, {"status": "completed", "lastResyncEnd": "t2"}).json()
    assert answer["integration"]["resyncState"].items() >= port.resync_states["orchard"][-1].items()
    assert port.resync_states["orchard"][-1] == {
        "status": "completed",
        "lastResyncStart": "t1",
        "lastResyncEnd": "t2",
    }


def test_related_entities_are_found_in_both_directions(port: PortStandIn, call: Caller) -> None:
    port.put_entity("tree", "oak")
    port.put_entity("fruit", "a", relations={"tree": "oak"})

    def related(blueprint: str, value: str, direction: str) -> list[str]:
        rule = {"operator": "relatedTo", "blueprint": blueprint, "value": value, "direction": direction}
        answer = call("POST", "/entities/search", {"combinator": "and", "rules": [rule]})
        return [entity["identifier"] for entity in answer.json()["entities"]]

    assert related("tree", "oak", "downstream") == ["a"]
    assert related("fruit", "a", "upstream") == ["oak"]
    assert related("tree", "oak", "upstream") == []


def test_blueprints_are_made_with_the_shape_and_targets_port_wants(port: PortStandIn, call: Caller) -> None:
    nut: Json = {"identifier": "nut", "title": "Nut", "schema": {"properties": {}}}
    unknown = {"tree": {"target": "bush", "many": False, "required": False}}
    assert call("POST", "/blueprints", {**nut, "identifier": "a=b"}).status_code == 422
    assert call("POST", "/blueprints", {**nut, "relations": unknown}).status_code == 422
    assert call("POST", "/blueprints", nut).status_code == 201
    assert call("POST", "/blueprints", nut).status_code == 409
    itself = {"like": {"target": "nut", "many": True, "required": False}}
    assert call("PATCH", "/blueprints/nut", {"relations": itself}).json()["blueprint"]["relations"] == itself
    assert [one["identifier"] for one in call("GET", "/blueprints").json()["blueprints"]] == ["tree", "fruit", "nut"]


def test_planned_failures_hit_only_what_they_name(port: PortStandIn, call: Caller) -> None:
    port.fail_next(1, 503, "entities/bulk")
    port.fail_next(1, 502, "entities/bulk", after=True)
    assert call("GET", "/blueprints/fruit").status_code == 200
    assert call.write({"identifier": "a"})["status"] == 503
    assert port.catalog() == {}
    assert call.write({"identifier": "a"})["status"] == 502
    assert list(port.entities("fruit")) == ["a"]
    port.down = True
    assert call("GET", "/blueprints/fruit").status_code == 503


def test_requests_are_recorded_without_credentials(port: PortStandIn, call: Caller) -> None:
    call("GET", "/blueprints/fruit/entities/a%2Fb", include="title")
    (recorded,) = port.calls()
    assert (recorded.method, recorded.path) == ("GET", "/v1/blueprints/fruit/entities/a%2Fb")
    assert (dict(recorded.query), recorded.status) == ({"include": ["title"]}, 404)
    assert (recorded.caller, dict(recorded.headers)["user-agent"]) == ("me", "hand/1")
    assert port._token not in repr(port.requests)
