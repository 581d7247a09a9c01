"""Has moto look only at those items of a table that a request is about, whatever else is in it.

moto compares every item of the table with the partition a query asks for, and copies the whole table before each
transaction, to have it back when the transaction fails: the work for each request grows with the table.
"""

from __future__ import annotations

import copy
from typing import Any


def look_only_where_asked() -> None:
    """To be called once moto's DynamoDB is imported."""
    _query_one_partition()
    _copy_only_what_a_transaction_touches()


def _query_one_partition() -> None:
    from moto.dynamodb.models.table import Table

    query, all_items = Table.query, Table.all_items

    def query_partition(table: Any, hash_key: Any, *args: Any, **kwargs: Any) -> Any:
        index = kwargs.get("index_name") or (args[6] if len(args) > 6 else None)
        if index or table.range_key_attr is None:
            return query(table, hash_key, *args, **kwargs)
        table.asked_for = hash_key
        try:
            return query(table, hash_key, *args, **kwargs)
        finally:
            del table.asked_for

    def items(table: Any) -> list[Any]:
        if not hasattr(table, "asked_for"):
            return all_items(table)
        return list(table.items.get(table.asked_for, {}).values())

    Table.query = query_partition  # type: ignore[method-assign,assignment]
    Table.all_items = items  # type: ignore[method-assign,assignment]


def _copy_only_what_a_transaction_touches() -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.dynamo_type import DynamoType
    from moto.dynamodb.models.table import Table

    transact = DynamoDBBackend.transact_write_items

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        tables = {}
        for item in transact_items:
            operation = next(iter(item.values()))
            table = backend.tables.get(operation.get("TableName"))
            key = operation.get("Key") or operation.get("Item") or {}
            if table is None or table.hash_key_attr not in key or table.range_key_attr not in key:
                continue
            tables[table.name] = table
            place = DynamoType(key[table.hash_key_attr]), DynamoType(key[table.range_key_attr])
            vars(table).setdefault("touched", []).append(place)
        try:
            transact(backend, transact_items)
        finally:
            for table in tables.values():
                del table.touched
                vars(table).pop("before", None)

    def copied(table: Any, memo: dict[int, Any]) -> Any:
        values = dict(vars(table))
        touched, before = values.pop("touched", None), values.pop("before", None)
        if before is not None:
            return before
        made: Any = Table.__new__(Table)
        memo[id(table)] = made
        if touched is not None:
            made.items = _items_before(values.pop("items"), touched)
            table.before = made
        vars(made).update(copy.deepcopy(values, memo))
        return made

    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign,assignment]
    Table.__deepcopy__ = copied  # type: ignore[attr-defined]


def _items_before(items: Any, touched: list[tuple[Any, Any]]) -> Any:
    """The items as they are, safe from changes of those that are touched."""
    before = copy.copy(items)
    for partition, place in touched:
        if partition in items:
            if before[partition] is items[partition]:
                before[partition] = dict(items[partition])
            if place in items[partition]:
                before[partition][place] = copy.deepcopy(items[partition][place])
    return before
