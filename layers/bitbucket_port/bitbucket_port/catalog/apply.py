"""From a change to the catalog: one writer per object at a time, and nothing deleted because something failed.

The order of steps is the protocol of the ledger (docs/protocol.md). A webhook's payload is used where it is newer than
what we know and the mapping can make nothing else of the REST object; everything else reads the object under its lease.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bitbucket_port.catalog.above import Above, above, container_of
from bitbucket_port.catalog.adopting import Adopter
from bitbucket_port.catalog.held import (
    Held,
    LeasedWriter,
    Recorded,
    Timing,
    Work,
    left_alone,
    new_entities,
    newest,
    unchanged,
)
from bitbucket_port.catalog.items import UNKNOWN, Facts, Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.looks import SECOND_LOOK_SECONDS, Looks, read_now, refreshed
from bitbucket_port.catalog.outcome import Outcome, Removals
from bitbucket_port.catalog.outside import Ask, Followers, Mapper, Reader, Writer
from bitbucket_port.catalog.page import PageEntry, Pages
from bitbucket_port.catalog.removal import Removal
from bitbucket_port.catalog.settle import BUSY_SECONDS, WriteOptions
from bitbucket_port.errors import BusyError, NotFoundError, PermanentError, StillThereError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import Address, JsonObject, SourceKey
from bitbucket_port.webhooks.change import Change

OLD_DELIVERY_SECONDS = 600.0
BURST_SECONDS = 2.0
LOOKS = 6
SECOND = 1_000_000


class Applier:
    """Applies changes, pages and removals to the catalog.

    ``reader`` is None in webhook-only mode: then payloads are all there is, in the order of their own times.
    ``projects``: a repository's project is mapped too, and read with the first repository that names it.
    ``adopter``: objects of a page that need no write are recorded without a lease; only for whoever has the ledger to
    himself.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        mapper: Mapper,
        port: Writer,
        reader: Reader | None,
        followers: Followers,
        options: WriteOptions,
        projects: bool = False,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        facts_of: Callable[[SourceKey, Address, JsonObject], Facts],
        adopter: Adopter | None = None,
    ) -> None:
        self._ledger = ledger
        self._mapper = mapper
        self._reader = reader
        self._projects = projects
        self._clock = clock
        self._facts_of = facts_of
        self._writer = LeasedWriter(
            ledger=ledger,
            port=port,
            followers=followers,
            options=options,
            timing=timing or Timing(),
            clock=clock,
            sleep=sleep,
        )
        self._removal = Removal(ledger=ledger, writer=self._writer, followers=followers, clock=clock)
        self._looks = Looks(
            ledger=ledger, mapper=mapper, reader=reader, writer=self._writer, removal=self._removal, clock=clock
        )
        self._pages = Pages(
            ledger=ledger,
            mapper=mapper,
            reader=reader,
            writer=self._writer,
            look_all=lambda changes, removals: self._looks.look_all(changes, removals=removals),
            adopter=adopter,
        )

    # --- changes -----------------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> Outcome:
        """Bring what a change says into the catalog.

        Raises TransientError when it must be tried again (BusyError: somebody else is writing the object;
        StillThereError: something missing needs a second look), PermanentError when it can never work.
        """
        return self._until_settled(lambda: self._attempt(change), change.key)

    def _until_settled(self, attempt: Callable[[], Outcome | None], key: SourceKey) -> Outcome:
        for _ in range(LOOKS):
            outcome = attempt()
            if outcome is not None:
                return outcome
        raise BusyError(f"{key} changes faster than it can be written", retry_after=BUSY_SECONDS)

    def _attempt(self, change: Change) -> Outcome | None:
        keys = [change.key, change.container[0]] if change.container else [change.key]
        items = self._ledger.read(keys)
        if self._reader is None:
            return self._apply_blind(change, items[change.key])
        container = items[change.container[0]] if change.container else None
        parent = None
        if container is not None and not container.applied:
            parent = self._apply_container(change).parent
            container = self._ledger.read([container.key])[container.key]
        if self._needs_read(change, container):
            outcome = self._apply_refresh(change, items[change.key], self._reader)
        else:
            outcome = self._apply_payload(change, items[change.key], self._reader)
        return replace(outcome, parent=parent) if outcome is not None and parent is not None else outcome

    def _apply_container(self, change: Change) -> Outcome:
        """Read the repository of a pull request that we never saw, so that it comes before what hangs below it."""
        if change.container is None:
            raise ValueError(f"{change.key} has no container")
        return self.apply(Change.hint(*change.container, change.received))

    def _needs_read(self, change: Change, container: ObjectItem | None) -> bool:
        return (
            change.object is None
            or change.version is None
            or change.action == "delete"
            or change.foreign
            or change.reduced
            or self._clock() - change.received > OLD_DELIVERY_SECONDS
            or (container is not None and (not container.applied or container.facts.gone))
            or (container is not None and (_changes_name(container) or self._named_otherwise(change, container)))
            or bool(self._mapper.payload_gaps(change.kind, change.object))
        )

    def _named_otherwise(self, change: Change, container: ObjectItem) -> bool:
        """Whether payload and ledger know the repository by different names: one of them is from before a rename."""
        name = self._facts_of(change.key, change.address, change.object or {}).full_name
        return bool(container.facts.full_name) and name != container.facts.full_name

    # --- payload -----------------------------------------------------------------------------------------------------

    def _apply_payload(self, change: Change, item: ObjectItem, reader: Reader) -> Outcome | None:
        if change.object is None or change.version is None:
            raise ValueError(f"the change of {change.key} carries no object that could be mapped")
        tied = item.version is not None and _tied(item.version, change.version)
        if item.version is not None and item.version > change.version and not tied:
            return Outcome(change.key, "stale", "payload")
        mapped = self._mapper.map(change.kind, change.object, ask=reader.ask)
        if tied and not unchanged(item, mapped):
            return self._apply_refresh(change, item, reader)
        version = newest(item.version, change.version) or change.version
        return self._write_payload(change, item, mapped, Guard(version_below=change.version), version)

    def _write_payload(
        self, change: Change, item: ObjectItem, mapped: Mapped, guard: Guard, version: int
    ) -> Outcome | None:
        now = self._clock()
        if unchanged(item, mapped):
            moved = self._ledger.move(item, version=version, read_at=now, received=change.received)
            return left_alone(item, mapped, "payload") if moved else None
        intents = new_entities(item, mapped)
        lease = self._writer.wait_for(item, guard, intents)
        if lease is None:
            return None
        with lease as held:
            return self._writer.settle(
                Work(
                    held,
                    mapped,
                    Recorded("payload", version=version, read_at=now, received=change.received),
                    self._facts_of(change.key, change.address, change.object or {}),
                    tuple(intents),
                )
            )

    def _apply_blind(self, change: Change, item: ObjectItem) -> Outcome | None:
        """Webhook-only mode: the event's own time decides the order, and a delete event is all there is to know."""
        # What has no time in itself is ordered by its events' own times, or as it arrives; never by a mixture.
        told = (change.version, change.event_time) if change.kind == "pull-request" else (change.event_time,)
        version = max((time for time in told if time is not None), default=int(change.received * SECOND))
        later = item.version is None or (version, change.received) > (item.version, item.received)
        if change.action == "delete" or change.foreign:
            if not later:
                return Outcome(change.key, "stale", "payload")
            return self._removal.remove(item, Guard(version, change.received), version, change.received)
        if change.object is None:
            problem = f"the event about {change.key} tells too little to be mapped, and Bitbucket may not be asked"
            return Outcome(change.key, "unreadable", problems=(problem,))
        mapped = self._mapper.map_payload(change.kind, change.object)
        if not later:
            return Outcome(change.key, "unchanged" if unchanged(item, mapped) else "stale", "payload")
        return self._write_payload(change, item, mapped, Guard(version, change.received), version)

    # --- refresh -----------------------------------------------------------------------------------------------------

    def rewrite(self, key: SourceKey) -> Outcome:
        """Read an object and write everything it makes, whatever the ledger thinks is in Port."""

        def attempt() -> Outcome | None:
            item = self._ledger.read([key])[key]
            if item.facts.address is None and item.lease is not None and item.lease.live(self._clock()):
                raise BusyError(f"{key} is being written for the first time", retry_after=BUSY_SECONDS)
            if self._reader is None or item.facts.address is None or not item.owns:
                return Outcome(key, "not needed")
            change = Change.hint(key, item.facts.address, self._clock())
            return self._apply_refresh(change, item, self._reader, rewrite=True)

        return self._until_settled(attempt, key)

    def _covered(self, change: Change, item: ObjectItem) -> bool:
        """Whether a refresh asked after this delivery came in has seen its change, and nothing older came since."""
        if item.refreshed_at <= change.received + BURST_SECONDS or item.missing_since is not None:
            return False
        if item.lease is not None or change.action != "upsert":
            return False
        known = change.version is not None and item.version is not None and change.version <= item.version
        return known or item.read_at == item.refreshed_at

    def _cover(self, change: Change, item: ObjectItem) -> Outcome | None:
        """Done without a read; its version still keeps older payloads out."""
        done = Outcome(change.key, "unchanged", "none")
        if change.version is None or (item.version is not None and change.version <= item.version):
            return done
        moved = self._ledger.move(item, version=change.version, read_at=item.read_at, received=item.received)
        return done if moved else None

    def _apply_refresh(
        self, change: Change, item: ObjectItem, reader: Reader, *, rewrite: bool = False
    ) -> Outcome | None:
        if not rewrite and self._covered(change, item):
            return self._cover(change, item)
        lease = self._writer.wait_for(item, Guard())
        if lease is None:
            return None
        if rewrite:
            lease.granted = replace(lease.granted, taken_over=True)
        with lease as held:
            asked = self._clock()
            try:
                reading = read_now(reader, change, held.granted.item)
            except NotFoundError:
                return self._missing(change, held, reader, asked)
            self._believe(change, asked)
            container = self._look_after(above(change.key, reading), change.received)
            mapped = self._mapper.map(change.kind, reading.object, ask=reader.ask)
            outcome = self._writer.settle(Work(held, mapped, refreshed(change, held, reading, asked), reading.facts))
        return replace(outcome, parent=container)

    def _look_after(self, container: Above | None, received: float) -> Outcome | None:
        """Read what is above the object if it has another name than we know, and a project that we never saw.

        Before the object is committed: a repository that is in the ledger then has its project there, whoever was
        killed on the way. Later it would be too late, as another delivery of the same change finds nothing to do.
        """
        if container is None or (container.key.kind == "project" and not self._projects):
            return None
        item = self._ledger.read([container.key])[container.key]
        unseen = container.key.kind == "project" and not item.applied
        if not unseen and not container.is_renamed(item):
            return None
        try:
            return self.apply(Change.hint(container.key, container.address, received))
        except PermanentError as error:
            return Outcome(container.key, "unreadable", problems=(str(error),))

    def _believe(self, change: Change, now: float) -> None:
        """A delete event whose object is still there may only be ahead of Bitbucket's own copies."""
        if change.action == "delete" and now - change.received < SECOND_LOOK_SECONDS:
            raise StillThereError(f"{change.key} was deleted but still answers", retry_after=10.0)

    # --- what is missing ---------------------------------------------------------------------------------------------

    def _missing(self, change: Change, held: Held, reader: Reader, asked: float) -> Outcome:
        item, now = held.granted.item, self._clock()
        announced = change.action == "delete" or change.foreign
        if not announced:
            if not item.owns and not self._removal.has_children(item):
                held.give_up()  # Nothing could be lost by it, unless it is so new that Bitbucket does not show it yet.
                wait = change.received + SECOND_LOOK_SECONDS - now
                if wait > 0 and not item.facts.gone:
                    raise StillThereError(f"{item.key} was not found yet, a later look decides", retry_after=wait + 1)
                return Outcome(item.key, "absent", "refresh")
            since = item.missing_since or now
            if now - since < SECOND_LOOK_SECONDS:
                self._ledger.miss(item.key, held.granted.token, since=since, dirty=held.granted.taken_over)
                wait = SECOND_LOOK_SECONDS - (now - since)
                raise StillThereError(f"{item.key} was not found, a second look decides", retry_after=wait + 1)
            self._check_container(change, reader)
        version = newest(item.version, change.version, int(change.received * SECOND) if announced else None)
        return self._removal.settle(held, version, change.received, asked)

    def _check_container(self, change: Change, reader: Reader) -> None:
        """An answer "not found" counts only while what contains the object answers; refusals rise from the reader."""
        container = container_of(change, self._ledger)
        if container is None:
            reader.check_source()
            return
        try:
            reader.read(*container)
        except NotFoundError:
            self.apply(Change.hint(*container, self._clock()))

    def remove(self, key: SourceKey, *, version: int | None) -> Outcome:
        """Remove an object whose container is gone for certain, or a container after its children."""

        def attempt() -> Outcome | None:
            item = self._ledger.read([key])[key]
            if not item.known or not item.owns:
                return Outcome(key, "absent")
            return self._removal.remove(item, Guard(), newest(item.version, version), self._clock())

        return self._until_settled(attempt, key)

    # --- pages -------------------------------------------------------------------------------------------------------

    def apply_page(
        self, entries: Sequence[PageEntry], *, asked: float, removals: Removals = "allow", ask: Ask | None = None
    ) -> list[Outcome]:
        """See ``Pages.apply``."""
        return self._pages.apply(entries, asked=asked, removals=removals, ask=ask)

    def look(self, change: Change, *, removals: Removals) -> Outcome:
        """See ``Looks.look``."""
        return self._looks.look(change, removals=removals)

    def look_all(self, changes: Sequence[Change], *, removals: Removals) -> list[Outcome]:
        """See ``Looks.look_all``."""
        return self._looks.look_all(changes, removals=removals)


def _tied(known: int, version: int) -> bool:
    """Whether two versions cannot be told apart: equal, or the payload's is cut to a second (Data Center 10)."""
    return known == version or (version % SECOND == 0 and known // SECOND == version // SECOND)


def _changes_name(container: ObjectItem) -> bool:
    """Whether somebody is giving its entity another identifier, or died over it.

    A payload may still say the old name, and so does the ledger until that is done: what relates to the old identifier
    would bring it back.
    """
    return container.lease is not None and UNKNOWN in container.owns.values()
