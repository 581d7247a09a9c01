"""An object that comes back while it is being removed is in the catalog in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bitbucket_port.catalog.outside import Reading
from bitbucket_port.errors import NotFoundError
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.webhooks.change import Change
from tests.resync.test_children import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Bitbucket(World):
    """Says slowly that the repository is gone, which meanwhile comes back; the next answer shows it again."""

    told: Change | None = None

    def told_of(self, action: Literal["upsert", "delete"] = "upsert") -> Change:
        return Change("repository", self.repository, action, Address(repository="{r}"), None, None, self.now, None)

    def read(self, key: SourceKey, address: Address) -> Reading:
        if not self.gone:
            return super().read(key, address)
        self.wait(10)
        self.gone, self.told = False, self.told_of()
        self.wait(10)
        raise NotFoundError(f"no {key}")


def test_what_is_told_after_bitbucket_was_asked_is_not_part_of_its_answer(dynamodb: DynamoDBClient) -> None:
    world = Bitbucket(dynamodb)
    world.applier.apply(world.told_of())
    before = dict(world.port.entities)
    assert before
    world.wait(100)
    world.gone = True
    assert world.applier.apply(world.told_of("delete")).result == "deleted"
    assert not world.port.entities
    assert world.told
    world.applier.apply(world.told)
    assert world.port.entities == before


def test_a_removal_without_asking_covers_nothing_that_was_told_before(dynamodb: DynamoDBClient) -> None:
    world = Bitbucket(dynamodb)
    world.applier.apply(world.told_of())
    before = dict(world.port.entities)
    world.wait(100)
    told = world.told_of()
    world.wait(20)
    assert world.applier.remove(world.repository, version=None).result == "deleted"
    world.applier.apply(told)
    assert world.port.entities == before
