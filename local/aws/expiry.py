"""DynamoDB's Time to Live, which moto keeps as a setting only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from local.account import ACCOUNT

LATE = 48 * 3600.0
"""Seconds: DynamoDB deletes expired items "within a few days" (Developer Guide, "Using time to live"), so nothing may
rely on their going at once.
"""


def expire(region: str) -> int:
    """Delete every item that expired more than ``LATE`` ago; returns how many.

    An item expires at the epoch seconds in the table's TTL attribute, if that is a number.
    """
    from moto.dynamodb.models import dynamodb_backends

    limit = time.time() - LATE
    tables = dynamodb_backends[ACCOUNT][region].tables.values()
    return sum(_expire(table, limit) for table in tables if table.ttl.get("TimeToLiveStatus") == "ENABLED")


def _expire(table: Any, limit: float) -> int:
    attribute = table.ttl["AttributeName"]
    gone = [item for item in items(table) if _expired(item.attrs.get(attribute), limit)]
    for item in gone:
        table.delete_item(item.hash_key, item.range_key)
    return len(gone)


def items(table: Any) -> Iterator[Any]:
    """Every item of one of moto's tables, in no order (moto's own way sorts them)."""
    for entry in table.items.values():
        yield from entry.values() if table.range_key_attr else (entry,)


def _expired(value: Any, limit: float) -> bool:
    return value is not None and value.type == "N" and float(value.value) < limit
