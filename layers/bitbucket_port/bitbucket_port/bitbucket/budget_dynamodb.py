"""Budgets shared through the ledger's DynamoDB table: one item per credential, partition key ``budget#<name>``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitbucket_port.bitbucket.allowance import Allowance
from bitbucket_port.bitbucket.budget import Stored
from bitbucket_port.dynamodb import classified

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT_SECONDS = 14 * 24 * 3600


class DynamoDBBudgetStore:
    """The BudgetStore protocol over the ledger's table."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def read(self, name: str) -> Stored:
        """See BudgetStore."""
        with classified():
            answer = self._client.get_item(TableName=self._table, Key=_keys(name), ConsistentRead=True)
        return _stored(answer.get("Item", {}))

    def write(self, name: str, allowance: Allowance, version: int) -> Stored | None:
        """See BudgetStore."""
        condition = "version = :version" if version else "attribute_not_exists(PK)"
        values: dict[str, Any] = {
            ":allowance": {"S": json.dumps(allowance.to_json(), separators=(",", ":"))},
            ":next": {"N": str(version + 1)},
            ":expires": {"N": str(int(self._clock()) + _KEPT_SECONDS)},
        }
        if version:
            values[":version"] = {"N": str(version)}
        with classified():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_keys(name),
                    UpdateExpression="SET allowance = :allowance, version = :next, expires = :expires",
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as refusal:
                refused: dict[str, Any] = dict(refusal.response)
                return _stored(refused.get("Item", {}))
        return None


def _stored(item: Any) -> Stored:
    if not item:
        return Stored()
    return Stored(Allowance.from_json(json.loads(item["allowance"]["S"])), int(item["version"]["N"]))


def _keys(name: str) -> dict[str, Any]:
    return {"PK": {"S": f"budget#{name}"}, "SK": {"S": "-"}}
