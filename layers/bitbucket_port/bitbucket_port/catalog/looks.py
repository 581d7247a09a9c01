"""Looking at objects that a listing did not show: only Bitbucket's own answer says whether they are gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bitbucket_port.catalog.above import Above, above, container_of
from bitbucket_port.catalog.held import Held, LeasedWriter, Recorded, Work, abandon, failed, newest
from bitbucket_port.catalog.items import Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome, Removals
from bitbucket_port.catalog.outside import Mapper, Reader, Reading
from bitbucket_port.catalog.page import WRITTEN_AT_ONCE, is_aged
from bitbucket_port.catalog.removal import Removal, removed
from bitbucket_port.catalog.settle import BUSY_SECONDS
from bitbucket_port.catalog.share import concerns_all
from bitbucket_port.errors import BitbucketPortError, BusyError, NotFoundError, StillThereError
from bitbucket_port.objects import SourceKey
from bitbucket_port.webhooks.change import Change

SECOND_LOOK_SECONDS = 60.0
TRIES = 6
ANSWER_SECONDS = 120.0
"""How long it counts that a container answered, as long as that was after its children were first found missing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """An object that was read under its lease; ``reading`` is None for one that is gone for certain."""

    change: Change
    work: Work
    reading: Reading | None


class Looks:
    """Looks at objects. Nothing here believes that something is gone before the second look."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        mapper: Mapper,
        reader: Reader | None,
        writer: LeasedWriter,
        removal: Removal,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._mapper = mapper
        self._reader = reader
        self._writer = writer
        self._removal = removal
        self._clock = clock
        self._answered: dict[SourceKey | None, float] = {}

    def look(self, change: Change, *, removals: Removals) -> Outcome:
        """Read an object and bring it into the catalog, whatever was read before.

        ``defer`` deletes nothing: entities that would have to go stay owned and are ``planned``; for an object that is
        not found ("absent") these are all of its own, and ``below`` counts what goes with it. That moment is noted.
        ``allow`` deletes what the object does not make any more, and what is not found again, a minute after that.

        Raises what ``Applier.apply`` raises; StillThereError where the first look was less than a minute ago.
        """
        seen = self._see(change, removals)
        if isinstance(seen, Outcome):
            return seen
        with seen.work.held:
            return self._told(seen, self._writer.settle(seen.work, removals=removals))

    def look_all(self, changes: Sequence[Change], *, removals: Removals) -> list[Outcome]:
        """``look`` at several objects, one outcome each; they share their requests to Port (deletions above all).

        Nothing is raised: an object that could not be read or written is "failed". Once something would fail all of
        them (a limit on requests), the rest is not asked for; ``retry_after`` says when to come back for them.
        """
        told: dict[SourceKey, Outcome] = {}
        stopped: BitbucketPortError | None = None
        for start in range(0, len(changes), WRITTEN_AT_ONCE):
            some = changes[start : start + WRITTEN_AT_ONCE]
            if stopped is None:
                stopped = self._look_together(some, removals, told)
            told |= {one.key: failed(one.key, stopped, "refresh") for one in some if stopped and one.key not in told}
        return [told[change.key] for change in changes]

    def _look_together(
        self, changes: Sequence[Change], removals: Removals, told: dict[SourceKey, Outcome]
    ) -> BitbucketPortError | None:
        """Look at some objects and tell what became of them, but for those an error that is returned keeps from it."""
        stopped: BitbucketPortError | None = None
        with ExitStack() as leases:
            seen: list[_Seen] = []
            for change in changes:
                try:
                    one = self._see(change, removals, [other.change.key for other in seen])
                except BitbucketPortError as error:
                    told[change.key] = failed(change.key, error, "refresh")
                    if concerns_all(error):
                        stopped = error
                        break
                    continue
                if isinstance(one, Outcome):
                    told[change.key] = one
                else:
                    seen.append(one)
                    leases.enter_context(one.work.held)
            for group in _apart(seen):
                try:
                    outcomes = self._writer.settle_all([one.work for one in group], removals=removals)
                except BitbucketPortError as error:
                    stopped = error
                    break
                told |= {one.change.key: self._told(one, outcome) for one, outcome in zip(group, outcomes, strict=True)}
            for one in seen:
                if one.change.key not in told:
                    abandon(one.work.held)
        return stopped

    # --- reading under the lease -------------------------------------------------------------------------------------

    def _see(self, change: Change, removals: Removals, waiting: Collection[SourceKey] = ()) -> _Seen | Outcome:
        """``waiting``: what was read and is not written yet."""
        if self._reader is None:
            raise ValueError("without Bitbucket there is nothing to look at")
        with self._lease(change.key) as held:
            asked = self._clock()
            try:
                reading = read_now(self._reader, change, held.granted.item)
            except NotFoundError:
                return self._missing(self._reader, change, held, removals, asked)
            self._look_above(above(change.key, reading), waiting)
            mapped = self._mapper.map(change.kind, reading.object, ask=self._reader.ask)
            return _Seen(change, Work(held, mapped, refreshed(change, held, reading, asked), reading.facts), reading)

    def _look_above(self, container: Above | None, waiting: Collection[SourceKey]) -> None:
        """See to it that what is above the object has the name that the object relates to."""
        if container is None or not container.is_renamed(self._ledger.read([container.key])[container.key]):
            return
        late = BusyError(f"{container.key} is not called {container.name} yet", retry_after=BUSY_SECONDS)
        if container.key in waiting:
            raise late
        self.look(Change.hint(container.key, container.address, self._clock()), removals="defer")
        if container.is_renamed(self._ledger.read([container.key])[container.key]):
            raise late

    def _lease(self, key: SourceKey) -> Held:
        for _ in range(TRIES):
            held = self._writer.wait_for(self._ledger.read([key])[key], Guard())
            if held is not None:
                return held
        raise BusyError(f"{key} changes faster than it can be looked at", retry_after=BUSY_SECONDS)

    def _told(self, seen: _Seen, outcome: Outcome) -> Outcome:
        if seen.reading is None:
            return removed(outcome, seen.work.held.granted.item)
        if not outcome.planned or self._reader is None:
            return outcome
        aged = is_aged(self._mapper, outcome.key, outcome.planned, seen.reading, self._reader.ask)
        return replace(outcome, aged=aged)

    # --- what is missing ---------------------------------------------------------------------------------------------

    def _missing(self, reader: Reader, change: Change, held: Held, removals: Removals, asked: float) -> _Seen | Outcome:
        item, now = held.granted.item, self._clock()
        below = self._removal.below(item)
        if not item.owns and not below:
            held.give_up()
            return Outcome(item.key, "absent", "refresh")
        since = item.missing_since or now
        if removals == "defer" or now - since < SECOND_LOOK_SECONDS:
            self._ledger.miss(item.key, held.granted.token, since=since, dirty=held.granted.taken_over)
            held.done = True
            if removals == "defer":
                return Outcome(item.key, "absent", "refresh", planned=tuple(item.owned()), below=below)
            wait = SECOND_LOOK_SECONDS - (now - since)
            raise StillThereError(f"{item.key} was not found, a second look decides", retry_after=wait + 1)
        if not self._container_answers(reader, change, since):
            held.give_up()
            return Outcome(item.key, "left", "refresh")
        if item.key.kind == "project" and self._removal.has_children(item):
            held.give_up()  # A later run finds out where they are.
            return Outcome(item.key, "left", "refresh")
        version = newest(item.version, change.version)
        if below:
            return self._removal.hand_over(held, version, change.received, asked)
        return _Seen(change, self._removal.work(held, version, change.received, asked), None)

    def _container_answers(self, reader: Reader, change: Change, since: float) -> bool:
        """An answer "not found" counts only while what contains the object answers; refusals rise from the reader.

        One answer is enough for all of its children. A repository that is missing itself, but not yet for long, is
        looked at for its own sake first.
        """
        container = container_of(change, self._ledger)
        key, now = (container[0] if container else None), self._clock()
        if self._answered.get(key, 0.0) >= max(since, now - ANSWER_SECONDS):
            return True
        if container is not None:
            try:
                reader.read(*container)
            except NotFoundError:
                item = self._ledger.read([container[0]])[container[0]]
                missing = item.missing_since is not None and now - item.missing_since >= SECOND_LOOK_SECONDS
                if not (missing or item.facts.gone):
                    return False
                reader.check_source()
        else:
            reader.check_source()
        self._answered[key] = now
        return True


def read_now(reader: Reader, change: Change, item: ObjectItem) -> Reading:
    """The object now, under the address of the change or the one we know, whichever is still good."""
    addresses = list(dict.fromkeys([change.address, item.facts.address or change.address]))
    for address in addresses[:-1]:
        try:
            return reader.read(change.key, address)
        except NotFoundError:
            continue
    return reader.read(change.key, addresses[-1])


def refreshed(change: Change, held: Held, reading: Reading, asked: float) -> Recorded:
    """What to record of an object that was asked for at ``asked``, under its lease."""
    before = held.granted.item
    return Recorded(
        "refresh",
        version=newest(before.version, reading.version, change.version),
        read_at=asked,
        refreshed_at=asked,
        received=max(change.received, before.received),
    )


def _apart(seen: Sequence[_Seen]) -> list[list[_Seen]]:
    """Groups in which no two objects have to do with one entity, in the order given."""
    groups: list[list[_Seen]] = []
    taken: set[str] = set()
    for one in seen:
        keys = {str(entity.key) for entity in one.work.mapped.entities} | set(one.work.held.granted.item.owns)
        if not groups or not taken.isdisjoint(keys):
            groups.append([])
            taken = set()
        groups[-1].append(one)
        taken |= keys
    return groups
