"""What the catalog needs of its ledger; every method is one atomic step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, Protocol

from bitbucket_port.catalog.items import Commit, EntityItem, Granted, Guard, ObjectItem, Refused
from bitbucket_port.objects import EntityKey, Kind, SourceKey

DeleteMark = Literal["marked", "shared", "busy", "absent"]


class Ledger(Protocol):
    """The steps of the protocol, each one conditional write or consistent read.

    All times are epoch seconds of the caller's clock. Every method raises TransientError when the database throttles
    or cannot be reached.
    """

    def read(self, keys: Collection[SourceKey]) -> dict[SourceKey, ObjectItem]:
        """The items of all keys, consistently; an object without an item comes back with ``known`` False."""

    def take_lease(
        self, item: ObjectItem, token: str, *, now: float, until: float, guard: Guard, intents: Collection[str] = ()
    ) -> Granted | Refused:
        """Become the only writer of the object and, in the same write, own ``intents`` with an unknown hash."""

    def intend(self, item: ObjectItem, token: str, intents: Collection[str]) -> bool:
        """Own more entities with an unknown hash; False when the lease is no longer ours."""

    def move(self, item: ObjectItem, *, version: int | None, read_at: float, received: float) -> bool:
        """Note a reading that changes nothing: only without any lease, and if ``item`` is still what was compared.

        Without the second condition an older reading that was applied in between would pass for the newer one.
        """

    def commit(self, key: SourceKey, token: str, commit: Commit, *, now: float) -> bool:
        """Write the result and give the lease up; False when the lease is no longer ours."""

    def release(self, key: SourceKey, token: str, *, dirty: bool) -> None:
        """Give the lease up without a result; ``dirty`` leaves an expired one, so that the next writer rewrites all."""

    def miss(self, key: SourceKey, token: str, *, since: float, dirty: bool) -> None:
        """Note when the object was first found missing, and give the lease up as ``release`` does."""

    def join(self, entity: EntityKey, source: SourceKey, *, now: float) -> EntityItem | None:
        """Become one of the entity's sources; None while another object deletes it."""

    def leave(self, entity: EntityKey, source: SourceKey) -> bool:
        """Stop being one of the entity's sources; False for the last one, which has to delete the entity instead."""

    def settle_ownership(self, entity: EntityKey, *, ours: bool) -> None:
        """Decide whether the entity is ours to delete."""

    def mark_deleting(
        self, entity: EntityKey, source: SourceKey, token: str, *, now: float, until: float
    ) -> tuple[DeleteMark, EntityItem]:
        """Announce the deletion of an entity, which works only while ``source`` is its only source."""

    def drop(self, entity: EntityKey, token: str) -> None:
        """Forget an entity whose deletion was announced with this token."""

    def spare(self, entity: EntityKey, token: str) -> None:
        """Take the announcement of a deletion back."""

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """The items of these entities, consistently; those without an item are left out."""

    def accept(self, entity: EntityKey, accepted: str) -> None:
        """Keep with the entity how Port shows it although it was just written; nothing for one without an item."""

    def forget_hash(self, key: SourceKey, entities: Collection[EntityKey], *, now: float) -> bool:
        """Note that Port does not show these entities as the object wrote them, so that its next reading writes them.

        Those the object does not own are passed over. False while somebody writes the object: whoever does would record
        what it knows. An expired lease says the same already and stays.
        """

    def objects(self, kind: Kind, container: str) -> Iterator[ObjectItem]:
        """Every object of a container: of a source, or the pull requests of ``SourceKey.children_container``."""

    def children(self, container: str) -> Iterator[ObjectItem]:
        """The pull requests below a repository (``SourceKey.children_container``)."""

    def in_source(self, kind: Literal["project", "repository"], source: str) -> Iterator[ObjectItem]:
        """All projects or repositories of a source."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """Keep small facts about the stack itself; returns what is kept afterwards (the first writer's)."""

    def noted(self, name: str) -> Mapping[str, str]:
        """What ``note`` kept under this name; empty when nothing was."""
