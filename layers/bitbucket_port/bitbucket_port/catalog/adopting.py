"""New objects whose entities Port shows as they should be already: nothing is written, only recorded.

Where the ledger begins empty and belongs to one process (the command without a stack), most objects of most runs are
like that. They need no lease: one step of the ledger does what taking it, joining the entities and committing does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from bitbucket_port.catalog.items import MOST_ENTITIES, Commit, ObjectItem
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import Entity, SourceKey


@dataclass(frozen=True, slots=True)
class Adoption:
    """An object that may be new, the entities it makes, and what is recorded of it when these need no write."""

    key: SourceKey
    entities: Sequence[Entity]
    commit: Commit


class Adopter(Protocol):
    """Whoever knows what Port shows, and has the ledger to itself."""

    def adopt(self, found: Sequence[Adoption]) -> Collection[SourceKey]:
        """Record the objects that are new and make only what Port shows as ours and as it should be; their keys.

        No two of them may make the same entity. The others stay as they are, to be written under their leases. May
        raise any of the package's errors; nothing was recorded then.
        """


def may_be_adopted(item: ObjectItem, mapped: Mapped) -> bool:
    """Whether nothing but Port can have an objection: a new object of which everything is known."""
    entities = mapped.entities
    plain = not item.known and mapped.complete and not mapped.problems and 0 < len(entities) <= MOST_ENTITIES
    return plain and not any(entity.is_search for entity in entities)
