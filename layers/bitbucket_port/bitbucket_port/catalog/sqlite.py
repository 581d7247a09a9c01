"""The ledger in a SQLite file: the same steps under the same conditions as in DynamoDB, for one process.

Times are kept with six decimals, as the table in DynamoDB keeps them, so that comparisons fall out alike. Nothing is
ever removed by age: the file lives for one run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from bitbucket_port.catalog.items import (
    UNKNOWN,
    Commit,
    EntityItem,
    Facts,
    Granted,
    Guard,
    Lease,
    ObjectItem,
    Refused,
)
from bitbucket_port.catalog.ledger import DeleteMark
from bitbucket_port.objects import EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.sqlite import Database, Row

_PAGE = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    kind TEXT NOT NULL, container TEXT NOT NULL, id TEXT NOT NULL,
    version INTEGER, read_at REAL, refreshed_at REAL, received REAL,
    owns TEXT NOT NULL DEFAULT '{}', facts TEXT NOT NULL DEFAULT '{}', problem TEXT, missing_since REAL,
    token TEXT, until REAL,
    PRIMARY KEY (kind, container, id)
);
CREATE TABLE IF NOT EXISTS entity (
    blueprint TEXT NOT NULL, identifier TEXT NOT NULL,
    sources TEXT NOT NULL, ours INTEGER, token TEXT, until REAL, accepted TEXT,
    PRIMARY KEY (blueprint, identifier)
);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, noted TEXT NOT NULL);
"""

_OBJECT = (
    "SELECT kind, container, id, version, read_at, refreshed_at, received, owns, facts, missing_since, "
    "problem, token, until FROM object WHERE kind = ? AND container = ?"
)


