"""Writing to Port only what differs there, and for a dry run only saying so.

Without a ledger that outlives the process, what was written before is known from Port alone: the catalog's protocol
runs as ever, over an empty ledger, and this is where an entity turns out to be right already.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bitbucket_port.cli.snapshot import Snapshot, SnapshotPort, asked
from bitbucket_port.errors import NotFoundError
from bitbucket_port.http import Response
from bitbucket_port.objects import Entity, EntityKey, JsonObject
from bitbucket_port.port.client import Deleted
from bitbucket_port.port.listing import look
from bitbucket_port.port.schema import trim
from bitbucket_port.port.stored import is_found_by_port, named, normal_form, unlike
from bitbucket_port.port.writing import Written
from bitbucket_port.sqlite import Database

What = Literal["create", "update", "rename", "delete"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS change (
    what TEXT NOT NULL, blueprint TEXT NOT NULL, identifier TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (what, blueprint, identifier)
);
"""
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Change:
    """What a run would do to one entity; ``detail`` says to which fields, or what its identifier becomes."""

    what: What
    key: EntityKey
    detail: str = ""


class Changes:
    """What a dry run would have done."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def add(self, change: Change) -> None:
        """Remember one; the same one again is the same."""
        statement = "INSERT OR REPLACE INTO change (what, blueprint, identifier, detail) VALUES (?, ?, ?, ?)"
        self._database.change(statement, change.what, change.key.blueprint, change.key.identifier, change.detail)

    def counts(self) -> dict[tuple[What, str], int]:
        """How many there are of each kind in each blueprint."""
        statement = "SELECT what, blueprint, count(*) FROM change GROUP BY what, blueprint ORDER BY blueprint, what"
        return {(what, blueprint): count for what, blueprint, count in self._database.page(statement)}

    def first(self, what: What, blueprint: str, count: int) -> Iterator[Change]:
        """The first few of them by identifier."""
        statement = "SELECT identifier, detail FROM change WHERE what = ? AND blueprint = ? ORDER BY identifier LIMIT ?"
        for identifier, detail in self._database.page(statement, what, blueprint, count):
            yield Change(what, EntityKey(blueprint, identifier), detail)


class ComparingWriter:
    """The catalog's ``Writer`` for a run that begins with an empty ledger.

    ``changes``: nothing is written, they are noted there. ``deletes``: whether anything may be deleted.
    """

    def __init__(
        self, port: SnapshotPort, snapshot: Snapshot, *, deletes: bool = False, changes: Changes | None = None
    ) -> None:
        self._port = port
        self._snapshot = snapshot
        self._deletes = deletes
        self._changes = changes

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        """See PortClient; an entity that Port shows already as it should be is "same", and not sent."""
        self._list(entities)
        results = self._there(entities) if create_only else self._right(entities)
        rest = [position for position, result in enumerate(results) if result is None]
        if rest:
            some = [entities[position] for position in rest]
            if self._changes is not None:
                written = self._pretend(some, self._changes, create_only=create_only)
            else:
                written = self._port.upsert(some, create_only=create_only, merge=merge, create_missing=create_missing)
            for position, result in zip(rest, written, strict=True):
                results[position] = result
            done = ((one, result) for one, result in zip(some, written, strict=True))
            self._snapshot.write(
                [
                    (one, result.identifier)
                    for one, result in done
                    if result.outcome in ("created", "updated") and result.identifier
                ]
            )
        return [result for result in results if result is not None]

    def not_shown_right(self, entities: Sequence[Entity]) -> set[EntityKey]:
        """Those that Port does not show as ours and just as they should be; raises what Port's client raises."""
        self._list(entities)
        shown = self._shown_of(entities)
        return {one.key for one in entities if one.key not in shown or differences(one, shown[one.key])}

    def _list(self, entities: Sequence[Entity]) -> None:
        for blueprint in {entity.blueprint for entity in entities}:
            self._snapshot.need(blueprint, self._port)

    def _shown_of(self, entities: Sequence[Entity]) -> dict[EntityKey, JsonObject]:
        return {
            EntityKey(blueprint, name): entity
            for blueprint, names in _names(entities).items()
            for name, entity in self._snapshot.of(blueprint, names).items()
        }

    def _there(self, entities: Sequence[Entity]) -> list[Written | None]:
        """The entities that are not to be created, because Port shows them; None for the others."""
        known = {
            EntityKey(blueprint, name)
            for blueprint, names in _names(entities).items()
            for name in self._snapshot.known(blueprint, names)
        }
        return [Written(one, "exists", identifier=one.key.identifier) if one.key in known else None for one in entities]

    def _right(self, entities: Sequence[Entity]) -> list[Written | None]:
        """The entities that need no write, because Port shows them as they should be; None for the others."""
        shown = self._shown_of(entities)
        return [self._unchanged(one, shown[one.key]) if one.key in shown else None for one in entities]

    def _unchanged(self, entity: Entity, shown: JsonObject) -> Written | None:
        name = entity.key.identifier
        different = differences(entity, shown)
        if not different:
            return Written(entity, "same", identifier=name)
        if all(value is None for value in named(shown, different).values()):
            # Perhaps only what the blueprint has no room for, which would be sent in vain in every run.
            trimmed, left_out = trim(entity, self._port.blueprint(entity.blueprint))
            if left_out and not differences(trimmed, shown):
                return Written(entity, "same", identifier=name, trimmed=left_out, sent=trimmed)
        return None

    def _pretend(self, entities: Sequence[Entity], changes: Changes, *, create_only: bool) -> list[Written]:
        """What Port would have made of these, none of which is ours."""
        there: dict[EntityKey, JsonObject] = {}
        for blueprint in sorted({entity.blueprint for entity in entities}):
            some = [one for one in entities if one.blueprint == blueprint and not one.is_search]
            missing = [one.key.identifier for one in some if self._shown(one) is None]
            names = {name for one in some for name in normal_form(one.fields)}
            found = look(asked(self._port), blueprint, missing, names) if missing else {}
            there |= {EntityKey(blueprint, name): entity for name, entity in found.items()}
            there |= {one.key: shown for one in some if (shown := self._shown(one)) is not None}
        return [self._pretended(one, there.get(one.key), changes, create_only=create_only) for one in entities]

    def _pretended(self, entity: Entity, shown: JsonObject | None, changes: Changes, *, create_only: bool) -> Written:
        name = "" if entity.is_search else entity.key.identifier
        if shown is not None and create_only:
            return Written(entity, "exists", identifier=name)
        try:
            trimmed, left_out = trim(entity, self._port.blueprint(entity.blueprint))
        except NotFoundError as error:
            return Written(entity, "refused", str(error), status=404)
        if entity.is_search:
            changes.add(Change("update", entity.key, "whatever Port finds by the mapping's search"))
            return Written(entity, "updated", trimmed=left_out)
        if shown is None:
            changes.add(Change("create", entity.key))
            return Written(entity, "created", identifier=name, trimmed=left_out)
        different = differences(trimmed, shown)
        if not different:
            return Written(entity, "same", identifier=name, trimmed=left_out)
        changes.add(Change("update", entity.key, _told(trimmed, shown, different)))
        return Written(entity, "updated", identifier=name, trimmed=left_out)

    def _shown(self, entity: Entity) -> JsonObject | None:
        name = entity.key.identifier
        return self._snapshot.of(entity.blueprint, [name]).get(name)

    def rename(self, old: EntityKey, entity: Entity, *, create_missing: bool) -> Written:
        """See PortClient."""
        self._snapshot.need(old.blueprint, self._port)
        if self._changes is not None:
            self._changes.add(Change("rename", old, f"becomes {entity.key.identifier}"))
            written = Written(entity, "updated", identifier=entity.key.identifier)
        else:
            written = self._port.rename(old, entity, create_missing=create_missing)
        self._snapshot.drop(old.blueprint, [old.identifier])
        self._snapshot.write([(written.sent or entity, entity.key.identifier)])
        return written

    def delete(self, blueprint: str, identifiers: Sequence[str], *, delete_dependents: bool) -> Deleted:
        """See PortClient; without ``deletes`` everything stays."""
        if self._changes is not None:
            for name in identifiers:
                self._changes.add(Change("delete", EntityKey(blueprint, name)))
        elif not self._deletes:
            return Deleted((), dict.fromkeys(identifiers, "this command deletes only with --delete"))
        else:
            result = self._port.delete(blueprint, identifiers, delete_dependents=delete_dependents)
            self._snapshot.drop(blueprint, result.deleted)
            return result
        self._snapshot.drop(blueprint, identifiers)
        return Deleted(tuple(identifiers))

    def ours(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """See PortClient; told by the snapshot."""
        self._snapshot.need(blueprint, self._port)
        return self._snapshot.known(blueprint, identifiers)

    def get(self, key: EntityKey) -> JsonObject | None:
        """See PortClient."""
        return self._port.get(key)

    def relating_to(self, key: EntityKey) -> list[Any]:
        """See PortClient."""
        return self._port.relating_to(key)


class WroteError(Exception):
    """A dry run was about to write: a fault in this code, stopped before anything left the process."""


class ReadOnlyPort(SnapshotPort):
    """Port, asked and never told: whatever would change something is stopped at the last moment."""

    def _request(self, method: str, path: str, **more: Any) -> Response:
        if method != "GET" and not (method == "POST" and path.endswith("/search")):
            raise WroteError(f"a dry run was about to send {method} {path}")
        return super()._request(method, path, **more)


def differences(entity: Entity, shown: JsonObject) -> list[str]:
    """The fields (``title``, ``properties.url``) that Port shows otherwise than the mapping makes them.

    What Port itself finds by a search cannot be compared, and counts as different.
    """
    wanted = normal_form(unlike(entity.fields, shown))
    values = named(shown, wanted)
    return sorted(name for name, value in wanted.items() if is_found_by_port(name, value) or values[name] != value)


def _names(entities: Sequence[Entity]) -> dict[str, list[str]]:
    """The identifiers by blueprint, without what Port finds by a search."""
    found: dict[str, list[str]] = {}
    for entity in entities:
        if not entity.is_search:
            found.setdefault(entity.blueprint, []).append(entity.key.identifier)
    return found


def _told(entity: Entity, shown: JsonObject, names: Sequence[str]) -> str:
    wanted = normal_form(entity.fields)
    values = named(shown, names)
    return "; ".join(f"{name}: {_short(values[name])} → {_short(wanted[name])}" for name in names)


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
