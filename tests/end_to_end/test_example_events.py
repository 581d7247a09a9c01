"""Every example event, posted as it is, does to the catalog what the mapping makes of it.

Bitbucket is never asked here, so that an event has to be good enough by itself. The events are posted in the order in
which they happened: they tell one story, and what is older than the catalog would rightly be passed over.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.live import server_source
from bitbucket_port.objects import Entity, JsonObject, SourceKey
from bitbucket_port.webhooks import cloud, server
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import PING, family_of
from local.machine import Machine, Product
from scripts.sign_events import DEMO_SECRET, EVENTS
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.expected import assert_in_port, engine


def told(product: Product) -> list[Path]:
    """The product's event files in the order of their times."""
    return sorted((EVENTS / product).glob("*.json"), key=lambda path: (read(path)["requestContext"]["timeEpoch"], path))


def read(path: Path) -> JsonObject:
    event: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return event


class Story:
    """Posts events to a stack and knows what each of them must have done to the catalog."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.engine = engine(machine.product)
        self.made: dict[SourceKey, tuple[Entity, ...]] = {}
        self.checked = 0

    def post(self, event: JsonObject) -> None:
        answer = self.machine.stack.post(event["rawPath"], event["body"].encode(), event["headers"])
        assert answer.status_code == (200 if event["headers"]["x-event-key"] == PING else 202)
        self.machine.stack.settle()
        for change in self._changes(event):
            self._check(change)

    def _check(self, change: Change) -> None:
        self.checked += 1
        before = [entity for key, made in self.made.items() if _is_or_hangs_below(key, change.key) for entity in made]
        if change.action == "delete" or change.foreign:
            assert before, f"there is no {change.key} that could go"
            self.made = {key: made for key, made in self.made.items() if not _is_or_hangs_below(key, change.key)}
            self._assert_absent(before)
            return
        assert change.object is not None
        mapped = self.engine.map_payload(change.kind, change.object)
        assert mapped.complete
        known = self.made.get(change.key, ())
        gone = {one.key for one in known} - {one.key for one in mapped.entities}
        self.made[change.key] = tuple(_over(known, entity) for entity in mapped.entities)
        for entity in self.made[change.key]:
            assert_in_port(self.machine, entity)
        self._assert_absent([one for one in before if one.key in gone])

    def _assert_absent(self, entities: list[Entity]) -> None:
        held = self.machine.port.catalog()
        for entity in entities:
            assert (entity.key.blueprint, entity.key.identifier) not in held

    def _changes(self, event: JsonObject) -> list[Change]:
        product, event_key = self.machine.product, event["headers"]["x-event-key"]
        if family_of(product, event_key) is None:
            return []
        delivery = Delivery(product, "id", event_key, event["requestContext"]["timeEpoch"] / 1000, _body(event))
        if product == "cloud":
            return cloud.changes(delivery, source=ACME)
        url = self.machine.server.url
        return server.changes(delivery, source=server_source(url), base_url=url)


def _body(event: JsonObject) -> Any:
    return json.loads(event["body"])


def _over(known: tuple[Entity, ...], entity: Entity) -> Entity:
    """The entity with what earlier events told and this one does not carry."""
    fields = dict(entity.fields)
    for before in known:
        if before.blueprint == entity.blueprint:
            for group in ("properties", "relations"):
                fields[group] = {**before.fields.get(group, {}), **fields.get(group, {})}
    return replace(entity, fields=fields)


def _is_or_hangs_below(key: SourceKey, other: SourceKey) -> bool:
    return key == other or key.container == other.children_container


ACME = str(_body(read(EVENTS / "cloud" / "repo-created.json"))["repository"]["workspace"]["uuid"])


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_every_example_event_becomes_what_the_mapping_makes_of_it(deploy: Deploy, product: Product) -> None:
    machine = deploy(product, secret=DEMO_SECRET, BitbucketApi="none", BitbucketToken="-")
    story, paths = Story(machine), told(product)
    for path in paths:
        if path.stem == "repo-deleted":  # The workspace gave it away just before.
            story.post(read(path.with_stem("repo-created")))
        story.post(read(path))
    assert story.checked >= len(paths) - 2
    assert not any(machine.stack.depths().values())
    assert "unexpected failure" not in machine.stack.logs()
    assert "given up" not in machine.stack.logs()
    assert machine.bitbucket.requests == []
