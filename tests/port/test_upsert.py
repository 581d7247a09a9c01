"""Writing entities: each has its own outcome, and nothing is lost or written by halves."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bitbucket_port.errors import ForbiddenError, TransientError
from bitbucket_port.objects import Entity
from bitbucket_port.port.client import PortClient, Written
from local.standins.http import Refused
from local.standins.port import PortStandIn
from tests.port.blueprints import pull_request, repository


def upsert(client: PortClient, *entities: Entity, **options: bool) -> list[Written]:
    return client.upsert(entities, **{"merge": True, "create_missing": True, **options})


def bulks(port: PortStandIn) -> int:
    return port.count(lambda request: request.path.endswith("/entities/bulk"))


def test_results_come_in_the_order_given_and_say_what_is_new(port: PortStandIn, client: PortClient) -> None:
    upsert(client, repository("old"))
    written = upsert(client, pull_request("p1", of="old"), repository("old"), repository("new"))
    assert [(one.entity.key.identifier, one.outcome) for one in written] == [
        ("p1", "created"),
        ("old", "updated"),
        ("new", "created"),
    ]


def test_one_live_event_is_one_request(port: PortStandIn, client: PortClient) -> None:
    upsert(client, repository("a"))
    assert [request.path for request in port.calls()] == ["/v1/blueprints/repository/entities/bulk"]
    assert client.requests == 1


def test_what_others_relate_to_is_written_first(port: PortStandIn, client: PortClient) -> None:
    written = upsert(client, pull_request("p1", of="a"), repository("a"), create_missing=False)
    assert [one.outcome for one in written] == ["created", "created"]


def test_a_relation_to_something_missing_refuses_that_entity_with_the_reason(client: PortClient) -> None:
    first, second = upsert(client, pull_request("p1", of="nowhere"), repository("a"), create_missing=False)
    assert (first.outcome, first.status, second.outcome) == ("refused", 404, "created")
    assert "nowhere" in str(first.reason)


def test_merging_keeps_what_the_entity_does_not_name_and_replacing_does_not(
    port: PortStandIn, client: PortClient
) -> None:
    port.put_entity("repository", "a", team=["growers"], properties={"note": "by hand"})
    upsert(client, repository("a", size=3))
    merged = port.entities("repository")["a"]
    assert (merged["team"], merged["properties"]) == (["growers"], {"note": "by hand", "size": 3})
    upsert(client, repository("a", size=4), merge=False)
    assert port.entities("repository")["a"]["properties"] == {"size": 4}


def test_create_only_leaves_what_exists_untouched(port: PortStandIn, client: PortClient) -> None:
    port.put_entity("repository", "a", title="Theirs")
    exists, created = upsert(client, repository("a", title="Ours"), repository("b"), create_only=True)
    assert (exists.outcome, created.outcome) == ("exists", "created")
    assert port.entities("repository")["a"]["title"] == "Theirs"


def test_one_entity_the_schema_forbids_fails_alone_among_twenty(port: PortStandIn, client: PortClient) -> None:
    entities = [repository(f"r{number}") for number in range(19)]
    entities.insert(7, repository("not allowed: spaces"))
    written = upsert(client, *entities)
    assert [one.entity.key.identifier for one in written if one.outcome == "refused"] == ["not allowed: spaces"]
    assert sum(one.outcome == "created" for one in written) == 19
    assert len(port.entities("repository")) == 19


def test_twenty_one_entities_travel_in_two_bulks(port: PortStandIn, client: PortClient) -> None:
    written = upsert(client, *(repository(f"r{number}") for number in range(21)))
    assert {one.outcome for one in written} == {"created"}
    assert bulks(port) == 2


def test_big_entities_are_packed_by_their_real_size(port: PortStandIn, client: PortClient) -> None:
    big = "ü" * 60_000  # 360,000 bytes each as JSON escapes it: two fit into a mebibyte, three do not
    written = upsert(client, *(repository(f"r{number}", note=big) for number in range(5)))
    assert {one.outcome for one in written} == {"created"}
    assert [request.status for request in port.calls()] == [200, 200, 200]


def test_an_entity_too_big_for_any_request_is_refused_without_asking(port: PortStandIn, client: PortClient) -> None:
    huge, small = upsert(client, repository("huge", note="x" * 1_100_000), repository("small"))
    assert (huge.outcome, small.outcome) == ("refused", "created")
    assert "1048576 bytes" in str(huge.reason)
    assert [request.status for request in port.calls()] == [200]


def test_a_bulk_port_finds_too_large_all_the_same_is_split(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(1, 413, "/entities/bulk")
    written = upsert(client, *(repository(f"r{number}") for number in range(4)))
    assert {one.outcome for one in written} == {"created"}
    assert bulks(port) == 3


def test_what_the_blueprint_does_not_have_is_left_out_and_named(port: PortStandIn, client: PortClient) -> None:
    entity = Entity(
        "repository",
        "a",
        {
            "properties": {
                "size": 3,
                "colour": "red",
                "language": "walnut",
                "topics": ["sweet", "salty", None],
                "note": 5,
                "url": "not a link",
            },
            "relations": {"owner": "x", "origin": None},
        },
    )
    (written,) = upsert(client, entity)
    assert written.outcome == "created"
    assert written.trimmed == (
        "properties.colour",
        "properties.language with value 'walnut'",
        "properties.topics[] with value 'salty'",
        "properties.topics[] of type null",
        "properties.note of type number",
        "properties.url of format url (the value is not one)",
        "relations.owner",
    )
    assert port.entities("repository")["a"]["properties"] == {"size": 3, "topics": ["sweet"]}
    assert written.entity is entity, "the caller's own entity comes back, so that its hash stays comparable"


def test_a_whole_bulk_with_an_unknown_property_costs_one_look_and_one_more_bulk(
    port: PortStandIn, client: PortClient
) -> None:
    written = upsert(client, *(repository(f"r{number}", colour="red") for number in range(20)))
    assert {(one.outcome, one.trimmed) for one in written} == {("created", ("properties.colour",))}
    assert len(port.calls()) == 3


def test_a_property_added_to_the_blueprint_is_written_from_then_on(port: PortStandIn, client: PortClient) -> None:
    upsert(client, repository("a", colour="red"))
    blueprint = copy.deepcopy(client.blueprint("repository"))
    blueprint["schema"]["properties"]["colour"] = {"type": "string"}
    port.put_blueprint(blueprint)
    (written,) = upsert(client, repository("a", colour="red"))
    assert written.trimmed == ()
    assert port.entities("repository")["a"]["properties"]["colour"] == "red"


def test_an_entity_that_cannot_be_mended_is_refused_with_ports_reason(port: PortStandIn, client: PortClient) -> None:
    schema = {"properties": {"size": {"type": "number"}}, "required": ["size"]}
    port.put_blueprint({"identifier": "strict", "title": "Strict", "schema": schema})
    bad, good = upsert(
        client, Entity("strict", "a", {"properties": {}}), Entity("strict", "b", {"properties": {"size": 1}})
    )
    assert (bad.outcome, good.outcome) == ("refused", "created")
    assert "required property size" in str(bad.reason)


def test_a_missing_blueprint_refuses_its_entities_and_only_those(port: PortStandIn, client: PortClient) -> None:
    written = upsert(client, *(Entity("orchard", f"o{number}", {}) for number in range(20)), repository("a"))
    assert {one.outcome for one in written[:20]} == {"refused"}
    assert written[20].outcome == "created"
    assert "no blueprint 'orchard'" in str(written[0].reason)
    assert len(port.calls()) == 3


def test_a_null_clears_a_property_and_a_title(port: PortStandIn, client: PortClient) -> None:
    upsert(client, repository("a", title="Plum", note="ripe"))
    (written,) = upsert(client, repository("a", title=None, note=None))
    assert written.outcome == "updated"
    assert port.catalog()["repository", "a"] == {
        "title": None,
        "icon": None,
        "team": None,
        "properties": {},
        "relations": {},
    }


def test_a_number_json_cannot_express_is_refused_by_itself(client: PortClient) -> None:
    bad, good = upsert(client, repository("a", size=float("inf")), repository("b"))
    assert (bad.outcome, good.outcome) == ("refused", "created")


def test_a_search_query_enriches_the_entity_it_finds(port: PortStandIn, client: PortClient) -> None:
    port.put_entity("repository", "a", title="Found me")
    query = {"combinator": "and", "rules": [{"property": "$title", "operator": "=", "value": "Found me"}]}
    nobody = {"combinator": "and", "rules": [{"property": "$title", "operator": "=", "value": "Nobody"}]}
    found, lost = upsert(
        client,
        Entity("repository", query, {"properties": {"size": 1}}),
        Entity("repository", nobody, {"properties": {"size": 2}}),
    )
    assert (found.outcome, found.identifier, lost.outcome) == ("updated", "a", "refused")
    assert port.entities("repository")["a"]["properties"] == {"size": 1}


@pytest.mark.parametrize("status", [429, 503, 409])
def test_an_entity_that_fails_for_a_passing_reason_is_to_be_tried_again(
    port: PortStandIn, client: PortClient, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    write = port._catalog.write

    def failing(blueprint: str, body: dict[str, Any], **options: Any) -> Any:
        if body["identifier"] == "b":
            raise Refused(status, "come back later")
        return write(blueprint, body, **options)

    monkeypatch.setattr(port._catalog, "write", failing)
    first, second = upsert(client, repository("a"), repository("b"))
    assert (first.outcome, second.outcome, second.entity) == ("created", "retry", repository("b"))


def test_port_being_down_is_an_error_while_nothing_was_written(port: PortStandIn, client: PortClient) -> None:
    upsert(client, repository("a"))
    port.down = True
    with pytest.raises(TransientError):
        upsert(client, repository("a"), repository("b"))


def test_port_going_down_halfway_keeps_what_is_known_and_names_the_rest(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(9, 503, "pullRequest/entities/bulk")
    first, second = upsert(client, pull_request("p1", of="a"), repository("a"))
    assert (first.outcome, second.outcome) == ("retry", "created")


def test_a_blueprint_that_cannot_be_read_leaves_the_entity_to_another_try(
    port: PortStandIn, client: PortClient
) -> None:
    port.fail_next(9, 503, "GET /v1/blueprints/repository")
    good, bad = upsert(client, repository("a"), repository("b", colour="red"))
    assert (good.outcome, bad.outcome) == ("created", "retry")


def test_a_lost_answer_is_asked_for_again_and_writes_nothing_twice(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(1, 502, "/entities/bulk", after=True)
    (written,) = upsert(client, repository("a"))
    assert written.outcome == "updated"
    assert list(port.entities("repository")) == ["a"]


def test_a_forbidden_blueprint_is_not_asked_twenty_times(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(1, 403, "/entities/bulk")
    written = upsert(client, *(repository(f"r{number}") for number in range(20)))
    assert {(one.outcome, one.status) for one in written} == {("refused", 403)}
    port.fail_next(1, 403, "search")
    with pytest.raises(ForbiddenError):
        client.ours("repository", ["r1"])
