"""What was written through the API and listed again compares as what it is."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import Entity
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.listing import list_ours
from bitbucket_port.resync.drift import Claim, Shapes, judge
from local.standins.port import PortStandIn
from tests.port.blueprints import repository

FIELDS = ("url", "language", "topics", "size")
MAPPING: dict[str, Any] = {
    "resources": [
        {
            "kind": "repository",
            "selector": {"query": "true"},
            "port": {
                "entity": {
                    "mappings": {
                        "identifier": ".name",
                        "blueprint": '"repository"',
                        "title": ".title",
                        "properties": {name: f".{name}" for name in FIELDS},
                    }
                }
            },
        }
    ]
}
SHAPES = Shapes.of(parse(MAPPING, product="cloud", file="test"))


def mapped(title: str | None = "Plum", **properties: Any) -> Entity:
    return repository("plum", title, **{**dict.fromkeys(FIELDS), **properties})


def verdict(client: PortClient, entity: Entity, accepted: str | None = None) -> str:
    (page,) = list_ours(client, "repository", SHAPES.names("repository"))
    (shows,) = page.entities
    return judge(shows, "repository", [Claim("repository", entity.content_hash)], SHAPES, accepted)


@pytest.mark.parametrize(
    "entity",
    [
        mapped(),
        mapped(title=None),
        mapped(url="https://a.example/b", language="pear", topics=["sour", "sweet"], size=2.0),
        mapped(topics=[], size=0),
    ],
)
def test_an_entity_is_right_after_it_was_written(client: PortClient, entity: Entity) -> None:
    client.upsert([mapped(title="Before", size=1, language="apple")], merge=True, create_missing=True)
    client.upsert([entity], merge=True, create_missing=True)
    assert verdict(client, entity) == "same"


@pytest.mark.parametrize(
    "edit", [{"title": "Edited"}, {"properties": {"size": 8}}, {"properties": {"language": "apple"}}]
)
def test_an_entity_that_somebody_edited_differs(port: PortStandIn, client: PortClient, edit: dict[str, Any]) -> None:
    client.upsert([mapped(size=7)], merge=True, create_missing=True)
    port.put_entity("repository", "plum", **edit)
    assert verdict(client, mapped(size=7)) == "differs"
    client.upsert([mapped(size=7)], merge=True, create_missing=True)
    assert verdict(client, mapped(size=7)) == "same"


def test_what_nobody_maps_may_be_edited(port: PortStandIn, client: PortClient) -> None:
    client.upsert([mapped(size=7)], merge=True, create_missing=True)
    port.put_entity("repository", "plum", team="growers", properties={"note": "by hand"}, relations={"origin": "plum"})
    assert verdict(client, mapped(size=7)) == "same"


def test_what_the_blueprint_has_no_room_for_is_no_drift(port: PortStandIn, client: PortClient) -> None:
    entity = mapped(size=7, language="quince", topics=["sour", "salty"])
    (written,) = client.upsert([entity], merge=True, create_missing=True)
    assert written.trimmed
    assert written.sent is not None
    accepted = SHAPES.expected(written.sent, entity.content_hash)
    assert verdict(client, entity, accepted) == "same"
    port.put_entity("repository", "plum", properties={"size": 8})
    assert verdict(client, entity, accepted) == "differs"


def test_what_was_written_whole_says_nothing_about_leaving_out(client: PortClient) -> None:
    (written,) = client.upsert([mapped(size=7)], merge=True, create_missing=True)
    assert (written.trimmed, written.sent) == ((), None)
