"""The ledger in a DynamoDB table: partition key ``PK``, sort key ``SK``, time to live in ``expires``.

Conditions follow the Developer Guide, "Condition and filter expressions"; a refused condition brings the item that
refused it along (``ReturnValuesOnConditionCheckFailure``). Time to live deletes late, so every comparison of a time
is made here and never left to the absence of an item.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.attributes import (
    attributes_of_commit,
    entity_item,
    number,
    object_item,
    object_keys,
    text_map,
)
from bitbucket_port.catalog.items import (
    TOMBSTONE_SECONDS,
    UNKNOWN,
    Commit,
    EntityItem,
    Granted,
    Guard,
    Lease,
    ObjectItem,
    Refused,
)
from bitbucket_port.catalog.ledger import DeleteMark
from bitbucket_port.dynamodb import classified, partition_items
from bitbucket_port.objects import EntityKey, Kind, SourceKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 100
_NAMED_AT_ONCE = 50
"""Entities one expression names: it may have 4 KB and 300 operators (Developer Guide, "Quotas")."""
_LEASE_IS_OURS = "lease.#token = :token"
_TOKEN_NAME = {"#token": "token"}


class DynamoDBLedger:
    """The Ledger protocol over one table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    # --- objects ---------------------------------------------------------------------------------------------------

    def read(self, keys: Collection[SourceKey]) -> dict[SourceKey, ObjectItem]:
        """See Ledger."""
        found = {key: ObjectItem(key) for key in keys}
        for attributes in self._get_all([object_keys(key) for key in found]):
            item = object_item(attributes)
            found[item.key] = item
        return found

    def take_lease(
        self, item: ObjectItem, token: str, *, now: float, until: float, guard: Guard, intents: Collection[str] = ()
    ) -> Granted | Refused:
        """See Ledger."""
        intents = list(intents)
        # An item that is not there yet is written with its whole map; into one that is there each key is put by name.
        later = intents[_NAMED_AT_ONCE:] if item.known else []
        lease = self._take_lease(item, Lease(token, until), now, guard, intents[: len(intents) - len(later)])
        if isinstance(lease, Granted) and later and not self.intend(item, token, later):
            return Refused(busy=True)
        return lease

    def _take_lease(
        self, item: ObjectItem, lease: Lease, now: float, guard: Guard, intents: Collection[str]
    ) -> Granted | Refused:
        conditions = ["(attribute_not_exists(lease) OR lease.#until <= :now)"]
        values: dict[str, Any] = {
            ":lease": {"M": {"token": {"S": lease.token}, "until": number(lease.until)}},
            ":now": number(now),
        }
        names = {"#until": "until"}
        sets, removes = ["lease = :lease"], []
        conditions += _guard(guard, values)
        if item.known:
            # An item that vanished meanwhile (time to live) has no map to write into: look again.
            conditions.append("attribute_exists(owns)")
            sets += _own(intents, names, values)
        else:
            conditions.append("attribute_not_exists(owns)")
            sets += ["owns = :owns", "v = :v"]
            values[":v"] = item_version.attribute()
            values[":owns"] = {"M": {text: {"S": UNKNOWN} for text in intents}}
        if intents:
            removes.append("expires")
        elif not item.known:
            sets.append("expires = :expires")
            values[":expires"] = number(int(now) + TOMBSTONE_SECONDS)
        expression = "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else "")
        before, refused = self._update(object_keys(item.key), expression, " AND ".join(conditions), names, values)
        if refused:
            held = object_item(before).lease if before else None
            return Refused(busy=held is not None and held.live(now))
        previous = object_item(before) if before else ObjectItem(item.key)
        return Granted(previous, lease.token, taken_over=previous.lease is not None)

    def intend(self, item: ObjectItem, token: str, intents: Collection[str]) -> bool:
        """See Ledger."""
        texts = list(intents)
        for start in range(0, len(texts), _NAMED_AT_ONCE):
            names, values = dict(_TOKEN_NAME), {":token": {"S": token}}
            sets = _own(texts[start : start + _NAMED_AT_ONCE], names, values)
            expression = f"SET {', '.join(sets)} REMOVE expires"
            if self._update(object_keys(item.key), expression, _LEASE_IS_OURS, names, values)[1]:
                return False
        return True

    def move(self, item: ObjectItem, *, version: int | None, read_at: float, received: float) -> bool:
        """See Ledger."""
        values: dict[str, Any] = {":read_at": number(read_at), ":received": number(received)}
        sets = ["read_at = :read_at", "received = :received"]
        condition = "attribute_exists(owns) AND attribute_not_exists(lease)"
        if item.read_at:
            values[":seen_read_at"] = number(item.read_at)
            condition += " AND read_at = :seen_read_at"
        else:
            # A writer that gave its lease up before it read anything leaves an item without the attribute.
            condition += " AND attribute_not_exists(read_at)"
        if item.version is None:
            condition += " AND attribute_not_exists(version)"
        else:
            values[":seen_version"] = number(item.version)
            condition += " AND version = :seen_version"
        if version is not None:
            sets.append("version = :version")
            values[":version"] = number(version)
            condition += " AND (attribute_not_exists(version) OR version <= :version)"
        expression = f"SET {', '.join(sets)} REMOVE missing_since"
        return not self._update(object_keys(item.key), expression, condition, {}, values)[1]

    def commit(self, key: SourceKey, token: str, commit: Commit, *, now: float) -> bool:
        """See Ledger."""
        expression, values = attributes_of_commit(commit, now=now)
        values[":token"] = {"S": token}
        return not self._update(object_keys(key), expression, _LEASE_IS_OURS, dict(_TOKEN_NAME), values)[1]

    def release(self, key: SourceKey, token: str, *, dirty: bool) -> None:
        """See Ledger."""
        self._end_lease(key, token, dirty=dirty)

    def miss(self, key: SourceKey, token: str, *, since: float, dirty: bool) -> None:
        """See Ledger."""
        self._end_lease(key, token, dirty=dirty, missing_since=since)

    def _end_lease(self, key: SourceKey, token: str, *, dirty: bool, missing_since: float | None = None) -> None:
        values: dict[str, Any] = {":token": {"S": token}}
        names = dict(_TOKEN_NAME)
        sets = []
        if missing_since is not None:
            sets.append("missing_since = :since")
            values[":since"] = number(missing_since)
        if dirty:
            sets.append("lease.#until = :past")
            names["#until"] = "until"
            values[":past"] = number(0)
        expression = ("SET " + ", ".join(sets) if sets else "") + ("" if dirty else " REMOVE lease")
        self._update(object_keys(key), expression.strip(), _LEASE_IS_OURS, names, values)

    def forget_hash(self, key: SourceKey, entities: Collection[EntityKey], *, now: float) -> bool:
        """See Ledger."""
        texts = [str(entity) for entity in entities]
        starts = range(0, len(texts), _NAMED_AT_ONCE)
        return all(self._forget(key, texts[start : start + _NAMED_AT_ONCE], now) for start in starts)

    def _forget(self, key: SourceKey, wanted: list[str], now: float) -> bool:
        while wanted:
            names, values = {"#until": "until"}, {":now": number(now), ":unknown": {"S": UNKNOWN}}
            names |= {f"#e{index}": text for index, text in enumerate(wanted)}
            sets = ", ".join(f"owns.#e{index} = :unknown" for index in range(len(wanted)))
            owned = " AND ".join(f"attribute_exists(owns.#e{index})" for index in range(len(wanted)))
            condition = f"(attribute_not_exists(lease) OR lease.#until <= :now) AND {owned}"
            before, refused = self._update(object_keys(key), f"SET {sets}", condition, names, values)
            item = object_item(before) if before else ObjectItem(key)
            if not refused or (item.lease and item.lease.live(now)):
                return not refused
            # Refused without a writer: some are not the object's any more. It may own the rest in the next moment.
            wanted = [text for text in wanted if text in item.owns]
        return True

    def children(self, container: str) -> Iterator[ObjectItem]:
        """See Ledger."""
        return self.objects("pull-request", container)

    def in_source(self, kind: Literal["project", "repository"], source: str) -> Iterator[ObjectItem]:
        """See Ledger."""
        return self.objects(kind, source)

    def objects(self, kind: Kind, container: str) -> Iterator[ObjectItem]:
        """See Ledger."""
        for attributes in partition_items(self._client, self._table, f"object#{kind}#{container}"):
            yield object_item(attributes)

    # --- entities --------------------------------------------------------------------------------------------------

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """See Ledger."""
        keys = [_entity_keys(EntityKey(blueprint, identifier)) for identifier in dict.fromkeys(identifiers)]
        items = {
            EntityKey.parse(attributes["PK"]["S"].removeprefix("entity#")): entity_item(attributes)
            for attributes in self._get_all(keys)
        }
        return {key: item for key, item in items.items() if item.sources}

    def accept(self, entity: EntityKey, accepted: str) -> None:
        """See Ledger."""
        values = {":accepted": {"S": accepted}}
        self._update(_entity_keys(entity), "SET accepted = :accepted", "attribute_exists(PK)", {}, values)

    def join(self, entity: EntityKey, source: SourceKey, *, now: float) -> EntityItem | None:
        """See Ledger."""
        values: dict[str, Any] = {
            ":source": {"SS": [str(source)]},
            ":now": number(now),
            ":v": item_version.attribute(),
        }
        # Nobody has read this item: a newer release's is refused by the condition, and found out by its answer.
        before, refused = self._update(
            _entity_keys(entity),
            "ADD sources :source SET v = :v REMOVE deleting",
            "(attribute_not_exists(v) OR v <= :v) AND (attribute_not_exists(deleting) OR deleting.#until <= :now)",
            {"#until": "until"},
            values,
        )
        item = entity_item(before)
        return None if refused else item

    def leave(self, entity: EntityKey, source: SourceKey) -> bool:
        """See Ledger."""
        refused = self._update(
            _entity_keys(entity),
            "DELETE sources :source",
            "attribute_exists(PK) AND (size(sources) > :one OR NOT contains(sources, :name))",
            {},
            {":source": {"SS": [str(source)]}, ":name": {"S": str(source)}, ":one": number(1)},
        )[1]
        return not refused

    def settle_ownership(self, entity: EntityKey, *, ours: bool) -> None:
        """See Ledger."""
        self._update(_entity_keys(entity), "SET ours = :ours", "attribute_exists(PK)", {}, {":ours": {"BOOL": ours}})

    def mark_deleting(
        self, entity: EntityKey, source: SourceKey, token: str, *, now: float, until: float
    ) -> tuple[DeleteMark, EntityItem]:
        """See Ledger."""
        values: dict[str, Any] = {
            ":mark": {"M": {"token": {"S": token}, "until": number(until)}},
            ":now": number(now),
            ":source": {"S": str(source)},
            ":one": number(1),
        }
        before, refused = self._update(
            _entity_keys(entity),
            "SET deleting = :mark",
            "contains(sources, :source) AND size(sources) = :one "
            "AND (attribute_not_exists(deleting) OR deleting.#until <= :now)",
            {"#until": "until"},
            values,
        )
        item = entity_item(before)
        if not refused:
            return "marked", item
        if not before or not item.sources:
            return "absent", item
        if item.deleting and item.deleting.live(now):
            return "busy", item
        return ("shared", item) if item.sources - {str(source)} else ("busy", item)

    def drop(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        with classified():
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key=_entity_keys(entity),
                    ConditionExpression="deleting.#token = :token",
                    ExpressionAttributeNames=dict(_TOKEN_NAME),
                    ExpressionAttributeValues={":token": {"S": token}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # Somebody else took the announcement over: the item is theirs now.

    def spare(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        self._update(
            _entity_keys(entity),
            "REMOVE deleting",
            "deleting.#token = :token",
            dict(_TOKEN_NAME),
            {":token": {"S": token}},
        )

    # --- notes -----------------------------------------------------------------------------------------------------

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """See Ledger."""
        condition = "attribute_not_exists(PK)" if only_if_absent else ""
        before, refused = self._update(
            _note_keys(name),
            "SET noted = :values",
            condition,
            {},
            {":values": {"M": {key: {"S": value} for key, value in values.items()}}},
        )
        return text_map(before.get("noted")) if refused else dict(values)

    def noted(self, name: str) -> Mapping[str, str]:
        """See Ledger."""
        with classified():
            answer = self._client.get_item(TableName=self._table, Key=_note_keys(name), ConsistentRead=True)
        return text_map(answer.get("Item", {}).get("noted"))

    # --- many reads, one conditional write ---------------------------------------------------------------------------

    def _get_all(self, keys: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The items there are of these keys, consistently, in no order."""
        for start in range(0, len(keys), _BATCH):
            request: Any = {self._table: {"Keys": keys[start : start + _BATCH], "ConsistentRead": True}}
            while request:
                with classified():
                    answer = self._client.batch_get_item(RequestItems=request)
                yield from answer["Responses"].get(self._table, [])
                request = answer.get("UnprocessedKeys")

    def _update(
        self, keys: dict[str, Any], expression: str, condition: str, names: dict[str, str], values: dict[str, Any]
    ) -> tuple[dict[str, Any], bool]:
        """Update one item; returns its attributes as they were, and whether the condition refused the update."""
        optional: dict[str, Any] = {}
        if condition:
            optional["ConditionExpression"] = condition
        if names:
            optional["ExpressionAttributeNames"] = names
        with classified():
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=keys,
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **optional,
                )
            except self._client.exceptions.ConditionalCheckFailedException as refusal:
                refused: dict[str, Any] = dict(refusal.response)
                return refused.get("Item", {}), True
        return dict(answer.get("Attributes", {})), False


def _own(intents: Collection[str], names: dict[str, str], values: dict[str, Any]) -> list[str]:
    sets = []
    for index, text in enumerate(intents):
        names[f"#e{index}"] = text
        values[":unknown"] = {"S": UNKNOWN}
        sets.append(f"owns.#e{index} = if_not_exists(owns.#e{index}, :unknown)")
    return sets


def _guard(guard: Guard, values: dict[str, Any]) -> list[str]:
    conditions = []
    if guard.version_below is not None:
        condition = "attribute_not_exists(version) OR version < :version"
        values[":version"] = number(guard.version_below)
        if guard.or_received_before is not None:
            condition += " OR (version = :version AND (attribute_not_exists(received) OR received < :received))"
            values[":received"] = number(guard.or_received_before)
        conditions.append(f"({condition})")
    if guard.read_before is not None:
        conditions.append("(attribute_not_exists(read_at) OR read_at < :read_before)")
        values[":read_before"] = number(guard.read_before)
    return conditions


def _entity_keys(entity: EntityKey) -> dict[str, Any]:
    return {"PK": {"S": f"entity#{entity}"}, "SK": {"S": "-"}}


def _note_keys(name: str) -> dict[str, Any]:
    return {"PK": {"S": f"note#{name}"}, "SK": {"S": "-"}}
