"""What applying a reading needs of the rest of the world, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bitbucket_port.catalog.items import Facts
from bitbucket_port.objects import Address, Entity, EntityKey, JsonObject, Kind, SourceKey

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Mapped
    from bitbucket_port.mapping.scope import Question
    from bitbucket_port.port.client import Deleted, Written


Ask = Callable[["Question"], bool]


@dataclass(frozen=True, slots=True)
class Reading:
    """What we know of an object at a moment, in the shape of Bitbucket's REST API.

    ``version`` is epoch microseconds, None where the object tells no time. ``parent`` is the project a repository
    belongs to.
    """

    object: JsonObject
    version: int | None
    facts: Facts
    parent: tuple[SourceKey, Address] | None = None


class Reader(Protocol):
    """Bitbucket, asked for one object."""

    def read(self, key: SourceKey, address: Address) -> Reading:
        """The object now. Raises NotFoundError when it, under exactly this id, does not exist there."""

    def check_source(self) -> None:
        """Raises unless what contains projects and repositories (the workspace, the server) answers us."""

    def ask(self, question: Question) -> bool:
        """Whether an object matches what only Bitbucket can evaluate."""


class Mapper(Protocol):
    """The mapping, applied to one object."""

    def map(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        """The entities the object makes."""

    def ageless(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        """What the object would make if nothing ever left the catalog by age (``closedWithinDays``)."""

    def map_payload(self, kind: Kind, obj: JsonObject) -> Mapped:
        """The entities of a payload as far as it goes: what it does not carry is left out."""

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        """Why the mapping could make something else of the REST object than of this payload; empty: it cannot."""


class Writer(Protocol):
    """Port, as far as entities go."""

    def upsert(
        self, entities: Sequence[Entity], *, create_only: bool = False, merge: bool, create_missing: bool
    ) -> list[Written]:
        """Write entities; one result each, in the same order."""

    def rename(self, old: EntityKey, entity: Entity, *, create_missing: bool) -> Written:
        """Change an entity's identifier and content in one step."""

    def delete(self, blueprint: str, identifiers: Sequence[str], *, delete_dependents: bool) -> Deleted:
        """Delete entities; those that are not there count as deleted."""

    def ours(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """Which of these Port shows under our datasource."""

    def get(self, key: EntityKey) -> JsonObject | None:
        """The entity, None when there is none."""

    def relating_to(self, key: EntityKey) -> list[Any]:
        """The entities with a relation to this one."""


class Followers(Protocol):
    """Work on what hangs below an object, done later by a job."""

    def follow(self, container: SourceKey, before: Facts, after: Facts, *, left: Sequence[EntityKey] = ()) -> None:
        """The container moved or was renamed: look at its children anew. ``left``: what it does not make any more."""

    def rewrite(self, key: SourceKey) -> None:
        """Another object wrote an entity of this one: read it and write all of its entities again."""

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        """The container is gone for certain: remove its children, then itself."""
