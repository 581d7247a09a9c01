"""What the two Bitbucket worlds share: a clock, ids, the lock, and telling everybody about an event."""

from __future__ import annotations

import functools
import random
import re
import threading
import unicodedata
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast

from local.standins.webhook import Product, Webhook

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])
_OF_THIS_PROCESS = {"lock", "now", "depth", "site", "style", "write", "_subscribers", "_untold"}


class TickingClock:
    """A clock for made-up worlds: begins at the real time and moves one step each time it is read."""

    def __init__(self, start: datetime | None = None, step: timedelta = timedelta(seconds=1)) -> None:
        self._next = start or datetime.now(UTC)
        self._step = step

    def __call__(self) -> datetime:
        """The time now, a step later than when last asked."""
        value = self._next
        self._next += self._step
        return value


class Events(list[Webhook], Generic[T]):
    """The webhooks a change made, in the order Bitbucket sends them; ``subject`` is the thing changed or created."""

    def __init__(self, subject: T, webhooks: Iterable[Webhook] = ()) -> None:
        super().__init__(webhooks)
        self.subject = subject


def locked(method: Method) -> Method:
    """Run a method of a world under its lock, so that API requests never see half a change.

    Subscribers are told when the lock is free again: they may well ask the API.
    """

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.depth += 1
            try:
                result = method(self, *args, **kwargs)
            finally:
                self.depth -= 1
            untold = self.take_untold() if self.depth == 0 else []
        self.tell(untold)
        return result

    return cast(Method, run)


def slugify(name: str) -> str:
    """Bitbucket's URL name for a repository: lower case, accents dropped, anything else a hyphen."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_.]+", "-", plain).strip("-") or "repository"


class World:
    """State shared by the worlds of both products.

    ``now`` may be replaced at any time; it is read once for each change. ``seed`` makes ids repeatable.
    """

    PRODUCT: Product

    def __init__(self, lock: threading.RLock | None = None, *, seed: int | None = None) -> None:
        self.lock: Any = lock or threading.RLock()
        self.now: Callable[[], datetime] = TickingClock()
        self._random = random.Random(seed)
        self._hook = self.new_uuid()
        self._subscribers: list[Callable[[Webhook], None]] = []
        self._untold: list[Webhook] = []
        self.depth = 0

    def subscribe(self, callback: Callable[[Webhook], None]) -> None:
        """Call ``callback`` with every webhook from now on, in order, in the thread that made the change."""
        self._subscribers.append(callback)

    def memory(self) -> dict[str, Any]:
        """All that is in the world, to be given to ``recall`` of another one, perhaps in another process."""
        with self.lock:
            return {name: value for name, value in vars(self).items() if name not in _OF_THIS_PROCESS}

    def recall(self, memory: dict[str, Any]) -> None:
        """Be as the world was whose ``memory`` this is; nobody is told."""
        with self.lock:
            vars(self).update(memory)

    def new_uuid(self) -> str:
        """A version 4 UUID without braces."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def announce(self, subject: T, when: datetime, *events: tuple[str, dict[str, Any]]) -> Events[T]:
        """Make the webhooks of a change; subscribers have them when it is complete."""
        webhooks = [
            Webhook(self.PRODUCT, key, payload, self.new_uuid(), when, f"{{{self._hook}}}") for key, payload in events
        ]
        self._untold += webhooks
        return Events(subject, webhooks)

    def take_untold(self) -> list[Webhook]:
        """The webhooks subscribers have not had yet; they are not taken twice."""
        untold, self._untold = self._untold, []
        return untold

    def tell(self, webhooks: Iterable[Webhook]) -> None:
        """Hand webhooks to the subscribers."""
        for webhook in webhooks:
            for subscriber in self._subscribers:
                subscriber(webhook)
