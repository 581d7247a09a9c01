"""Everything the page shows, read from the machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

from local.page import catalog, words
from local.page.deliveries import SHOWN, Deliveries, shown
from local.page.feed import Parts
from local.page.logs import LogFiles
from local.page.overview import Seen, overview
from local.page.queues import Queues, read_queues
from local.page.resync import ResyncView
from local.page.watched import Json, WatchedClock, WatchedPort, WatchedStack
from local.resyncs import Watched

QUEUES_EVERY = 1.0
"""Real seconds between two looks into the queues: each costs requests to a server that has better things to do."""


class StackView:
    """One stack, remembered between two looks."""

    def __init__(self, stack: WatchedStack, resyncs: Watched | None, clock: WatchedClock) -> None:
        self.stack = stack
        self.resync = ResyncView(resyncs)
        self._clock = clock
        self._deliveries = Deliveries()
        self._logs = LogFiles(stack.logs_folder)
        self._queues = Queues({}, {})
        self._next = 0.0

    def look(self) -> Seen:
        """The stack now."""
        empty_at = self._look_at_queues()
        # Logs after the queues: what a function has logged is there before its message is gone.
        self._deliveries.take_requests(self.stack.received)
        self._deliveries.take_lines(self._logs.new_lines())
        if empty_at is not None:
            self._deliveries.nothing_waits(empty_at)
        return Seen(
            self.stack.product,
            self.stack.url,
            self._deliveries.all(),
            self._queues,
            self._deliveries.failures,
            self.resync.look(),
        )

    def _look_at_queues(self) -> float | None:
        """The moment before a look that found nothing waiting."""
        if time.perf_counter() < self._next:
            return None
        now = self._clock.now()
        self._queues = read_queues(self.stack)
        self._next = time.perf_counter() + QUEUES_EVERY
        return None if any(self._queues.waiting.values()) else now


class View:
    """The whole machine as parts for the feed. ``resyncs``: those of each stack, or none at all."""

    def __init__(
        self,
        stacks: Sequence[WatchedStack],
        port: WatchedPort | None,
        clock: WatchedClock,
        resyncs: Sequence[Watched] = (),
    ) -> None:
        watched: Sequence[Watched | None] = resyncs or [None] * len(stacks)
        self._stacks = [StackView(stack, one, clock) for stack, one in zip(stacks, watched, strict=True)]
        self._port = port
        self._clock = clock

    def read(self) -> Parts:
        """All parts as they are now."""
        seen = [view.look() for view in self._stacks]
        blueprints = self._port.blueprints() if self._port else []
        entities = catalog.entities(self._port, blueprints) if self._port else None
        parts: Parts = {
            "clock": self._time(),
            "catalog": {"here": self._port is not None},
            "overview": overview(seen, None if entities is None else len(entities)),
        }
        for place, (view, one) in enumerate(zip(self._stacks, seen, strict=True)):
            name = view.stack.name
            parts[f"stack/{name}"] = {
                "name": name,
                "title": words.PRODUCTS[one.product],
                "url": one.url,
                "order": place,
                **one.queues.shown(one.failures),
            }
            resync = view.resync.shown(name, place)
            if resync is not None:
                parts[f"resync/{name}"] = resync
            dead = {letter.delivery_id for letter in one.queues.letters if letter.delivery_id}
            for delivery in one.deliveries[:SHOWN]:
                parts[f"delivery/{name}/{delivery.key}"] = shown(delivery, name, dead)
        parts |= {f"blueprint/{key}": part for key, part in catalog.blueprints(blueprints).items()}
        parts |= {f"entity/{key}": part for key, part in (entities or {}).items()}
        return parts

    def start_resync(self, stack: str) -> None:
        """Begin a resync of a stack, by its name. Raises KeyError for one that is not there, and RefusedError."""
        found = next((view for view in self._stacks if view.stack.name == stack), None)
        if found is None:
            raise KeyError(stack)
        found.resync.start()

    def _time(self) -> Json:
        """The machine's time, to the minute so that it is no news all the time, and whether it is the real one."""
        now = self._clock.now()
        return {
            "now": now - now % 60,
            "scale": self._clock.scale,
            "simulated": abs(now - time.time()) > 90 or self._clock.scale != 1,
        }
