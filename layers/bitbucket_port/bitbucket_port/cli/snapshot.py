"""What Port shows as ours, listed once and kept beside the ledger: a run without a ledger of its own compares with it.

Each blueprint costs one listing, ⌈entities / 1,000⌉ requests, when the first of its entities is to be written. What is
written then goes into the snapshot as well, so at the end of a run it is what Port must show.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from bitbucket_port.objects import Entity, JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.listing import PortPage, list_ours
from bitbucket_port.resync.drift import Shapes
from bitbucket_port.sqlite import Database, Row

_AT_ONCE = 500
_WRITTEN_NOW = "now"
_OUTLINE = frozenset({"$identifier", "$updatedAt"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
    blueprint TEXT NOT NULL, identifier TEXT NOT NULL, entity TEXT NOT NULL, updated TEXT,
    PRIMARY KEY (blueprint, identifier)
);
"""


class Snapshot:
    """Shared by the threads of one process; ``aside`` is entered by one that waits until another has listed."""

    def __init__(
        self, database: Database, shapes: Shapes, *, aside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._database = database
        self._aside = aside
        self._shapes = shapes
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._listed: set[str] = set()
        database.create(_SCHEMA)

    def need(self, blueprint: str, port: PortClient) -> None:
        """List a blueprint unless that was done; raises what Port's client raises."""
        if blueprint in self._listed:
            return
        with self._lock:
            lock = self._locks.setdefault(blueprint, threading.Lock())
        with self._aside():
            lock.acquire()
        try:
            if blueprint in self._listed:
                return
            self._database.change("DELETE FROM shown WHERE blueprint = ?", blueprint)
            for page in list_ours(_Asked(port), blueprint, self._shapes.names(blueprint)):
                self._keep(blueprint, page.entities)
            self._listed.add(blueprint)
        finally:
            lock.release()

    def forget(self) -> None:
        """List everything anew when it is needed next."""
        with self._lock:
            self._listed.clear()

    def of(self, blueprint: str, identifiers: Collection[str]) -> dict[str, JsonObject]:
        """Those of these entities that are in it."""
        rows = self._among("identifier, entity", blueprint, identifiers)
        return {name: json.loads(text) for name, text in rows}

    def known(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """Which of these entities are in it."""
        return {name for (name,) in self._among("identifier", blueprint, identifiers)}

    def _among(self, columns: str, blueprint: str, identifiers: Collection[str]) -> Iterator[Row]:
        wanted = sorted(set(identifiers))
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            statement = f"SELECT {columns} FROM shown WHERE blueprint = ? AND identifier IN ({marks})"  # noqa: S608
            yield from self._database.page(statement, blueprint, *some)

    def page(self, blueprint: str, after: str, limit: int) -> list[JsonObject]:
        """The next entities by identifier, whole."""
        return [json.loads(text) for (text,) in self._page("entity", blueprint, after, limit)]

    def outlines(self, blueprint: str, after: str, limit: int) -> list[JsonObject]:
        """The next entities by identifier: only that, and when they were last written."""
        rows = self._page("identifier, updated", blueprint, after, limit)
        return [{"identifier": name, "updatedAt": updated} for name, updated in rows]

    def _page(self, columns: str, blueprint: str, after: str, limit: int) -> list[Row]:
        statement = f"SELECT {columns} FROM shown WHERE blueprint = ? AND identifier > ? ORDER BY identifier LIMIT ?"  # noqa: S608
        return self._database.page(statement, blueprint, after, limit)

    def identifiers(self, blueprint: str) -> Iterator[list[str]]:
        """All identifiers of a blueprint, some at a time."""
        after = ""
        statement = "SELECT identifier FROM shown WHERE blueprint = ? AND identifier > ? ORDER BY identifier LIMIT ?"
        while some := [name for (name,) in self._database.page(statement, blueprint, after, _AT_ONCE)]:
            yield some
            after = some[-1]

    def write(self, written: Sequence[tuple[Entity, str]]) -> None:
        """Entities were written under these identifiers, and Port now shows (also) what they say."""
        for blueprint in {entity.blueprint for entity, _ in written}:
            some = [(entity, identifier) for entity, identifier in written if entity.blueprint == blueprint]
            shown = self.of(blueprint, [identifier for _, identifier in some])
            for entity, identifier in some:
                shown[identifier] = _after(shown.get(identifier, {}), entity, identifier)
            self._keep(blueprint, shown.values())

    def drop(self, blueprint: str, identifiers: Collection[str]) -> None:
        """Entities were deleted, or have another identifier now."""
        for identifier in identifiers:
            self._database.change("DELETE FROM shown WHERE blueprint = ? AND identifier = ?", blueprint, identifier)

    def _keep(self, blueprint: str, entities: Collection[JsonObject]) -> None:
        self._database.change_many(
            "INSERT INTO shown (blueprint, identifier, entity, updated) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET entity = excluded.entity, updated = excluded.updated",
            [(blueprint, str(one["identifier"]), json.dumps(one), one.get("updatedAt")) for one in entities],
        )


def _after(before: JsonObject, entity: Entity, identifier: str) -> JsonObject:
    after = {**before, **entity.fields, "identifier": identifier, "updatedAt": _WRITTEN_NOW}
    for group in ("properties", "relations"):
        after[group] = {**(before.get(group) or {}), **(entity.fields.get(group) or {})}
    return after


class SnapshotPort(PortClient):
    """Port, of which all that is ours is known already: the comparison at the end of a run costs no request."""

    snapshot: Snapshot

    def search_blueprint(
        self, blueprint: str, rules: Sequence[JsonObject], *, include: Sequence[str], limit: int, cursor: str | None
    ) -> PortPage:
        """See PortClient."""
        if list(rules) == self.datasource_rules:
            self.snapshot.need(blueprint, self)
            shows = self.snapshot.outlines if _OUTLINE.issuperset(include) else self.snapshot.page
            entities = shows(blueprint, cursor or "", limit)
            return PortPage(entities, str(entities[-1]["identifier"]) if len(entities) == limit else None)
        identifiers = _only_identifiers(rules)
        if identifiers is not None:
            known = self.snapshot.of(blueprint, identifiers)
            if len(known) == len(set(identifiers)):
                return PortPage(list(known.values()), None)
        return self.ask(blueprint, rules, include=include, limit=limit, cursor=cursor)

    def ask(
        self, blueprint: str, rules: Sequence[JsonObject], *, include: Sequence[str], limit: int, cursor: str | None
    ) -> PortPage:
        """A search that really asks."""
        return super().search_blueprint(blueprint, rules, include=include, limit=limit, cursor=cursor)


class _Asked:
    """Port itself, for whoever lists it."""

    def __init__(self, port: PortClient) -> None:
        self._port = port
        self.search_blueprint = port.ask if isinstance(port, SnapshotPort) else port.search_blueprint
        self.blueprint = port.blueprint

    @property
    def datasource_rules(self) -> list[JsonObject]:
        return self._port.datasource_rules

    @property
    def installation(self) -> str:
        return self._port.installation


def asked(port: PortClient) -> _Asked:
    """Port itself, past every snapshot."""
    return _Asked(port)


def _only_identifiers(rules: Sequence[JsonObject]) -> list[str] | None:
    if len(rules) != 1 or (rules[0].get("property"), rules[0].get("operator")) != ("$identifier", "in"):
        return None
    return list(rules[0]["value"])
