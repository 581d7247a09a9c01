"""Takes out of Port what a stack brought there: entities under our datasource, and the integration.

Blueprints stay: they may hold what others wrote. So do entities that are not only ours, and whatever somebody else's
entity relates to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bitbucket_port.catalog.items import EntityItem
from bitbucket_port.errors import BitbucketPortError, NotFoundError
from bitbucket_port.http import path_of
from bitbucket_port.objects import EntityKey, JsonObject
from bitbucket_port.port.api import PortApi
from bitbucket_port.port.blueprints import list_blueprints
from bitbucket_port.port.client import Deleted
from bitbucket_port.port.listing import Lister, elsewhere, list_ours
from bitbucket_port.setup.findings import Finding

NAMED = 5
"""How many entities that stay are named, each with the reason."""
_AGAIN = "Run it again: what is gone already is passed over."


class Port(Lister, PortApi, Protocol):
    """Port, as far as this goes (``PortClient``)."""

    def delete(self, blueprint: str, identifiers: list[str], *, delete_dependents: bool) -> Deleted:
        """Delete entities; those that are not there count as deleted."""

    def integration(self, identifier: str) -> JsonObject:
        """An integration; raises NotFoundError when there is none."""


class Known(Protocol):
    """What the ledger knows of entities (``catalog.ledger.Ledger``)."""

    def entities(self, blueprint: str, identifiers: Collection[str]) -> Mapping[EntityKey, EntityItem]:
        """The items of those entities that have one."""


@dataclass
class _Entities:
    """What Port shows under our datasource in one blueprint: what goes, and what stays for which reason."""

    blueprint: str
    doomed: list[str] = field(default_factory=list)
    spared: dict[str, list[str]] = field(default_factory=dict)
    deleted: int = 0
    blocked: dict[str, str] = field(default_factory=dict)
    problem: BitbucketPortError | None = None


class Uninstall:
    """``look`` says what ``remove`` would do. Neither raises: what went wrong is a finding.

    ``app_type``: the integration's type, so that another one of the same name is left alone. ``known``: the stack's
    ledger, which tells what was there before the stack; without it (the stack is deleted) all goes that Port shows
    under our datasource.
    """

    def __init__(self, port: Port, identifier: str, app_type: str, *, known: Known | None = None) -> None:
        self._port = port
        self._identifier = identifier
        self._app_type = app_type
        self._known = known

    def look(self) -> list[Finding]:
        """How many entities of which blueprint would go or stay, and the integration; writes nothing."""
        try:
            entities = self._entities()
        except BitbucketPortError as error:
            found = [_not_listed(error)]
        else:
            found = [_would(one) for one in entities] or [_none_there()]
        return [*found, self._integration(removes=False)]

    def remove(self, *, entities: bool, integration: bool) -> list[Finding]:
        """Delete what is asked for, the entities that others relate to last; a finding for each blueprint."""
        found: list[Finding] = []
        if entities:
            try:
                there = self._entities()
            except BitbucketPortError as error:
                return [_not_listed(error)]
            self._delete(there)
            found += [_was(one) for one in there] or [_none_there()]
        if integration:
            found.append(self._integration(removes=True))
        return found

    # --- entities ----------------------------------------------------------------------------------------------------

    def _entities(self) -> list[_Entities]:
        """Of every blueprint with something of ours, those that relate to others first."""
        blueprints = list_blueprints(self._port)
        there = [self._of(name) for name in blueprints if not name.startswith("_")]  # Port's own: users, teams.
        some = {one.blueprint: one for one in there if one.doomed or one.spared or one.problem}
        return [some[name] for name in _children_first({name: blueprints[name] for name in some})]

    def _of(self, blueprint: str) -> _Entities:
        found = _Entities(blueprint)
        try:
            for page in list_ours(self._port, blueprint, ()):
                self._sort(found, [str(entity["identifier"]) for entity in page.entities])
        except BitbucketPortError as error:
            found.problem = error
        return found

    def _sort(self, found: _Entities, identifiers: Collection[str]) -> None:
        reasons = self._reasons(found.blueprint, identifiers)
        for one in identifiers:
            if one in reasons:
                found.spared.setdefault(reasons[one], []).append(one)
            else:
                found.doomed.append(one)

    def _reasons(self, blueprint: str, identifiers: Collection[str]) -> dict[str, str]:
        """Why some of these stay."""
        if not identifiers:
            return {}
        reasons: dict[str, str] = {}
        if self._port.installation:
            others = elsewhere(self._port, blueprint, identifiers)
            reasons |= dict.fromkeys(others, "another stack with this IntegrationIdentifier wrote it last")
        if self._known:
            items = self._known.entities(blueprint, identifiers)
            before = [key.identifier for key, item in items.items() if not item.ours]
            reasons |= dict.fromkeys(before, "it was there before, and was only added to")
        return reasons

    def _delete(self, there: list[_Entities]) -> None:
        """Round after round, as long as something goes that stood in the way of something else."""
        waiting, progress = [one for one in there if one.problem is None], True
        while waiting and progress:
            progress = False
            for one in waiting:
                progress |= self._delete_some(one)
            waiting = [one for one in waiting if one.blocked and one.problem is None]

    def _delete_some(self, one: _Entities) -> bool:
        try:
            done = self._port.delete(one.blueprint, list(one.blocked) or one.doomed, delete_dependents=False)
        except BitbucketPortError as error:
            one.problem = error
            return False
        one.deleted += len(done.deleted)
        one.blocked = dict(done.blocked)
        return bool(done.deleted)

    # --- the integration ---------------------------------------------------------------------------------------------

    def _integration(self, *, removes: bool) -> Finding:
        about = f"Integration {self._identifier}"
        try:
            there = self._port.integration(self._identifier)
            kind = str(there.get("installationAppType") or "")
            if kind and kind.lower() != self._app_type.lower():
                text = f"is of type {kind}, not {self._app_type}: it stays."
                return Finding(about, "warning", text, "If it was meant, delete it on Port's Data sources page.")
            if not removes:
                return Finding(about, "ok", "would be deleted (--integration).")
            self._port.call("DELETE", path_of("v1", "integration", self._identifier), ok=(200, 404))
        except NotFoundError:
            return Finding(about, "ok", "is not in Port.")
        except BitbucketPortError as error:
            return Finding(about, "warning", f"{error}.", _AGAIN if removes else "")
        return Finding(about, "changed", "deleted.")


def _children_first(blueprints: Mapping[str, JsonObject]) -> list[str]:
    """The names in an order in which none comes before one that relates to it; only circles are opened somewhere."""
    ends = {
        name: {str(end["target"]) for end in (one.get("relations") or {}).values()} & blueprints.keys()
        for name, one in blueprints.items()
    }
    order: list[str] = []
    while ends:
        reached = {name: _reached(ends, name) for name in ends}
        first = next(
            name for name in ends if all(one in reached[name] for one in ends if name in reached[one] and one != name)
        )
        order.append(first)
        del ends[first]
    return order


def _reached(ends: Mapping[str, set[str]], start: str) -> set[str]:
    """Where relations lead to from there."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        more = (ends.get(waiting.pop()) or set()) - found
        found |= more
        waiting += more
    return found


