"""Items of a run in a DynamoDB table, whatever they mean: put many, get many, query, change several or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.attributes import number
from bitbucket_port.dynamodb import classified, partition_items
from bitbucket_port.errors import TransientError
from bitbucket_port.resync.store import KEPT_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_WRITTEN_AT_ONCE = 25
_READ_AT_ONCE = 100


class Items:
    """One table. Every method raises TransientError when DynamoDB throttles or cannot be reached."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def item(self, partition: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """An item that expires."""
        lasting = {"v": item_version.attribute(), "expires": number(int(self._clock()) + KEPT_SECONDS)}
        return {**keys(partition, name), **attributes, **lasting}

    def get_all(self, keys: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The sort keys of those items that there are, consistently."""
        for start in range(0, len(keys), _READ_AT_ONCE):
            request: Any = {
                self._table: {
                    "Keys": keys[start : start + _READ_AT_ONCE],
                    "ConsistentRead": True,
                    "ProjectionExpression": "SK",
                }
            }
            while request:
                with classified():
                    answer = self._client.batch_get_item(RequestItems=request)
                yield from answer["Responses"].get(self._table, [])
                request = answer.get("UnprocessedKeys")

    def put(self, items: Sequence[dict[str, Any]]) -> None:
        """Write items, over what there was."""
        distinct = list({(item["PK"]["S"], item["SK"]["S"]): item for item in items}.values())
        for start in range(0, len(distinct), _WRITTEN_AT_ONCE):
            request: Any = {
                self._table: [{"PutRequest": {"Item": item}} for item in distinct[start : start + _WRITTEN_AT_ONCE]]
            }
            while request:
                with classified():
                    request = self._client.batch_write_item(RequestItems=request).get("UnprocessedItems")

    def query(
        self, partition: str, *, prefix: str = "", backwards: bool = False, limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The items of a partition, consistently; ``limit`` is how many are read at a time.

        An item of a newer release raises TransientError.
        """
        items = partition_items(self._client, self._table, partition, prefix=prefix, backwards=backwards, limit=limit)
        for item in items:
            item_version.check_attributes(item)
            yield item

    def transact(self, actions: list[Any]) -> bool:
        """All or nothing; False when a condition does not hold."""
        with classified():
            try:
                self._client.transact_write_items(TransactItems=actions)
            except self._client.exceptions.TransactionCanceledException as refusal:
                reasons = [
                    reason.get("Code") for reason in cast("Any", refusal.response).get("CancellationReasons", [])
                ]
                if "ConditionalCheckFailed" in reasons:
                    return False
                raise TransientError("DynamoDB cancelled a transaction that ran into another one") from refusal
        return True


def keys(partition: str, name: str) -> dict[str, Any]:
    """Partition and sort key."""
    return {"PK": {"S": partition}, "SK": {"S": name}}


def text(value: Any) -> dict[str, str]:
    """A JSON value as an attribute."""
    return {"S": json.dumps(value, separators=(",", ":"))}


def value_of(attribute: Any) -> Any:
    """The inverse of ``text``."""
    return json.loads(attribute["S"])


def number_of(item: Any, name: str) -> float:
    """A number attribute, 0 where there is none."""
    return float(item[name]["N"]) if name in item else 0.0
