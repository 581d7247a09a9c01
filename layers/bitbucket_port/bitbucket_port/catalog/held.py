"""Writing under an object's lease: taking it, bringing the entities to Port, recording the result, giving it up."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from bitbucket_port.catalog.items import Commit, Facts, Granted, Guard, ObjectItem, Refused
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome, Removals, Source
from bitbucket_port.catalog.outside import Followers, Writer
from bitbucket_port.catalog.settle import BUSY_SECONDS, Settlement, WriteOptions
from bitbucket_port.catalog.share import Settled, Share, fail, is_search
from bitbucket_port.errors import BitbucketPortError, BusyError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import SourceKey

CONTAINERS = ("project", "repository")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a lease lasts, how long a live event waits for one, and how often it looks."""

    lease: float = 60.0
    wait: float = 3.0
    look: float = 0.2


@dataclass(frozen=True, slots=True)
class Recorded:
    """What will be recorded of the reading itself."""

    source: Source
    version: int | None
    read_at: float
    received: float
    refreshed_at: float | None = None

    def commit(self, item: ObjectItem, settled: Settled, facts: Facts, problems: Sequence[str]) -> Commit:
        """What to commit for ``item`` when ``settled`` is what became of its entities."""
        refreshed_at = item.refreshed_at if self.refreshed_at is None else self.refreshed_at
        problem = problems[0][:1000] if problems else ""
        return Commit(settled.owns, self.version, self.read_at, refreshed_at, self.received, facts, problem)


class Held:
    """Gives a lease up when something fails under it, marked dirty as soon as Port may have been changed."""

    def __init__(self, ledger: Ledger, granted: Granted) -> None:
        self._ledger = ledger
        self.granted = granted
        self.share: Share | None = None
        self.done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # A killed process runs nothing of this; its lease expires, which marks the object dirty just as well.
        if isinstance(error, Exception) and not self.done:
            self.give_up()

    def give_up(self) -> None:
        """Release the lease without a result."""
        dirty = self.granted.taken_over or (self.share is not None and self.share.touched_port)
        self._ledger.release(self.granted.item.key, self.granted.token, dirty=dirty)
        self.done = True


@dataclass(frozen=True, slots=True)
class Work:
    """An object whose lease is held, and what a reading of it makes; ``intended`` were recorded with the lease."""

    held: Held
    mapped: Mapped
    result: Recorded
    facts: Facts
    intended: tuple[str, ...] = ()


