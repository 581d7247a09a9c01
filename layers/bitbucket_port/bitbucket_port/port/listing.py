"""Everything Port shows under our datasource, page by page, with just the fields somebody wants to compare.

Facts: ``POST /v1/blueprints/{blueprint}/entities/search`` of Port's public API: at most 1,000 entities in an answer,
``next`` of it is ``from`` of the following request, ``include`` takes identifiers of properties and relations and meta
properties with ``$``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import JsonObject, digest

MOST_LISTED = 1000
MOST_LOOKED_AT = 500
"""Identifiers named in one look: at 1,000 characters each still below Port's 1 MiB."""
MARK = "+stack."
_ALWAYS = ("$identifier", "$updatedAt")


@dataclass(frozen=True, slots=True)
class PortPage:
    """Entities as Port shows them, and where to go on (None: that was all)."""

    entities: list[JsonObject]
    next: str | None


class Lister(Protocol):
    """Port, as far as looking at many entities of a blueprint goes (``PortClient``)."""

    @property
    def datasource_rules(self) -> list[JsonObject]:
        """The search rules that find what this integration wrote last, in any version."""

    @property
    def installation(self) -> str:
        """What marks this installation's entities in their datasource; empty when it is not marked."""

    def search_blueprint(
        self, blueprint: str, rules: Sequence[JsonObject], *, include: Sequence[str], limit: int, cursor: str | None
    ) -> PortPage:
        """One page of a search; no entities where there is no such blueprint. Raises PermanentError when refused."""

    def blueprint(self, identifier: str, *, fresh: bool = False) -> JsonObject:
        """The blueprint; raises NotFoundError when there is none."""


def list_ours(port: Lister, blueprint: str, names: Collection[str], *, cursor: str | None = None) -> Iterator[PortPage]:
    """All entities of a blueprint that Port shows under our datasource, in pages of 1,000, each with ``updatedAt``.

    ``names`` are fields as the mapping calls them (``title``, ``properties.url``); one that the blueprint does not have
    is left out of the answers. ``cursor`` goes on where the page with this ``next`` ended. A blueprint that is not
    there has no entities. Raises TransientError.
    """
    yield from _Search(port, blueprint, names).pages(port.datasource_rules, cursor)


def look(port: Lister, blueprint: str, identifiers: Collection[str], names: Collection[str]) -> dict[str, JsonObject]:
    """These entities, whoever wrote them last, by identifier; what is not in Port is not in the result."""
    wanted = sorted(set(identifiers))
    search = _Search(port, blueprint, names)
    found: dict[str, JsonObject] = {}
    for start in range(0, len(wanted), MOST_LOOKED_AT):
        for page in search.pages([_among(wanted[start : start + MOST_LOOKED_AT])], None):
            found.update({str(entity["identifier"]): entity for entity in page.entities})
    return found


def elsewhere(port: Lister, blueprint: str, identifiers: Collection[str]) -> set[str]:
    """Which of these another installation of this project wrote last, under the same type and identifier."""
    marked = _with_mark(port, blueprint, identifiers, MARK)
    return marked - _with_mark(port, blueprint, marked, port.installation) if port.installation else marked


def installation_mark(installation: str) -> str:
    """The mark behind the version in the datasource; build metadata as in semantic versioning, without ``/``."""
    return MARK + digest(installation)[:8] if installation else ""


def _with_mark(port: Lister, blueprint: str, identifiers: Collection[str], mark: str) -> set[str]:
    wanted = sorted(set(identifiers))
    search = _Search(port, blueprint, ())
    rule = {"property": "$datasource", "operator": "contains", "value": mark}
    return {
        str(entity["identifier"])
        for start in range(0, len(wanted), MOST_LOOKED_AT)
        for page in search.pages([_among(wanted[start : start + MOST_LOOKED_AT]), rule], None)
        for entity in page.entities
    }


def _among(identifiers: Sequence[str]) -> JsonObject:
    return {"property": "$identifier", "operator": "in", "value": list(identifiers)}


class _Search:
    def __init__(self, port: Lister, blueprint: str, names: Collection[str]) -> None:
        self._port = port
        self._blueprint = blueprint
        self._names = frozenset(names)
        self._known: frozenset[str] | None = None

    def pages(self, rules: Sequence[JsonObject], cursor: str | None) -> Iterator[PortPage]:
        seen: set[str] = set()
        while True:
            page = self._page(rules, cursor)
            yield page
            if page.next is None:
                return
            if page.next in seen or page.next == cursor:
                raise TransientError(f"Port's pages of {self._blueprint!r} go in a circle")
            seen.add(page.next)
            cursor = page.next

    def _page(self, rules: Sequence[JsonObject], cursor: str | None) -> PortPage:
        try:
            return self._ask(rules, cursor)
        except PermanentError:
            if self._known is not None:
                raise
            # Perhaps for a field that the blueprint in Port lacks: what is there is asked for.
            self._known = _fields_of(self._port.blueprint(self._blueprint, fresh=True))
            if self._names <= self._known:
                raise
            return self._ask(rules, cursor)

    def _ask(self, rules: Sequence[JsonObject], cursor: str | None) -> PortPage:
        names = self._names if self._known is None else self._names & self._known
        wanted = {name.split(".", 1)[1] if "." in name else f"${name}" for name in names}
        include = [*_ALWAYS, *sorted(wanted)]
        return self._port.search_blueprint(self._blueprint, rules, include=include, limit=MOST_LISTED, cursor=cursor)


def _fields_of(blueprint: JsonObject) -> frozenset[str]:
    properties = (blueprint.get("schema") or {}).get("properties") or {}
    relations = blueprint.get("relations") or {}
    meta = ("title", "icon", "team")
    return frozenset((*meta, *(f"properties.{one}" for one in properties), *(f"relations.{one}" for one in relations)))
