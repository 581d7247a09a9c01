"""The requests of one credential, shared by everybody who uses it: nobody sends more than Bitbucket allows.

Who gets none is told a slot, as in the generic cell rate algorithm: slots follow each other at the pace of the limit,
so that waiting jobs come back one by one. A resync leaves a reserve to live events.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from bitbucket_port.bitbucket.allowance import CLOUD, Allowance, Limit, Told
from bitbucket_port.errors import TransientError
from bitbucket_port.http import LONGEST_WAIT, wait_told
from bitbucket_port.objects import Product

UNKNOWN_PAUSE = 60.0
"""Seconds without requests after a 429 that does not say for how long."""
MOST_AT_ONCE = 20
"""So many requests are taken from the store with one write, when they are used quickly."""
_SHARE_AT_ONCE = 50
_LOOK_AGAIN = 60.0
"""Seconds after which one who knows of no limit asks whether somebody else was told one."""
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Stored:
    """An allowance as it is kept; ``version`` grows with each write and is 0 before the first."""

    allowance: Allowance = field(default_factory=Allowance)
    version: int = 0


class BudgetStore(Protocol):
    """Where allowances are shared. Both raise TransientError when the database throttles or cannot be reached."""

    def read(self, name: str) -> Stored:
        """What is kept under this name, consistently."""

    def write(self, name: str, allowance: Allowance, version: int) -> Stored | None:
        """Replace what was read in this version; otherwise change nothing and return what is kept instead."""


class MemoryBudgetStore:
    """The store of a single process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Stored] = {}

    def read(self, name: str) -> Stored:
        """See BudgetStore."""
        with self._lock:
            return self._kept.get(name, Stored())

    def write(self, name: str, allowance: Allowance, version: int) -> Stored | None:
        """See BudgetStore."""
        with self._lock:
            kept = self._kept.get(name, Stored())
            if kept.version != version:
                return kept
            self._kept[name] = Stored(allowance, version + 1)
            return None


class Budget:
    """What one credential may still send; for any number of threads.

    A few requests are taken from the store at once, the more the faster they are used, and those not used within a
    sixtieth of the limit's time are lost.
    """

    def __init__(
        self, name: str, store: BudgetStore, *, start: Limit | None, now: Callable[[], float] = time.time
    ) -> None:
        """``name`` tells credentials apart and is no secret; ``start`` counts until an answer tells a limit."""
        self._name = name
        self._store = store
        self._start = start
        self._now = now
        self._lock = threading.Lock()
        self._seen: Stored | None = None
        self._seen_at = 0.0
        self._left = 0
        self._good_until = 0.0
        self._taken_at = 0.0
        self._taken = 0
        self._told: dict[str, Limit] = {}
        self._told_left = (0, -math.inf)
        self._blocked = 0.0

    def take(self, count: int = 1, *, reserve: bool) -> None:
        """Have ``count`` requests, to be sent at once; ``reserve``: leave some to live events.

        Raises TransientError with the seconds until the slot when there are not as many.
        """
        with self._lock:
            now = self._now()
            if now < self._blocked or now >= self._good_until or self._left < count:
                self._left = self._taken = self._take(count, now, reserve=reserve)
            self._left -= count

    def learned(self, headers: Mapping[str, str], status: int) -> None:
        """Take in what an answer says. After a 429 nobody sends anything until it is over."""
        with self._lock:
            now = self._now()
            if told := Told.by(headers):
                self._told[told.resource] = told.limit
                if told.left is not None:
                    self._told_left = (told.left, now)
            if status == 429:
                wait = wait_told(headers, status, now)
                self._blocked = max(self._blocked, now + (UNKNOWN_PAUSE if wait is None else wait))
                self._change(lambda allowance: (allowance, None), now)

    def _take(self, count: int, now: float, *, reserve: bool) -> int:
        """Take at least ``count`` from the store; returns how many."""
        taken = 0

        def spend(allowance: Allowance) -> tuple[Allowance, float | None]:
            nonlocal taken
            limit = allowance.limit(self._start)
            if limit is None:
                taken = count
                return allowance, allowance.blocked if allowance.blocked > now else None
            room = limit.open_to(reserve=reserve)
            least = min(count, room)
            if now >= allowance.blocked and allowance.spent_at(now) + least <= room:
                taken = max(least, min(self._wanted(limit, room, now), room - allowance.spent_at(now)))
                return allowance.spend(taken, limit, now), None
            if not reserve:
                return allowance, allowance.free_from(least, room, now)
            after = allowance.queue(least, limit, room, now)
            return after, after.line

        after, slot = self._change(spend, now)
        limit = after.limit(self._start)
        if slot is not None:
            wait = min(max(slot - now, 0.1), LONGEST_WAIT)
            raise TransientError(f"Bitbucket's limit on requests is reached for {wait:.0f} s", retry_after=wait)
        self._taken_at = now
        self._good_until = now + (limit.hold if limit else 0.0)
        return max(taken, count)

    def _wanted(self, limit: Limit, room: int, now: float) -> int:
        """Twice as many as last time when those were used up quickly, else one."""
        quick = self._left == 0 and now - self._taken_at < limit.hold / 2
        return min(self._taken * 2 if quick else 1, MOST_AT_ONCE, max(1, room // _SHARE_AT_ONCE))

    def _change(
        self, change: Callable[[Allowance], tuple[Allowance, float | None]], now: float
    ) -> tuple[Allowance, float | None]:
        """Change what is kept, with what was learned since; what ``change`` refuses is decided on a fresh look."""
        stored, fresh = self._seen, False
        if stored is None or now - self._seen_at > _LOOK_AGAIN:
            stored, fresh = self._store.read(self._name), True
        for _ in range(_TRIES):
            after, slot = change(self._with_news(stored.allowance, now))
            if slot is not None and not fresh:
                stored, fresh = self._store.read(self._name), True
                continue
            other = None if after == stored.allowance else self._store.write(self._name, after, stored.version)
            if other is None:
                changed = after != stored.allowance
                self._keep(Stored(after, stored.version + changed))
                if fresh or changed:
                    self._seen_at = now
                return after, slot
            stored, fresh = other, True
        raise TransientError("too many at once want to know what Bitbucket allows", retry_after=1.0)

    def _keep(self, stored: Stored) -> None:
        """The store knows everything now that was learned here."""
        self._seen = stored
        self._blocked = max(self._blocked, stored.allowance.blocked)
        self._told.clear()
        self._told_left = (0, -math.inf)

    def _with_news(self, allowance: Allowance, now: float) -> Allowance:
        news = replace(
            allowance, limits={**allowance.limits, **self._told}, blocked=max(allowance.blocked, self._blocked)
        )
        limit = news.limit(self._start)
        left, told_at = self._told_left
        return news.corrected(left, limit, now) if limit and now - told_at <= limit.hold else news


class Budgets:
    """The budgets of one process, one for each credential."""

    def __init__(self, store: BudgetStore, product: Product, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._start = CLOUD if product == "cloud" else None
        self._now = now
        self._lock = threading.Lock()
        self._budgets: dict[str, Budget] = {}

    def of(self, name: str) -> Budget:
        """The budget of the credential with this name."""
        with self._lock:
            if name not in self._budgets:
                self._budgets[name] = Budget(name, self._store, start=self._start, now=self._now)
            return self._budgets[name]
