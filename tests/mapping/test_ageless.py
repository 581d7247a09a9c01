"""What left the catalog only because it was closed long ago is told apart from what left for another reason."""

from __future__ import annotations

import pytest

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import JsonObject, Product

NOW = 1_800_000_000.0
LONG_AGO = 90 * 86400
MAPPING: JsonObject = {
    "resources": [
        {
            "kind": "pull-request",
            "selector": {"query": '.title != "secret"', "closedWithinDays": 30},
            "port": {"entity": {"mappings": {"identifier": ".id | tostring", "blueprint": '"pr"'}}},
        }
    ]
}


def pull_request(product: Product, **more: object) -> JsonObject:
    if product == "cloud":
        return {"id": 1, "title": "t", "state": "MERGED", "updated_on": "2026-01-01T00:00:00+00:00", **more}
    repository = {"slug": "pears", "project": {"key": "PROJ"}}
    closed = (NOW - LONG_AGO) * 1000
    return {"id": 1, "title": "t", "state": "MERGED", "closedDate": closed, "toRef": {"repository": repository}, **more}


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_age_is_all_that_keeps_it_out(product: Product) -> None:
    engine = MappingEngine(parse(MAPPING, product=product, file="mapping.yaml"), now=lambda: NOW)
    old = pull_request(product)
    assert not engine.map("pull-request", old, ask=None).entities
    assert [one.identifier for one in engine.ageless("pull-request", old, ask=None).entities] == ["1"]
    assert not engine.ageless("pull-request", pull_request(product, title="secret"), ask=None).entities
