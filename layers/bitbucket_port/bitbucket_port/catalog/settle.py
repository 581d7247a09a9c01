"""From the entities an object makes to the same entities in Port: the writing half of the protocol.

Everything here happens under the object's lease. What may be written is recorded before it is written, so that a
writer that dies between any two calls leaves enough behind for the next one to finish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from bitbucket_port.catalog.items import MOST_ENTITIES, UNKNOWN, EntityItem, Granted
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outside import Followers, Writer
from bitbucket_port.errors import BusyError, NotFoundError, PermanentError, TransientError
from bitbucket_port.objects import Entity, EntityKey, JsonObject, SourceKey

if TYPE_CHECKING:
    from bitbucket_port.mapping.model import Mapped
    from bitbucket_port.port.client import Written

BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The mapping's own switches that Port is told with every write."""

    merge: bool = True
    create_missing: bool = True
    delete_dependents: bool = False


@dataclass(slots=True)
class Settled:
    """What the object owns now, and what was done to get there."""

    owns: dict[str, str]
    written: int = 0
    renamed: int = 0
    deleted: int = 0
    problems: list[str] = field(default_factory=list)


class Settlement:
    """One object's entities, brought to Port under a lease. For one use."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        port: Writer,
        followers: Followers,
        options: WriteOptions,
        granted: Granted,
        until: float,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._port = port
        self._followers = followers
        self._options = options
        self._granted = granted
        self._source: SourceKey = granted.item.key
        self._until = until
        self._clock = clock
        self._copied: dict[EntityKey, JsonObject] = {}
        self.touched_port = False

    def settle(self, mapped: Mapped, *, intended: Iterable[str] = ()) -> Settled:
        """Write what differs, rename what moved, delete what is no longer made.

        ``intended`` are the entity keys already recorded with the lease. An incomplete ``mapped`` deletes nothing.
        Raises TransientError when something must be tried again, PermanentError when there are too many entities.
        """
        wanted = {entity.key: entity for entity in mapped.entities}
        owns = dict(self._granted.item.owns)
        if len(wanted) > MOST_ENTITIES:
            raise PermanentError(
                f"{self._source} makes {len(wanted)} entities, more than {MOST_ENTITIES}: split it with the selector"
            )
        self._intend([str(key) for key in wanted if str(key) not in owns and str(key) not in set(intended)])
        changed = [
            entity
            for key, entity in wanted.items()
            if self._granted.taken_over or owns.get(str(key)) != entity.content_hash
        ]
        unwanted = [key for key in map(EntityKey.parse, owns) if key not in wanted] if mapped.complete else []
        settled = Settled({str(key): entity.content_hash for key, entity in wanted.items()})
        if not mapped.complete:
            settled.owns = {**owns, **settled.owns}
        undecided = self._join(changed, owns)
        # One that is owned with an unknown hash may be what an earlier try wanted to rename to.
        new = [entity for entity in changed if owns.get(str(entity.key), UNKNOWN) == UNKNOWN]
        renames = _renames(unwanted, new)
        renamed = self._rename(renames, settled)
        self._upsert([entity for entity in changed if entity.key not in renamed], undecided, settled)
        self._delete([key for key in unwanted if key not in renamed.values()], settled)
        return settled

    # --- recording what is about to happen ---------------------------------------------------------------------------

    def _intend(self, intents: Sequence[str]) -> None:
        if intents and not self._ledger.intend(self._granted.item, self._granted.token, intents):
            raise TransientError(f"the lease of {self._source} was lost before anything was written")

    def _join(self, changed: Sequence[Entity], owns: dict[str, str]) -> set[EntityKey]:
        """Become a source of every entity not known to be written; returns those whose ownership is undecided."""
        undecided = set()
        for entity in changed:
            # The writer a lease was taken over from may have deleted an entity that is wanted again.
            surely_joined = owns.get(str(entity.key), UNKNOWN) != UNKNOWN and not self._granted.taken_over
            if entity.is_search or surely_joined:
                continue
            before = self._ledger.join(entity.key, self._source, now=self._clock())
            if before is None:
                raise BusyError(f"{entity.key} is being deleted by another object", retry_after=BUSY_SECONDS)
            if before.ours is None:
                undecided.add(entity.key)
        return undecided

    # --- renaming ----------------------------------------------------------------------------------------------------

    def _rename(self, renames: Sequence[tuple[EntityKey, Entity]], settled: Settled) -> dict[EntityKey, EntityKey]:
        """Give entities their new identifiers; returns new key → old key of those that need no other write."""
        done = {}
        for old, entity in renames:
            mark, item = self._mark(old)
            if mark != "marked":
                continue
            if item.ours is False:
                self._ledger.spare(old, self._granted.token)
                continue
            self.touched_port = True
            try:
                left_out = self._port.rename(old, entity, create_missing=self._options.create_missing)
            except NotFoundError:
                self._ledger.spare(old, self._granted.token)  # Renamed by a writer that died, or never written.
                continue
            except PermanentError as refusal:
                settled.problems.append(f"{old} could not be renamed to {entity.key.identifier}: {refusal}")
                self._copy_unmapped(old, entity, settled)
                self._ledger.spare(old, self._granted.token)
                continue
            self._ledger.settle_ownership(entity.key, ours=item.ours is True)
            self._ledger.drop(old, self._granted.token)
            done[entity.key] = old
            settled.renamed += 1
            self._note_left_out(entity, left_out, settled)
        return done

    def _copy_unmapped(self, old: EntityKey, entity: Entity, settled: Settled) -> None:
        """Remember what people added to an entity that has to be written anew under another identifier."""
        existing = self._port.get(old)
        if existing is None or self._port.get(entity.key) is not None:
            return
        mapped = entity.fields.get("properties", {})
        kept = {
            name: value
            for name, value in existing.get("properties", {}).items()
            if name not in mapped and value is not None
        }
        self._copied[entity.key] = {"properties": kept}
        if existing.get("team") and "team" not in entity.fields:
            self._copied[entity.key]["team"] = existing["team"]
        for other in self._port.relating_to(old):
            settled.problems.append(
                f"{other.get('blueprint')}#{other.get('identifier')} relates to {old}, which is now {entity.key}: "
                "point it there unless it follows by itself"
            )

    # --- writing -----------------------------------------------------------------------------------------------------

    def _upsert(self, entities: Sequence[Entity], undecided: set[EntityKey], settled: Settled) -> None:
        if not entities:
            return
        self.touched_port = True
        bodies = [self._with_copied(entity) for entity in entities]
        existing = self._create([entity for entity in bodies if entity.key in undecided], settled)
        rest = [entity for entity in bodies if entity.key not in undecided or entity.key in existing]
        again = []
        for written in self._write(rest, create_only=False):
            if written.outcome == "retry":
                again.append(written.reason or "")
            self._note(written.entity, written.outcome, written.reason, written.trimmed, settled)
        if again:
            raise TransientError(f"Port did not take {len(again)} entities for now: {again[0]}")

    def _create(self, entities: Sequence[Entity], settled: Settled) -> set[EntityKey]:
        """Create entities we never wrote; returns those that exist already, with their ownership decided.

        Creating tells in the same request whether the entity is ours. One that exists is ours only if Port showed it
        under our datasource before we touched it.
        """
        existing: list[EntityKey] = []
        for written in self._write(entities, create_only=True):
            if written.outcome == "exists":
                existing.append(written.entity.key)
                continue
            if written.outcome == "retry":
                raise TransientError(f"Port did not create {written.entity.key} for now: {written.reason}")
            if written.outcome == "created":
                self._ledger.settle_ownership(written.entity.key, ours=True)
            self._note(written.entity, written.outcome, written.reason, written.trimmed, settled)
        for blueprint, keys in groupby(sorted(existing), key=lambda key: key.blueprint):
            found = list(keys)
            ours = self._port.ours(blueprint, [key.identifier for key in found])
            for key in found:
                self._ledger.settle_ownership(key, ours=key.identifier in ours)
        return set(existing)

    def _write(self, entities: Sequence[Entity], *, create_only: bool) -> Sequence[Written]:
        if not entities:
            return []
        return self._port.upsert(
            entities,
            create_only=create_only,
            merge=self._options.merge,
            create_missing=self._options.create_missing,
        )

    def _note(self, entity: Entity, outcome: str, reason: str | None, trimmed: Sequence[str], settled: Settled) -> None:
        if outcome == "refused":
            settled.owns[str(entity.key)] = UNKNOWN
            settled.problems.append(f"Port refused {entity.key}: {reason}")
        else:
            settled.written += 1
        self._note_left_out(entity, trimmed, settled)

    def _note_left_out(self, entity: Entity, trimmed: Sequence[str], settled: Settled) -> None:
        if trimmed:
            settled.problems.append(
                f"{entity.key}: the blueprint in Port has no {', '.join(trimmed)}; left out, the rest was written"
            )

    def _with_copied(self, entity: Entity) -> Entity:
        copied = self._copied.get(entity.key)
        if not copied:
            return entity
        properties = {**copied["properties"], **entity.fields.get("properties", {})}
        return replace(entity, fields={**copied, **entity.fields, "properties": properties})

    # --- deleting ----------------------------------------------------------------------------------------------------

    def _delete(self, unwanted: Sequence[EntityKey], settled: Settled) -> None:
        """Delete entities nobody makes any more; what cannot be deleted stays owned, so that it is tried again."""
        marked = [key for key in unwanted if not key.identifier.startswith("?") and self._ours_to_delete(key, settled)]
        for blueprint, keys in groupby(sorted(marked), key=lambda key: key.blueprint):
            found = list(keys)
            self.touched_port = True
            deleted = self._port.delete(
                blueprint,
                [key.identifier for key in found],
                delete_dependents=self._options.delete_dependents,
            )
            for key in found:
                if key.identifier in deleted.blocked:
                    self._ledger.spare(key, self._granted.token)
                    settled.owns[str(key)] = UNKNOWN
                    settled.problems.append(f"{key} could not be deleted: {deleted.blocked[key.identifier]}")
                else:
                    self._ledger.drop(key, self._granted.token)
                    settled.deleted += 1

    def _ours_to_delete(self, key: EntityKey, settled: Settled) -> bool:
        mark, item = self._mark(key)
        if mark != "marked":
            return False
        if item.ours is False:
            settled.problems.append(f"{key} was in Port before us: it is no longer kept up to date, and not deleted")
            self._ledger.drop(key, self._granted.token)
            return False
        return True

    def _mark(self, key: EntityKey) -> tuple[str, EntityItem]:
        """Announce the deletion of an entity, or leave it to its other sources."""
        while True:
            mark, item = self._ledger.mark_deleting(
                key, self._source, self._granted.token, now=self._clock(), until=self._until
            )
            if mark == "busy":
                raise BusyError(f"{key} is being deleted by another object", retry_after=BUSY_SECONDS)
            if mark != "shared" or self._leave(key, item):
                break
        if mark == "marked" and item.ours is None:
            # A writer died before it could decide. It had not changed the entity yet, or had just created it.
            item = replace(item, ours=key.identifier in self._port.ours(key.blueprint, [key.identifier]))
        return mark, item

    def _leave(self, key: EntityKey, item: EntityItem) -> bool:
        """Stop being a source of a shared entity; False when we became its last one.

        We may have written the entity after the others did, and only they know what belongs there now.
        """
        if str(self._source) in item.sources:
            for other in sorted(item.sources - {str(self._source)}):
                self._followers.rewrite(SourceKey.parse(other))
        return self._ledger.leave(key, self._source)


def _renames(unwanted: Sequence[EntityKey], new: Sequence[Entity]) -> list[tuple[EntityKey, Entity]]:
    """Pairs of an entity that goes and one that comes, where a blueprint has exactly one of each."""
    pairs = []
    for blueprint in {key.blueprint for key in unwanted}:
        going = [key for key in unwanted if key.blueprint == blueprint and not key.identifier.startswith("?")]
        coming = [entity for entity in new if entity.blueprint == blueprint and not entity.is_search]
        if len(going) == 1 and len(coming) == 1:
            pairs.append((going[0], coming[0]))
    return pairs
