"""Whatever stands in a payload, a delivery is understood or refused with its reason; nothing stumbles over it."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bitbucket_port.catalog.facts import facts_of
from bitbucket_port.errors import PermanentError
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.port.packing import body_of, pack
from bitbucket_port.webhooks import cloud, server
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.delivery import Delivery
from scripts.sign_events import EVENTS

MISSING = object()
ODD: tuple[Any, ...] = (MISSING, None, [], {"a": 1}, True, 10**400, -1, "", "\ud800", "z" * 20_000)
LONGEST_SORT_KEY, LONGEST_PARTITION_KEY = 1024, 2048  # bytes, DynamoDB
MOST_DIGITS = 38  # of a number, DynamoDB
WATCHED = ("cloud/pullrequest-fulfilled", "cloud/repo-updated", "server/pr-merged", "server/repo-modified")


def payload_of(name: str) -> tuple[str, JsonObject]:
    event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event["headers"]["x-event-key"], json.loads(event["body"])


def places(value: Any, path: tuple[Any, ...] = (), depth: int = 6) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        if name not in {"actor", "avatar", "self"}:
            yield (*path, name)
            if depth > 1:
                yield from places(one, (*path, name), depth - 1)


def with_odd(payload: JsonObject, path: tuple[Any, ...], odd: Any) -> JsonObject:
    changed = copy.deepcopy(payload)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    if odd is MISSING:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(odd)
    return changed


def mapping_engine(product: Product) -> MappingEngine:
    """The shipped mapping, with selectors that look at more."""
    document = load(product, "default")
    for resource in document["resources"]:
        selector = resource["selector"]
        if resource["kind"] == "repository" and product == "cloud":
            selector |= {"userRole": "member", "repoQuery": 'language="java" OR updated_on > 2026-01-01'}
        if resource["kind"] == "pull-request" and product == "server":
            selector |= {"projectFilterRegex": ".*", "closedWithinDays": 36500}
    mapping = parse(document, product=product, file="hostile.yaml")
    assert not mapping.problems
    return MappingEngine(mapping, now=time.time)


def changes_of(product: Product, event_key: str, payload: JsonObject) -> list[Change]:
    delivery = Delivery(product, "one", event_key, 1_795_000_000.0, payload)
    if product == "cloud":
        return cloud.changes(delivery, source="{5e1f3c80-0000-4000-8000-000000000001}")
    return server.changes(delivery, source="https://git.example", base_url="https://git.example")


def assert_the_ledger_takes(product: Product, change: Change) -> None:
    for key in [change.key, *([change.container[0]] if change.container else [])]:
        assert 0 < len(key.id.encode()) <= LONGEST_SORT_KEY
        assert len(key.container.encode()) + 50 <= LONGEST_PARTITION_KEY
    for moment in (change.version, change.event_time):
        assert moment is None or len(str(abs(moment))) <= MOST_DIGITS
    assert len(json.dumps(facts_of(product, change.kind, change.address, change.object or {}).to_json())) < 50_000


@pytest.mark.parametrize("name", WATCHED)
def test_odd_values_anywhere_in_a_payload_are_mapped_or_refused(name: str) -> None:
    product: Product = "cloud" if name.startswith("cloud") else "server"
    event_key, payload = payload_of(name)
    engine, understood, refused = mapping_engine(product), 0, 0
    for path in places(payload):
        for odd in ODD:
            try:
                changes = changes_of(product, event_key, with_odd(payload, path, odd))
            except PermanentError:
                refused += 1
                continue
            understood += 1
            for change in changes:
                assert_the_ledger_takes(product, change)
                if change.object is None:
                    continue
                engine.payload_gaps(change.kind, change.object)
                for mapped in (
                    engine.map(change.kind, change.object, ask=lambda question: bool(question.params)),
                    engine.map_payload(change.kind, change.object),
                ):
                    pack([body_of(entity) for entity in mapped.entities])
    assert understood > refused > 0


def test_only_a_uuid_becomes_the_name_of_our_workspace() -> None:
    event_key, payload = payload_of("cloud/repo-updated")
    for odd in ("x", "z" * 20_000, "{}", "\ud800"):
        payload["repository"]["workspace"]["uuid"] = odd
        assert cloud.workspace_of(Delivery("cloud", "one", event_key, 0.0, payload)) == ("acme", None)
