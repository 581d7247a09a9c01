"""One object's share in a settlement: what it owns, what it makes now, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bitbucket_port.catalog.items import MOST_ENTITIES, UNKNOWN, Granted
from bitbucket_port.errors import BitbucketPortError, CredentialsRefusedError, PermanentError, TransientError
from bitbucket_port.objects import Entity, EntityKey, JsonObject, SourceKey

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Mapped

LONG_WAIT_SECONDS = 30.0


@dataclass(slots=True)
class Settled:
    """What the object owns now, and what was done to get there.

    ``created`` and ``updated`` count entities that were written, ``unchanged`` those that were right already;
    ``planned`` are those that stay only because removals were deferred.
    """

    owns: dict[str, str]
    created: int = 0
    updated: int = 0
    renamed: int = 0
    deleted: int = 0
    unchanged: int = 0
    planned: list[EntityKey] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Share:
    """An object whose lease is held, with what a reading of it makes. For one settlement.

    ``intended`` are the entity keys recorded with the lease. ``wanted`` is what the object makes, ``changed`` what of
    it has to be written, ``unwanted`` what it owned and does not make any more (nothing where the mapping failed).
    ``error`` ends its part in the settlement; the others go on.
    """

    granted: Granted
    mapped: Mapped
    intended: frozenset[str] = frozenset()
    wanted: dict[EntityKey, Entity] = field(init=False)
    changed: list[Entity] = field(init=False)
    unwanted: list[EntityKey] = field(init=False)
    settled: Settled = field(init=False)
    undecided: set[EntityKey] = field(default_factory=set)
    renamed: dict[EntityKey, EntityKey] = field(default_factory=dict)
    absent: set[EntityKey] = field(default_factory=set)
    copied: dict[EntityKey, JsonObject] = field(default_factory=dict)
    touched_port: bool = False
    error: BitbucketPortError | None = None

    def __post_init__(self) -> None:
        owns = self.granted.item.owns
        self.wanted = {entity.key: entity for entity in self.mapped.entities}
        self.changed = [
            entity
            for key, entity in self.wanted.items()
            if self.granted.taken_over or owns.get(str(key)) != entity.content_hash
        ]
        complete = self.mapped.complete
        self.unwanted = [key for key in map(EntityKey.parse, owns) if key not in self.wanted] if complete else []
        made = {str(key): entity.content_hash for key, entity in self.wanted.items()}
        self.settled = Settled(made if complete else {**owns, **made})
        self.settled.unchanged = len(self.wanted) - len(self.changed)

    @property
    def source(self) -> SourceKey:
        """The object's key."""
        return self.granted.item.key

    def check(self) -> None:
        """Raises PermanentError when the object makes more entities than its item can hold."""
        if len(self.wanted) > MOST_ENTITIES:
            raise PermanentError(
                f"{self.source} makes {len(self.wanted)} entities, more than {MOST_ENTITIES}: "
                "split it with the selector"
            )

    def intents(self) -> list[str]:
        """The keys of new entities that are not recorded yet."""
        owns = self.granted.item.owns
        return [str(key) for key in self.wanted if str(key) not in owns and str(key) not in self.intended]

    def to_join(self) -> list[EntityKey]:
        """The entities the object may not be a source of yet."""
        # The writer a lease was taken over from may have deleted an entity that is wanted again.
        return [
            entity.key
            for entity in self.changed
            if not entity.is_search and (self._unknown(entity) or self.granted.taken_over)
        ]

    def renames(self) -> list[tuple[EntityKey, Entity]]:
        """Pairs of an entity that goes and one that comes, where a blueprint has exactly one of each."""
        pairs = []
        # One that is owned with an unknown hash may be what an earlier try wanted to rename to.
        new = [entity for entity in self.changed if self._unknown(entity)]
        for blueprint in {key.blueprint for key in self.unwanted}:
            going = [key for key in self.unwanted if key.blueprint == blueprint and not is_search(key)]
            coming = [entity for entity in new if entity.blueprint == blueprint and not entity.is_search]
            if len(going) == 1 and len(coming) == 1:
                pairs.append((going[0], coming[0]))
        return pairs

    def to_write(self) -> list[Entity]:
        """What has to be written after the renames, with what was kept of entities that got a new identifier."""
        return [self._with_copied(entity) for entity in self.changed if entity.key not in self.renamed]

    def leaving(self) -> list[EntityKey]:
        """The entities that are not the object's any more after the renames."""
        return [key for key in self.unwanted if key not in self.renamed.values() and not is_search(key)]

    def keeps(self, key: EntityKey) -> None:
        """The object goes on owning an entity that it does not make any more."""
        self.settled.owns[str(key)] = self.granted.item.owns[str(key)]
        self.settled.planned.append(key)

    def _unknown(self, entity: Entity) -> bool:
        return self.granted.item.owns.get(str(entity.key), UNKNOWN) == UNKNOWN

    def _with_copied(self, entity: Entity) -> Entity:
        copied = self.copied.get(entity.key)
        if not copied:
            return entity
        properties = {**copied.get("properties", {}), **entity.fields.get("properties", {})}
        return replace(entity, fields={**copied, **entity.fields, "properties": properties})


def is_search(key: EntityKey) -> bool:
    """Whether it names an entity that Port finds by a query, and that belongs to nobody here."""
    return key.identifier.startswith("?")


def for_each(shares: Iterable[Share], step: Callable[[Share], None]) -> None:
    """One step of the settlement for every object that has not failed yet; a failure ends only that object's part."""
    for share in shares:
        if share.error is not None:
            continue
        try:
            step(share)
        except BitbucketPortError as error:
            fail([share], error)


def fail(shares: Iterable[Share], error: BitbucketPortError) -> None:
    """End these objects' part; what would fail all others just as well rises."""
    for share in shares:
        share.error = share.error or error
    if concerns_all(error):
        raise error


def concerns_all(error: BitbucketPortError) -> bool:
    """Whether going on with other objects is useless: refused credentials, or a limit that lasts."""
    long = isinstance(error, TransientError) and (error.retry_after or 0) > LONG_WAIT_SECONDS
    return long or isinstance(error, CredentialsRefusedError)
