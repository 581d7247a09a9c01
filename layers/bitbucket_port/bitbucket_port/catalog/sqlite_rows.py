"""How the ledger's items stand in the rows of an SQLite file.

Times are kept with six decimals, as the table in DynamoDB keeps them, so that comparisons fall out alike.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from bitbucket_port.catalog.items import UNKNOWN, Commit, EntityItem, Facts, Lease, ObjectItem
from bitbucket_port.objects import EntityKey, JsonObject, SourceKey
from bitbucket_port.sqlite import Row

_encode = json.JSONEncoder(separators=(",", ":")).encode


def committed(commit: Commit) -> Row:
    """The columns from ``owns`` to ``received`` as they are written with a result."""
    return (
        *(json_of(dict(commit.owns)), json_of(commit.facts.to_json()), commit.problem or None),
        *(time_of(commit.read_at), time_of(commit.refreshed_at), time_of(commit.received)),
    )


def own(before: ObjectItem | None, intents: Collection[str]) -> str:
    """What an object owns when these entities may be written for it."""
    owns = dict(before.owns) if before else {}
    for text in intents:
        owns.setdefault(text, UNKNOWN)
    return json_of(owns)


def object_item(row: Row) -> ObjectItem:
    """The item in a whole row of ``object``."""
    kind, container, object_id, version, read_at, refreshed_at, received, owns, facts, since, problem, token, until = (
        row
    )
    return ObjectItem(
        key=SourceKey(kind, container, object_id),
        known=True,
        version=version,
        read_at=read_at or 0.0,
        refreshed_at=refreshed_at or 0.0,
        received=received or 0.0,
        owns=json.loads(owns),
        lease=_lease(token, until),
        facts=Facts.from_json(json.loads(facts)),
        missing_since=since,
        problem=problem or "",
    )


def entity_item(row: Row) -> EntityItem:
    """The item in a row of ``entity`` without its key."""
    sources, ours, token, until, accepted = row
    decided = None if ours is None else bool(ours)
    return EntityItem(frozenset(json.loads(sources)), decided, _lease(token, until), accepted)


def _lease(token: str | None, until: float) -> Lease | None:
    return None if token is None else Lease(token, until)


def names_of(key: SourceKey) -> tuple[str, str, str]:
    """The columns of an object's key."""
    return key.kind, key.container, key.id


def parts_of(entity: EntityKey) -> tuple[str, str]:
    """The columns of an entity's key."""
    return entity.blueprint, entity.identifier


def time_of(value: float) -> float:
    """A time as it is kept."""
    return float(f"{value:.6f}") if value else 0.0


def json_of(value: JsonObject | list[Any]) -> str:
    """A value as it is kept."""
    return _encode(value)
