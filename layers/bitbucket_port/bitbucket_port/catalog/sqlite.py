"""The ledger in a SQLite file: the same steps under the same conditions as in DynamoDB, for one process.

Nothing is ever removed by age: the file lives for one run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, TypeVar

from bitbucket_port.catalog.items import (
    UNKNOWN,
    Commit,
    EntityItem,
    Granted,
    Guard,
    ObjectItem,
    Refused,
)
from bitbucket_port.catalog.ledger import DeleteMark
from bitbucket_port.catalog.sqlite_rows import (
    committed,
    entity_item,
    json_of,
    names_of,
    object_item,
    own,
    parts_of,
    time_of,
)
from bitbucket_port.objects import EntityKey, Kind, SourceKey
from bitbucket_port.sqlite import Database

_Group = TypeVar("_Group")
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
_ENTITY = "sources, ours, token, until, accepted"


class SQLiteLedger:
    """The Ledger protocol over one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    # --- objects ---------------------------------------------------------------------------------------------------

    def read(self, keys: Collection[SourceKey]) -> dict[SourceKey, ObjectItem]:
        """See Ledger."""
        found = {key: ObjectItem(key) for key in keys}
        with self._database.still():
            for (kind, container), names in _grouped(((one.kind, one.container), one.id) for one in keys):
                for row in self._database.among(f"{_OBJECT} AND id IN", (kind, container), names):
                    item = object_item(row)
                    found[item.key] = item
        return found

    def take_lease(
        self, item: ObjectItem, token: str, *, now: float, until: float, guard: Guard, intents: Collection[str] = ()
    ) -> Granted | Refused:
        """See Ledger."""
        key = item.key
        with self._database.still():
            before = self._object(key)
            lease = before.lease if before else None
            if lease and lease.live(time_of(now)):
                return Refused(busy=lease.live(now))
            if (before is not None) != item.known or (before and not _allows(guard, before)):
                return Refused(busy=False)
            self._database.change(
                "INSERT INTO object (kind, container, id, owns, token, until) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET owns = excluded.owns, token = excluded.token, until = excluded.until",
                *(key.kind, key.container, key.id, own(before, intents), token, time_of(until)),
            )
        return Granted(before or ObjectItem(key), token, taken_over=lease is not None)

    def intend(self, item: ObjectItem, token: str, intents: Collection[str]) -> bool:
        """See Ledger."""
        with self._database.still():
            before = self._object(item.key)
            if before is None or before.lease is None or before.lease.token != token:
                return False
            owns = own(before, intents)
            return self._database.change(
                "UPDATE object SET owns = ? WHERE kind = ? AND container = ? AND id = ?", owns, *names_of(item.key)
            )

    def move(self, item: ObjectItem, *, version: int | None, read_at: float, received: float) -> bool:
        """See Ledger."""
        return self._database.change(
            "UPDATE object SET read_at = ?, received = ?, missing_since = NULL, version = coalesce(?, version) "
            "WHERE kind = ? AND container = ? AND id = ? AND token IS NULL AND read_at IS ? AND version IS ? "
            "AND (? IS NULL OR version IS NULL OR version <= ?)",
            *(time_of(read_at), time_of(received), version, *names_of(item.key)),
            *(time_of(item.read_at) if item.read_at else None, item.version, version, version),
        )

    def commit(self, key: SourceKey, token: str, commit: Commit, *, now: float) -> bool:
        """See Ledger."""
        del now
        return self._database.change(
            "UPDATE object SET owns = ?, facts = ?, problem = ?, read_at = ?, refreshed_at = ?, received = ?, "
            "version = coalesce(?, version), missing_since = NULL, token = NULL, until = NULL "
            "WHERE kind = ? AND container = ? AND id = ? AND token = ?",
            *(*committed(commit), commit.version, *names_of(key), token),
        )

    def adopt(self, found: Collection[tuple[SourceKey, Collection[EntityKey], Commit]]) -> set[SourceKey]:
        """Record new objects with entities that are ours and need no write, in one step; the keys of those recorded.

        Left out is an object that has an item already, or one of whose entities has: somebody else has to do with it.
        """
        with self._database.step():
            taken = self._with_items([key for key, _, _ in found])
            known = self._with_entity_items([entity for _, entities, _ in found for entity in entities])
            new = [one for one in found if one[0] not in taken and known.isdisjoint(one[1])]
            self._database.change_many(
                "INSERT INTO object (kind, container, id, owns, facts, problem, "
                "read_at, refreshed_at, received, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*names_of(key), *committed(commit), commit.version) for key, _, commit in new],
            )
            self._database.change_many(
                "INSERT INTO entity (blueprint, identifier, sources, ours) VALUES (?, ?, ?, TRUE)",
                [(*parts_of(entity), json_of([str(key)])) for key, entities, _ in new for entity in entities],
            )
        return {key for key, _, _ in new}

    def _with_items(self, keys: Collection[SourceKey]) -> set[SourceKey]:
        """Those of the objects that have an item."""
        found: set[SourceKey] = set()
        statement = "SELECT id FROM object WHERE kind = ? AND container = ? AND id IN"
        for (kind, container), names in _grouped(((one.kind, one.container), one.id) for one in keys):
            rows = self._database.among(statement, (kind, container), names)
            found |= {SourceKey(kind, container, row[0]) for row in rows}
        return found

    def _with_entity_items(self, keys: Collection[EntityKey]) -> set[EntityKey]:
        """Those of the entities that have an item."""
        found: set[EntityKey] = set()
        statement = "SELECT identifier FROM entity WHERE blueprint = ? AND identifier IN"
        for blueprint, names in _grouped((one.blueprint, one.identifier) for one in keys):
            found |= {EntityKey(blueprint, row[0]) for row in self._database.among(statement, (blueprint,), names)}
        return found

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
            *(None if missing_since is None else time_of(missing_since), *((token, 0.0) if dirty else (None, None))),
            *(*names_of(key), token),
        )

    def forget_hash(self, key: SourceKey, entities: Collection[EntityKey], *, now: float) -> bool:
        """See Ledger."""
        with self._database.still():
            item = self._object(key)
            if item is None or not entities:
                return True
            if item.lease and item.lease.live(time_of(now)):
                return False
            forgotten = {str(entity): UNKNOWN for entity in entities if str(entity) in item.owns}
            owns = json_of({**item.owns, **forgotten})
            return self._database.change(
                "UPDATE object SET owns = ? WHERE kind = ? AND container = ? AND id = ?", owns, *names_of(key)
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
                yield object_item(row)
            after = page[-1][2]

    def _object(self, key: SourceKey) -> ObjectItem | None:
        row = self._database.one(f"{_OBJECT} AND id = ?", *names_of(key))
        return object_item(row) if row else None

    # --- entities --------------------------------------------------------------------------------------------------

    def join(self, entity: EntityKey, source: SourceKey, *, now: float) -> EntityItem | None:
        """See Ledger."""
        with self._database.still():
            before = self._entity(entity)
            if before.deleting and before.deleting.live(time_of(now)):
                return None
            self._database.change(
                "INSERT INTO entity (blueprint, identifier, sources) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET sources = excluded.sources, token = NULL, until = NULL",
                *(*parts_of(entity), json_of(sorted(before.sources | {str(source)}))),
            )
        return before

    def leave(self, entity: EntityKey, source: SourceKey) -> bool:
        """See Ledger."""
        with self._database.still():
            before = self._entity(entity)
            if not before.sources or before.sources == {str(source)}:
                return False
            statement = "UPDATE entity SET sources = ? WHERE blueprint = ? AND identifier = ?"
            self._database.change(statement, json_of(sorted(before.sources - {str(source)})), *parts_of(entity))
        return True

    def settle_ownership(self, entity: EntityKey, *, ours: bool) -> None:
        """See Ledger."""
        self._database.change(
            "UPDATE entity SET ours = ? WHERE blueprint = ? AND identifier = ?", ours, *parts_of(entity)
        )

    def mark_deleting(
        self, entity: EntityKey, source: SourceKey, token: str, *, now: float, until: float
    ) -> tuple[DeleteMark, EntityItem]:
        """See Ledger."""
        with self._database.still():
            item = self._entity(entity)
            if not item.sources:
                return "absent", item
            if item.deleting and item.deleting.live(time_of(now)):
                return "busy", item
            if item.sources != {str(source)}:
                return "shared", item
            statement = "UPDATE entity SET token = ?, until = ? WHERE blueprint = ? AND identifier = ?"
            self._database.change(statement, token, time_of(until), *parts_of(entity))
        return "marked", item

    def drop(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        self._database.change(
            "DELETE FROM entity WHERE blueprint = ? AND identifier = ? AND token = ?", *parts_of(entity), token
        )

    def spare(self, entity: EntityKey, token: str) -> None:
        """See Ledger."""
        self._end_deleting(entity, token)

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """See Ledger."""
        statement = f"SELECT identifier, {_ENTITY} FROM entity WHERE blueprint = ? AND identifier IN"  # noqa: S608
        with self._database.still():
            rows = self._database.among(statement, (blueprint,), list(identifiers))
        found = {EntityKey(blueprint, name): entity_item(tuple(row)) for name, *row in rows}
        return {key: item for key, item in found.items() if item.sources}

    def accept(self, entity: EntityKey, accepted: str) -> None:
        """See Ledger."""
        statement = "UPDATE entity SET accepted = ? WHERE blueprint = ? AND identifier = ?"
        self._database.change(statement, accepted, *parts_of(entity))

    def _end_deleting(self, entity: EntityKey, token: str) -> None:
        statement = "UPDATE entity SET token = NULL, until = NULL WHERE blueprint = ? AND identifier = ? AND token = ?"
        self._database.change(statement, *parts_of(entity), token)

    def _entity(self, entity: EntityKey) -> EntityItem:
        row = self._database.one(
            f"SELECT {_ENTITY} FROM entity WHERE blueprint = ? AND identifier = ?",  # noqa: S608
            *parts_of(entity),
        )
        return entity_item(row) if row else EntityItem()

    # --- notes -----------------------------------------------------------------------------------------------------

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """See Ledger."""
        with self._database.still():
            self._database.change(
                "INSERT INTO note (name, noted) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET noted = excluded.noted WHERE NOT ?",
                *(name, json_of(dict(values)), only_if_absent),
            )
            return self.noted(name)

    def noted(self, name: str) -> Mapping[str, str]:
        """See Ledger."""
        row = self._database.one("SELECT noted FROM note WHERE name = ?", name)
        found: dict[str, str] = json.loads(row[0]) if row else {}
        return found


def _allows(guard: Guard, item: ObjectItem) -> bool:
    """Whether what the guard asks for is still true of the object's item."""
    if guard.read_before is not None and item.read_at and item.read_at >= time_of(guard.read_before):
        return False
    if guard.version_below is None or item.version is None or item.version < guard.version_below:
        return True
    if guard.or_received_before is None or item.version > guard.version_below:
        return False
    return not item.received or item.received < time_of(guard.or_received_before)


def _grouped(pairs: Iterable[tuple[_Group, str]]) -> Iterable[tuple[_Group, list[str]]]:
    """The names of each group."""
    found: dict[_Group, list[str]] = {}
    for group, name in pairs:
        found.setdefault(group, []).append(name)
    return found.items()