class LeasedWriter:
    """Takes leases and writes under them."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        port: Writer,
        followers: Followers,
        options: WriteOptions,
        timing: Timing,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._port = port
        self._followers = followers
        self._options = options
        self._timing = timing
        self._clock = clock
        self._sleep = sleep

    def wait_for(self, item: ObjectItem, guard: Guard, intents: Sequence[str] = ()) -> Held | None:
        """Take the lease, waiting a little for another writer; None when the item changed: look at it again.

        Raises BusyError when the other writer takes too long.
        """
        started = self._clock()
        while True:
            now = self._clock()
            lease = self._take(item, guard, intents, now)
            if isinstance(lease, Granted):
                return Held(self._ledger, lease)
            if not lease.busy:
                return None
            if now - started >= self._timing.wait:
                raise BusyError(f"{item.key} is being written", retry_after=BUSY_SECONDS)
            self._sleep(self._timing.look)

    def try_for(self, item: ObjectItem, guard: Guard, intents: Sequence[str] = ()) -> Held | None:
        """Take the lease if it is free and the item is still what ``guard`` says."""
        lease = self._take(item, guard, intents, self._clock())
        return Held(self._ledger, lease) if isinstance(lease, Granted) else None

    def _take(self, item: ObjectItem, guard: Guard, intents: Sequence[str], now: float) -> Granted | Refused:
        until = now + self._timing.lease
        return self._ledger.take_lease(item, uuid.uuid4().hex, now=now, until=until, guard=guard, intents=intents)

    def settle(self, work: Work, *, removals: Removals = "allow") -> Outcome:
        """Bring one object's entities to Port and record the result. Raises what keeps it from being done."""
        (outcome,) = self._settle([work], removals)
        if isinstance(outcome, BitbucketPortError):
            raise outcome
        return outcome

    def settle_all(self, works: Sequence[Work], *, removals: Removals) -> list[Outcome]:
        """Bring the entities of several objects to Port together; an object that fails has an outcome that says so.

        Raises only what would fail all of them; the leases are then given up by whoever holds them.
        """
        outcomes = []
        for work, outcome in zip(works, self._settle(works, removals), strict=True):
            if isinstance(outcome, BitbucketPortError):
                outcomes.append(failed(work.held.granted.item.key, outcome, work.result.source))
                abandon(work.held)
            else:
                outcomes.append(outcome)
        return outcomes

    def _settle(self, works: Sequence[Work], removals: Removals) -> list[Outcome | BitbucketPortError]:
        settlement = Settlement(
            ledger=self._ledger,
            port=self._port,
            followers=self._followers,
            options=self._options,
            until=self._clock() + self._timing.lease,
            clock=self._clock,
            removals=removals,
        )
        shares = [Share(work.held.granted, work.mapped, frozenset(work.intended)) for work in works]
        for work, share in zip(works, shares, strict=True):
            work.held.share = share
        settlement.settle(shares)
        return [self._finish(work, share) for work, share in zip(works, shares, strict=True)]

    def _finish(self, work: Work, share: Share) -> Outcome | BitbucketPortError:
        item, settled = work.held.granted.item, share.settled
        problems = (*(str(problem) for problem in work.mapped.problems), *settled.problems)
        if share.error is None:
            try:
                if item.known and item.key.kind in CONTAINERS and _moved(item.facts, work.facts):
                    left = [key for key in share.unwanted if not is_search(key)]
                    self._followers.follow(item.key, item.facts, work.facts, left=left)
                self.commit(work.held, work.result.commit(item, settled, work.facts, problems))
            except BitbucketPortError as error:
                fail([share], error)
        if share.error is not None:
            return share.error
        written = settled.created + settled.updated
        return Outcome(
            item.key,
            "applied" if written or settled.renamed or settled.deleted or problems else "unchanged",
            work.result.source,
            written=written,
            created=settled.created,
            updated=settled.updated,
            renamed=settled.renamed,
            deleted=settled.deleted,
            unchanged=settled.unchanged,
            mapped=len(share.wanted),
            planned=tuple(settled.planned),
            problems=problems,
            incomplete=not work.mapped.complete,
        )

    def commit(self, held: Held, commit: Commit) -> None:
        """Record a result and give the lease up; raises TransientError when it is no longer ours."""
        granted = held.granted
        if not self._ledger.commit(granted.item.key, granted.token, commit, now=self._clock()):
            raise TransientError(f"the lease of {granted.item.key} was lost before the result could be recorded")
        held.done = True


def failed(key: SourceKey, error: BitbucketPortError, reading: Source) -> Outcome:
    """The outcome for an object that could not be brought to Port."""
    transient = isinstance(error, TransientError)
    return Outcome(
        key,
        "failed",
        reading,
        failed=str(error),
        transient=transient,
        retry_after=error.retry_after if isinstance(error, TransientError) else None,
        limited=isinstance(error, TransientError) and error.is_limit,
    )


def abandon(held: Held) -> None:
    """Give a lease up whose object failed; where even that fails, it expires, which says more than giving it up."""
    try:
        held.give_up()
    except TransientError as error:
        _logger.warning("the lease of %s is left to expire: %s", held.granted.item.key, error)


def unchanged(item: ObjectItem, mapped: Mapped) -> bool:
    """Whether applying would change nothing: every hash equal, nobody writing, nobody dead while writing."""
    wanted = {str(entity.key): entity.content_hash for entity in mapped.entities}
    return item.known and item.lease is None and mapped.complete and dict(item.owns) == wanted


def left_alone(item: ObjectItem, mapped: Mapped, reading: Source) -> Outcome:
    """The outcome for an object that needed no write."""
    made = len({entity.key for entity in mapped.entities})
    problems = tuple(str(problem) for problem in mapped.problems)
    return Outcome(item.key, "unchanged", reading, unchanged=made, mapped=made, problems=problems)


def new_entities(item: ObjectItem, mapped: Mapped) -> list[str]:
    """The keys of entities the object does not own yet."""
    return [str(entity.key) for entity in mapped.entities if str(entity.key) not in item.owns]


def _moved(before: Facts, after: Facts) -> bool:
    """Whether what hangs below has to be looked at anew: another name, another project, or back from being gone."""
    if before.gone != after.gone:
        return before.gone
    renamed = bool(before.full_name) and before.full_name != after.full_name
    return renamed or (bool(before.project) and before.project != after.project)


def newest(*versions: int | None) -> int | None:
    """The greatest of the versions that are known."""
    return max((version for version in versions if version is not None), default=None)
