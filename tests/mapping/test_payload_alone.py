"""Where Bitbucket may not be asked, a webhook's copy is mapped as far as it goes: unknown is not null."""

from __future__ import annotations

from typing import Any

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load

NOW = 1_795_000_000.0

PUSHED: dict[str, Any] = {
    "type": "repository",
    "uuid": "{0b0c6a60-6f0e-4a39-8a4b-7f1c2d3e4f50}",
    "full_name": "acme/ledger",
    "name": "ledger",
    "is_private": True,
    "links": {"html": {"href": "https://bitbucket.org/acme/ledger"}},
}


def engine(**options: Any) -> MappingEngine:
    document = {**load("cloud", "default"), **options}
    return MappingEngine(parse(document, product="cloud", file="default.yaml"), now=lambda: NOW)


def test_what_the_webhook_does_not_carry_is_left_out_and_what_it_carries_is_kept() -> None:
    mapped = engine().map_payload("repository", PUSHED)
    (entity,) = mapped.entities
    assert entity.identifier == "acme/ledger"
    assert entity.fields["properties"] == {"url": "https://bitbucket.org/acme/ledger", "visibility": "private"}
    assert entity.fields.get("relations", {}) == {}


def test_what_was_left_out_is_reported_once_with_what_is_missing_and_what_to_do() -> None:
    (problem,) = engine().map_payload("repository", PUSHED).problems
    assert "properties.description" in problem.field
    assert "relations.project" in problem.field
    assert "mainbranch" in problem.reason
    assert "BitbucketApi full" in problem.fix


def test_a_null_that_the_webhook_carries_clears() -> None:
    mapped = engine().map_payload("repository", {**PUSHED, "description": None})
    assert mapped.entities[0].fields["properties"]["description"] is None


def test_without_merging_leaving_out_would_clear_so_the_entity_stays_as_it_is() -> None:
    mapped = engine(enableMergeEntity=False).map_payload("repository", PUSHED)
    assert mapped.entities == ()
    assert not mapped.complete


def test_the_same_object_from_bitbucket_clears_what_it_lacks() -> None:
    (entity,) = engine().map("repository", PUSHED, ask=None).entities
    assert entity.fields["properties"]["description"] is None
