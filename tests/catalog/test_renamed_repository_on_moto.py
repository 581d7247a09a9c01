"""While a repository gets another name, nothing may bring the old one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_port.catalog.outside import Reading
from bitbucket_port.errors import BusyError
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.webhooks.change import Change
from tests.catalog.rig import Killed
from tests.resync.test_children import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Bitbucket(World):
    """Payloads say ``name``, reads say what is true."""

    true_name = "acme/old"

    def read(self, key: SourceKey, address: Address) -> Reading:
        self.name = self.true_name
        return super().read(key, address)

    def told(self, key: SourceKey, *, pull: int | None = None) -> Change:
        self.name = "acme/old"
        payload = {"name": "acme/old", "id": pull, "title": "Told"} if pull else None
        version, container = (2_000_123, (self.repository, Address(repository="{r}"))) if pull else (None, None)
        address = Address(repository="{r}", number=pull)
        return Change(key.kind, key, "upsert", address, version, None, self.now, payload, container=container)


def test_a_payload_with_the_old_name_waits_for_a_renaming_that_died_and_is_not_believed(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Bitbucket(dynamodb, all_ones=[1])
    world.applier.apply(world.told(world.repository))

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    world.true_name = "acme/new"
    world.wait(10)
    with monkeypatch.context() as dying:
        dying.setattr(world.port, "rename", die)
        with pytest.raises(Killed):
            world.applier.apply(world.told(world.repository))
    told = world.told(world.key(1), pull=1)
    world.wait(1)
    with pytest.raises(BusyError):
        world.applier.apply(told)
    world.wait(60)
    world.applier.apply(told)
    assert {key.identifier for key in world.port.entities} == {"acme/new/0", "acme/new/1"}
