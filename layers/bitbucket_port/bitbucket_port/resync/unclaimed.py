"""Entities that Port says are ours and the ledger does not know: when they may go.

They are what another tool left behind under our datasource (an earlier integration, a ledger that was lost), or what
somebody else still needs: another stack with the same IntegrationIdentifier, a kind we do not read yet, an entity Port
created because something relates to it. So they go only when nothing of that is possible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.objects import JsonObject, Kind
from bitbucket_port.resync.constants import constants


@dataclass(frozen=True, slots=True)
class Production:
    """Which kinds can make entities of which blueprints under a mapping.

    ``kinds``: blueprint → the kinds whose resources name it. ``unsupported``: blueprint → why resources that name it
    are left out. ``unknown``: why some resource could make entities of any blueprint; empty when none could.
    """

    kinds: Mapping[str, frozenset[Kind]]
    unsupported: Mapping[str, str]
    unknown: str = ""

    @classmethod
    def of(cls, mapping: PortMapping) -> Production:
        """What a mapping can make, with the entries that are left out of it."""
        kinds: dict[str, set[Kind]] = {}
        unsupported: dict[str, str] = {}
        unknown = ""
        for resource in mapping.resources:
            found = constants(resource.blueprint)
            if found is None:
                unknown = unknown or f"resources[{resource.index}] ({resource.kind}) computes its blueprint"
            for blueprint in found or ():
                kinds.setdefault(blueprint, set()).add(resource.kind)
        for broken in mapping.broken:
            why = f"resources[{broken.index}] ({broken.kind or 'no kind'}) is left out"
            found = None if broken.blueprint is None else constants(broken.blueprint)
            if found is None:
                unknown = unknown or f"{why}, and its blueprint is not known"
            for blueprint in found or ():
                unsupported.setdefault(blueprint, why)
        return cls({blueprint: frozenset(one) for blueprint, one in kinds.items()}, unsupported, unknown)

    def why_kept(self, blueprint: str, incomplete: Mapping[str, str]) -> str | None:
        """Why no unclaimed entity of the blueprint may go; None when they may.

        ``incomplete``: kind → why not every object of it was listed in this run (``RunStore.protected``, a repository
        standing for the pull requests below it, and ``mapping.protected``).
        """
        if self.unknown:
            return self.unknown
        if blueprint in self.unsupported:
            return self.unsupported[blueprint]
        if blueprint not in self.kinds:
            return "no resource of the mapping makes it"
        missing = sorted(kind for kind in self.kinds[blueprint] if kind in incomplete)
        return f"{missing[0]}: {incomplete[missing[0]]}" if missing else None


def mark(entity: JsonObject) -> str:
    """What to remember of an unclaimed entity from run to run: its identifier and when it was last written."""
    return f"{entity['identifier']} {entity.get('updatedAt') or '?'}"


def twice_unclaimed(found: Iterable[JsonObject], before: Collection[str]) -> list[str]:
    """The identifiers that the run before found unclaimed, too, and that nobody wrote since.

    ``before`` are the marks of that run; none when it was not complete. An entity of which Port does not tell when it
    was written stays.
    """
    return [str(one["identifier"]) for one in found if _is_told(one.get("updatedAt")) and mark(one) in before]


def _is_told(moment: Any) -> bool:
    return isinstance(moment, str) and bool(moment)