def _about(one: _Entities) -> str:
    return f"Entities of {one.blueprint}"


def _stays(one: _Entities) -> str:
    """What stays on purpose, as further sentences."""
    said = (f"{len(some)} stay, such as {some[0]}: {reason}." for reason, some in sorted(one.spared.items()))
    return "".join(f" {text}" for text in said)


def _would(one: _Entities) -> Finding:
    if one.problem is not None:
        return Finding(_about(one), "warning", f"they could not be listed, and would stay: {one.problem}.")
    return Finding(_about(one), "ok", f"{len(one.doomed)} would be deleted (--entities).{_stays(one)}")


def _was(one: _Entities) -> Finding:
    text = f"{one.deleted} of {len(one.doomed)} deleted.{_stays(one)}"
    if one.problem is not None:
        return Finding(_about(one), "warning", f"{text} Then: {one.problem}.", _AGAIN)
    if one.blocked:
        named = [f"{name}: {reason}" for name, reason in list(one.blocked.items())[:NAMED]]
        more = f"; and {len(one.blocked) - NAMED} more" if len(one.blocked) > NAMED else ""
        fix = "Remove these relations in Port, or delete what relates to it, and run it again."
        return Finding(_about(one), "warning", f"{text} {len(one.blocked)} stay: {'; '.join(named)}{more}.", fix)
    return Finding(_about(one), "changed" if one.deleted else "ok", text)


def _none_there() -> Finding:
    return Finding("Entities", "ok", "Port shows none under our datasource.")


def _not_listed(error: BitbucketPortError) -> Finding:
    return Finding("Entities", "warning", f"they could not be listed, and none was deleted: {error}.", _AGAIN)
