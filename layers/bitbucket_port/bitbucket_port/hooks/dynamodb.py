"""The records of webhooks in the ledger's table: partition key ``hooks``, sort key the subject's.

Notes are items ``note#<name>`` of the same partition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.attributes import number
from bitbucket_port.dynamodb import classified, partition_items
from bitbucket_port.hooks.store import Record
from bitbucket_port.hooks.subject import Subject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "hooks"
_NOTE = "note#"


class DynamoDBHookStore:
    """See HookStore. Needs GetItem, Query, UpdateItem and DeleteItem."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def record(self, key: str) -> Record | None:
        """See HookStore."""
        item = self._item(key)
        return _record(item) if item else None

    def records(self) -> dict[str, Record]:
        """See HookStore."""
        return {
            item["SK"]["S"]: _record(item)
            for item in partition_items(self._client, self._table, PARTITION)
            if not item["SK"]["S"].startswith(_NOTE)
        }

    def claim(self, subject: Subject, token: str, *, now: float, until: float) -> bool:
        """See HookStore."""
        return self._update(
            subject.key,
            "SET claim_token = :token, claim_until = :until, #record = if_not_exists(#record, :record), v = :v",
            {
                ":token": {"S": token},
                ":until": number(until),
                ":now": number(now),
                ":record": _text(Record(subject, "begun").to_json()),
                ":v": item_version.attribute(),
            },
            condition="attribute_not_exists(claim_until) OR claim_until <= :now OR claim_token = :token",
            names={"#record": "record"},
        )

    def put(self, record: Record) -> None:
        """See HookStore."""
        self._update(
            record.subject.key,
            "SET #record = :record, v = :v REMOVE claim_token, claim_until",
            {":record": _text(record.to_json()), ":v": item_version.attribute()},
            names={"#record": "record"},
        )

    def release(self, key: str, token: str) -> None:
        """See HookStore."""
        self._update(key, "REMOVE claim_token, claim_until", {":token": {"S": token}}, condition="claim_token = :token")

    def forget(self, key: str) -> None:
        """See HookStore."""
        with classified():
            self._client.delete_item(TableName=self._table, Key=_keys(key))

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """See HookStore."""
        self._update(
            _NOTE + name,
            "SET noted = :values, v = :v",
            {":values": _text(dict(values)), ":v": item_version.attribute()},
        )

    def noted(self, name: str) -> dict[str, str]:
        """See HookStore."""
        item = self._item(_NOTE + name)
        kept: dict[str, str] = json.loads(item["noted"]["S"]) if item else {}
        return kept

    def _item(self, key: str) -> dict[str, Any]:
        with classified():
            answer = self._client.get_item(TableName=self._table, Key=_keys(key), ConsistentRead=True)
        item: dict[str, Any] = dict(answer.get("Item", {}))
        if item:
            item_version.check_attributes(item)
        return item

    def _update(
        self,
        key: str,
        expression: str,
        values: dict[str, Any],
        *,
        condition: str = "",
        names: dict[str, str] | None = None,
    ) -> bool:
        """Update one item; False when the condition does not hold."""
        optional: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if names:
            optional["ExpressionAttributeNames"] = names
        with classified():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_keys(key),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    **optional,
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True


def _record(item: Any) -> Record:
    item_version.check_attributes(item)
    return Record.from_json(json.loads(item["record"]["S"]))


def _text(value: Any) -> dict[str, str]:
    return {"S": json.dumps(value, separators=(",", ":"))}


def _keys(key: str) -> dict[str, Any]:
    return {"PK": {"S": PARTITION}, "SK": {"S": key}}