class SQLiteLedger:
    """The Ledger protocol over one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    # --- objects ---------------------------------------------------------------------------------------------------

    def read(self, keys: Collection[SourceKey]) -> dict[SourceKey, ObjectItem]:
        """See Ledger."""
        with self._database.still():
            return {key: self._object(key) or ObjectItem(key) for key in keys}

    def take_lease(
        self, item: ObjectItem, token: str, *, now: float, until: float, guard: Guard, intents: Collection[str] = ()
    ) -> Granted | Refused:
        """See Ledger."""
        key = item.key
        with self._database.still():
            before = self._object(key)
            lease = before.lease if before else None
            if lease and lease.live(_time(now)):
                return Refused(busy=lease.live(now))
            if (before is not None) != item.known or (before and not _allows(guard, before)):
                return Refused(busy=False)
            self._database.change(
                "INSERT INTO object (kind, container, id, owns, token, until) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET owns = excluded.owns, token = excluded.token, until = excluded.until",
                *(key.kind, key.container, key.id, _own(before, intents), token, _time(until)),
            )
        return Granted(before or ObjectItem(key), token, taken_over=lease is not None)

    def intend(self, item: ObjectItem, token: str, intents: Collection[str]) -> bool:
        """See Ledger."""
        with self._database.still():
            before = self._object(item.key)
            if before is None or before.lease is None or before.lease.token != token:
                return False
            owns = _own(before, intents)
            return self._database.change(
                "UPDATE object SET owns = ? WHERE kind = ? AND container = ? AND id = ?", owns, *_names(item.key)
            )

    def move(self, item: ObjectItem, *, version: int | None, read_at: float, received: float) -> bool:
        """See Ledger."""
        return self._database.change(
            "UPDATE object SET read_at = ?, received = ?, missing_since = NULL, version = coalesce(?, version) "
            "WHERE kind = ? AND container = ? AND id = ? AND token IS NULL AND read_at IS ? AND version IS ? "
            "AND (? IS NULL OR version IS NULL OR version <= ?)",
            *(_time(read_at), _time(received), version, *_names(item.key)),
            *(_time(item.read_at) if item.read_at else None, item.version, version, version),
        )

    def commit(self, key: SourceKey, token: str, commit: Commit, *, now: float) -> bool:
        """See Ledger."""
        del now
        return self._database.change(
            "UPDATE object SET owns = ?, facts = ?, problem = ?, read_at = ?, refreshed_at = ?, received = ?, "
            "version = coalesce(?, version), missing_since = NULL, token = NULL, until = NULL "
            "WHERE kind = ? AND container = ? AND id = ? AND token = ?",
            *(_json(dict(commit.owns)), _json(commit.facts.to_json()), commit.problem or None),
            *(_time(commit.read_at), _time(commit.refreshed_at), _time(commit.received)),
            *(commit.version, *_names(key), token),
        )

    def release(self, key: SourceKey, token: str, *, dirty: bool) -> None:
        """See Ledger."""
        self._end_lease(key, token, dirty=dirty)

    def miss(self, key: SourceKey, token: str, *, since: float, dirty: bool) -> None:
        """See Ledger."""
        self._end_lease(key, token, dirty=dirty, missing_since=since)

    def _end_lease(self, key: SourceKey, token: str, *, dirty: bool, missing_since: float | None = None) -> None:
        self._database.change(
            "UPDATE object SET missing_since = coalesce(?, missing_since), token = ?, until = ? "
            "WHERE kind = ? AND container = ? AND id = ? AND token = ?",
            *(None if missing_since is None else _time(missing_since), *((token, 0.0) if dirty else (None, None))),
            *(*_names(key), token),
        )

    def forget_hash(self, key: SourceKey, entities: Collection[EntityKey], *, now: float) -> bool:
        """See Ledger."""
        with self._database.still():
            item = self._object(key)
            if item is None or not entities:
                return True
            if item.lease and item.lease.live(_time(now)):
                return False
            forgotten = {str(entity): UNKNOWN for entity in entities if str(entity) in item.owns}
            owns = _json({**item.owns, **forgotten})
            return self._database.change(
                "UPDATE object SET owns = ? WHERE kind = ? AND container = ? AND id = ?", owns, *_names(key)
            )

    def children(self, container: str) -> Iterator[ObjectItem]:
        """See Ledger."""
        return self.objects("pull-request", container)

    def in_source(self, kind: Literal["project", "repository"], source: str) -> Iterator[ObjectItem]:
        """See Ledger."""
        return self.objects(kind, source)

    def objects(self, kind: Kind, container: str) -> Iterator[ObjectItem]:
        """See Ledger; in the order of their ids, a page at a time: what is written meanwhile may be shown or not."""
        after = ""
        while page := self._database.page(f"{_OBJECT} AND id > ? ORDER BY id LIMIT {_PAGE}", kind, container, after):
            for row in page:
                yield _object_item(row)
            after = page[-1][2]

    def _object(self, key: SourceKey) -> ObjectItem | None:
        row = self._database.one(f"{_OBJECT} AND id = ?", *_names(key))
        return _object_item(row) if row else None

    # --- entities --------------------------------------------------------------------------------------------------

    def join(self, entity: EntityKey, source: SourceKey, *, now: float) -> EntityItem | None:
        """See Ledger."""
        with self._database.still():
            before = self._entity(entity)
            if before.deleting and before.deleting.live(_time(now)):
                return None
            self._database.change(
                "INSERT INTO entity (blueprint, identifier, sources) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET sources = excluded.sources, token = NULL, until = NULL",
                *(*_parts(entity), _json(sorted(before.sources | {str(source)}))),
            )
        return before

    def leave(self, entity: EntityKey, source: SourceKey) -> bool:
        """See Ledger."""
        with self._database.still():
            before = self._entity(entity)
            if not before.sources or before.sources == {str(source)}:
                return False
            statement = "UPDATE entity SET sources = ? WHERE blueprint = ? AND identifier = ?"
            self._database.change(statement, _json(sorted(before.sources - {str(source)})), *_parts(entity))
        return True

    def settle_ownership(self, entity: EntityKey, *, ours: bool) -> None:
        """See Ledger."""
        self._database.change(
            "UPDATE entity SET ours = ? WHERE blueprint = ? AND identifier = ?", ours, *_parts(entity)
        )

    def mark_deleting(
        self, entity: EntityKey, source: SourceKey, token: str, *, now: float, until: float
    ) -> tuple[DeleteMark, EntityItem]:
        """See Ledger."""
        with self._database.still():
            item = self._entity(entity)
            if not item.sources:
                return "absent", item
            if item.deleting and item.deleting.live(_time(now)):
                return "busy", item
            if item.sources != {str(source)}:
                return "shared", item
            statement = "UPDATE entity SET token = ?, until = ? WHERE blueprint = ? AND identifier = ?"
            self._database.change(statement, token, _time(until), *_parts(entity))
        return "marked", item

    def drop(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        self._database.change(
            "DELETE FROM entity WHERE blueprint = ? AND identifier = ? AND token = ?", *_parts(entity), token
        )

    def spare(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        self._end_deleting(entity, token)

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """See Ledger."""
        keys = [EntityKey(blueprint, identifier) for identifier in identifiers]
        with self._database.still():
            found = {key: self._entity(key) for key in keys}
        return {key: item for key, item in found.items() if item.sources}

    def accept(self, entity: EntityKey, accepted: str) -> None:
        """See Ledger."""
        statement = "UPDATE entity SET accepted = ? WHERE blueprint = ? AND identifier = ?"
        self._database.change(statement, accepted, *_parts(entity))

    def _end_deleting(self, entity: EntityKey, token: str) -> None:
        statement = "UPDATE entity SET token = NULL, until = NULL WHERE blueprint = ? AND identifier = ? AND token = ?"
        self._database.change(statement, *_parts(entity), token)

    def _entity(self, entity: EntityKey) -> EntityItem:
        row = self._database.one(
            "SELECT sources, ours, token, until, accepted FROM entity WHERE blueprint = ? AND identifier = ?",
            *_parts(entity),
        )
        return _entity_item(row) if row else EntityItem()

    # --- notes -----------------------------------------------------------------------------------------------------

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """See Ledger."""
        with self._database.still():
            self._database.change(
                "INSERT INTO note (name, noted) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET noted = excluded.noted WHERE NOT ?",
                *(name, _json(dict(values)), only_if_absent),
            )
            return self.noted(name)

    def noted(self, name: str) -> Mapping[str, str]:
        """See Ledger."""
        row = self._database.one("SELECT noted FROM note WHERE name = ?", name)
        found: dict[str, str] = json.loads(row[0]) if row else {}
        return found


def _allows(guard: Guard, item: ObjectItem) -> bool:
    """Whether what the guard asks for is still true of the object's item."""
    if guard.read_before is not None and item.read_at and item.read_at >= _time(guard.read_before):
        return False
    if guard.version_below is None or item.version is None or item.version < guard.version_below:
        return True
    if guard.or_received_before is None or item.version > guard.version_below:
        return False
    return not item.received or item.received < _time(guard.or_received_before)


def _own(before: ObjectItem | None, intents: Collection[str]) -> str:
    owns = dict(before.owns) if before else {}
    for text in intents:
        owns.setdefault(text, UNKNOWN)
    return _json(owns)


def _object_item(row: Row) -> ObjectItem:
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


def _entity_item(row: Row) -> EntityItem:
    sources, ours, token, until, accepted = row
    decided = None if ours is None else bool(ours)
    return EntityItem(frozenset(json.loads(sources)), decided, _lease(token, until), accepted)


def _lease(token: str | None, until: float) -> Lease | None:
    return None if token is None else Lease(token, until)


def _names(key: SourceKey) -> tuple[str, str, str]:
    return key.kind, key.container, key.id


def _parts(entity: EntityKey) -> tuple[str, str]:
    return entity.blueprint, entity.identifier


def _time(value: float) -> float:
    return float(f"{value:.6f}")


def _json(value: JsonObject | list[Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
