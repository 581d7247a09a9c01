"""From the entities objects make to the same entities in Port: the writing half of the protocol.

Everything here happens under the objects' leases. What may be written is recorded before it is written, so that a
writer that dies between any two calls leaves enough behind for the next one to finish. Several objects share the
requests to Port, never a fate: one that fails keeps its mark, the others are done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from bitbucket_port.catalog.bulk import BulkWriting, WriteOptions
from bitbucket_port.catalog.items import UNKNOWN, EntityItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Removals
from bitbucket_port.catalog.outside import Followers, Writer
from bitbucket_port.catalog.ownership import ours_among
from bitbucket_port.catalog.share import Share, fail, for_each
from bitbucket_port.errors import BitbucketPortError, BusyError, NotFoundError, PermanentError, TransientError
from bitbucket_port.objects import Entity, EntityKey, JsonObject, SourceKey

__all__ = ["BUSY_SECONDS", "Settlement", "WriteOptions"]

BUSY_SECONDS = 5.0


class Settlement:
    """The entities of one or several objects, brought to Port under their leases. For one use."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        port: Writer,
        followers: Followers,
        options: WriteOptions,
        until: float,
        clock: Callable[[], float],
        removals: Removals = "allow",
    ) -> None:
        self._ledger = ledger
        self._port = port
        self._followers = followers
        self._options = options
        self._until = until
        self._clock = clock
        self._removals = removals
        self._bulk = BulkWriting(ledger=ledger, port=port, options=options)

    def settle(self, shares: Sequence[Share]) -> None:
        """Write what differs, rename what moved, delete what is no longer made (where removals are not deferred).

        What becomes of each object is in its share, an error included; one that would fail every object is raised.
        """
        for_each(shares, self._record)
        for_each(shares, self._rename)
        self._bulk.write(shares)
        self._delete(shares)

    # --- recording what is about to happen ---------------------------------------------------------------------------

    def _record(self, share: Share) -> None:
        share.check()
        intents = share.intents()
        if intents and not self._ledger.intend(share.granted.item, share.granted.token, intents):
            raise TransientError(f"the lease of {share.source} was lost before anything was written")
        for key in share.to_join():
            before = self._ledger.join(key, share.source, now=self._clock())
            if before is None:
                raise BusyError(f"{key} is being deleted by another object", retry_after=BUSY_SECONDS)
            if before.ours is None:
                share.undecided.add(key)

    # --- renaming ----------------------------------------------------------------------------------------------------

    def _rename(self, share: Share) -> None:
        """Give entities their new identifiers; those need no other write."""
        for old, entity in share.renames():
            mark, item = self._mark(old, share)
            if mark != "marked":
                continue
            token = share.granted.token
            if item.ours is False:
                self._ledger.spare(old, token)
                continue
            share.touched_port = True
            try:
                written = self._port.rename(old, entity, create_missing=self._options.create_missing)
            except NotFoundError:
                self._ledger.spare(old, token)  # Renamed by a writer that died, or never written.
                share.absent.add(old)
                continue
            except PermanentError as refusal:
                share.settled.problems.append(f"{old} could not be renamed to {entity.key.identifier}: {refusal}")
                self._copy_unmapped(old, entity, share)
                self._ledger.spare(old, token)
                continue
            self._ledger.settle_ownership(entity.key, ours=item.ours is True)
            self._ledger.drop(old, token)
            share.renamed[entity.key] = old
            share.settled.renamed += 1
            self._bulk.note_left_out(share, entity, written)

    def _copy_unmapped(self, old: EntityKey, entity: Entity, share: Share) -> None:
        """Remember what people added to an entity that has to be written anew under another identifier.

        One of that identifier may be there, created by Port because something relates to it: what it has stays. If it
        is another object's nothing is copied.
        """
        existing = self._port.get(old)
        items = self._ledger.entities(entity.blueprint, [entity.key.identifier])
        if existing is None or (entity.key in items and items[entity.key].sources != {str(share.source)}):
            return
        there = self._port.get(entity.key) or {}
        taken = {name for name, value in (there.get("properties") or {}).items() if value is not None}
        taken |= entity.fields.get("properties", {}).keys()
        properties = existing.get("properties") or {}
        kept = {name: value for name, value in properties.items() if name not in taken and value is not None}
        copied: JsonObject = {"properties": kept} if kept else {}
        if existing.get("team") and "team" not in entity.fields and not there.get("team"):
            copied["team"] = existing["team"]
        share.copied[entity.key] = copied
        for other in self._port.relating_to(old):
            share.settled.problems.append(
                f"{other.get('blueprint')}#{other.get('identifier')} relates to {old}, which is now {entity.key}: "
                "point it there unless it follows by itself"
            )

    # --- deleting ----------------------------------------------------------------------------------------------------

    def _delete(self, shares: Sequence[Share]) -> None:
        """Delete entities nobody makes any more; what cannot be deleted stays owned, so that it is tried again."""
        marked: dict[str, list[tuple[Share, EntityKey]]] = {}

        def mark(share: Share) -> None:
            leaving = self._deferred(share) if self._removals == "defer" else share.leaving()
            for key in sorted(key for key in leaving if self._ours_to_delete(key, share)):
                marked.setdefault(key.blueprint, []).append((share, key))

        for_each(shares, mark)
        for blueprint, pairs in marked.items():
            self._delete_of(blueprint, [(share, key) for share, key in pairs if share.error is None])

    def _delete_of(self, blueprint: str, pairs: Sequence[tuple[Share, EntityKey]]) -> None:
        if not pairs:
            return
        for share, _ in pairs:
            share.touched_port = True
        identifiers = [key.identifier for _, key in pairs]
        try:
            deleted = self._port.delete(blueprint, identifiers, delete_dependents=self._options.delete_dependents)
        except BitbucketPortError as error:
            fail([share for share, _ in pairs], error)
            return
        for share, key in pairs:
            for_each([share], lambda share, key=key: self._forget(share, key, deleted.blocked))  # type: ignore[misc]

    def _forget(self, share: Share, key: EntityKey, blocked: dict[str, str]) -> None:
        if key.identifier in blocked:
            self._ledger.spare(key, share.granted.token)
            share.settled.owns[str(key)] = UNKNOWN
            share.settled.problems.append(f"{key} could not be deleted: {blocked[key.identifier]}")
        else:
            self._ledger.drop(key, share.granted.token)
            share.settled.deleted += 1

    def _deferred(self, share: Share) -> list[EntityKey]:
        """Keep what would have to be deleted in Port; returns what can be given up without that."""
        leaving = share.leaving()
        alone = [key for key in leaving if key not in share.absent]
        items: dict[EntityKey, EntityItem] = {}
        for blueprint, keys in groupby(sorted(alone), key=lambda key: key.blueprint):
            items |= self._ledger.entities(blueprint, [key.identifier for key in keys])
        for key in alone:
            if key in items and items[key].sources == {str(share.source)} and items[key].ours is not False:
                share.keeps(key)
        return [key for key in leaving if key not in share.settled.planned]

    def _ours_to_delete(self, key: EntityKey, share: Share) -> bool:
        mark, item = self._mark(key, share)
        if mark != "marked":
            return False
        if item.ours is False:
            share.settled.problems.append(
                f"{key} was in Port before us: it is no longer kept up to date, and not deleted"
            )
            self._ledger.drop(key, share.granted.token)
            return False
        return True

    def _mark(self, key: EntityKey, share: Share) -> tuple[str, EntityItem]:
        """Announce the deletion of an entity, or leave it to its other sources."""
        while True:
            mark, item = self._ledger.mark_deleting(
                key, share.source, share.granted.token, now=self._clock(), until=self._until
            )
            if mark == "busy":
                raise BusyError(f"{key} is being deleted already", retry_after=self._patience(item, share.source))
            if mark != "shared" or self._leave(key, item, share.source):
                break
        if mark == "marked" and item.ours is None:
            # A writer died before it could decide. It had not changed the entity yet, or had just created it.
            ours = ours_among(key.blueprint, [key.identifier], ledger=self._ledger, port=self._port)
            item = replace(item, ours=key.identifier in ours)
        return mark, item

    def _patience(self, item: EntityItem, source: SourceKey) -> float:
        """Seconds until another try: what the object itself announced, in a try that failed, holds until its end."""
        if item.deleting is None or str(source) not in item.sources:
            return BUSY_SECONDS
        return max(BUSY_SECONDS, item.deleting.until - self._clock() + 1)

    def _leave(self, key: EntityKey, item: EntityItem, source: SourceKey) -> bool:
        """Stop being a source of a shared entity; False when we became its last one.

        We may have written the entity after the others did, and only they know what belongs there now.
        """
        if str(source) in item.sources:
            for other in sorted(item.sources - {str(source)}):
                self._followers.rewrite(SourceKey.parse(other))
        return self._ledger.leave(key, source)
