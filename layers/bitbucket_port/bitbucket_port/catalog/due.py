"""What is due of a page, and what of it is written together."""

from __future__ import annotations

from dataclasses import dataclass, field

from bitbucket_port.catalog.items import ObjectItem
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import EntityKey


@dataclass(frozen=True)
class Due:
    """An object that differs from what the ledger knows of it."""

    item: ObjectItem
    reading: Reading
    mapped: Mapped
    made: frozenset[EntityKey]
    owned: frozenset[EntityKey]

    @property
    def weight(self) -> int:
        """How many entities have to be written for it; one that only has to be recorded counts as well."""
        owns = self.item.owns
        if not owns:
            return max(1, len(self.made))
        differing = {one.key for one in self.mapped.entities if owns.get(str(one.key)) != one.content_hash}
        return max(1, len(differing))


@dataclass
class Turn:
    """Objects that are written together. No two of them have to do with one entity: then the order would matter."""

    dues: list[Due] = field(default_factory=list)
    weight: int = 0
    keys: set[EntityKey] = field(default_factory=set)

    def add(self, due: Due) -> None:
        """Write it together with the others."""
        self.dues.append(due)
        self.weight += due.weight
        self.keys |= due.made
        self.keys |= due.owned

    def meets(self, due: Due) -> bool:
        """Whether the object has to do with an entity that one of these has to do with, too."""
        return not self.keys.isdisjoint(due.made) or not self.keys.isdisjoint(due.owned)

    def waits_for(self, due: Due) -> bool:
        """Whether the object gives up an entity that one of these becomes: only after it a rename is possible."""
        frees, takes = due.owned - due.made, due.made - due.owned
        return (
            bool(frees)
            and any(not frees.isdisjoint(one.made) for one in self.dues)
            and all(takes.isdisjoint(one.owned | one.made) for one in self.dues)
        )
