"""Waiting until a stack has nothing left to do, without waiting for time that only has to pass.

When nothing runs, or whatever runs only sleeps, and no message can be had, the clock is put forward to the next moment
at which anything is due: a message becomes visible, a schedule fires, a queue that could not be read is tried again, a
function wakes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from local.clock import Clock
from local.custom_resources import CustomResources
from local.functions import Function
from local.gateway import Gateway
from local.poller import Poller
from local.schedules import Schedules
from local.watcher import Watcher

LOOK_AGAIN = 0.01
"""Real seconds between two looks at something that is not due yet."""
LONGEST_LOOK = 0.25
SLICE = 0.02
"""Real seconds after which whatever runs is asked whether it only sleeps."""


class _Part(Protocol):
    """Something that can be at work."""

    in_flight: int

    @property
    def idle(self) -> bool: ...

    def wait_until_idle(self, timeout: float) -> bool: ...


@dataclass(frozen=True)
class Settling:
    """The parts of a stack that can be at work.

    ``functions`` are all of its functions. ``waiting`` tells when the first message that nobody can have now becomes
    visible (None: there is no such message); ``left`` says in words what is not done.
    """

    clock: Clock
    gateway: Gateway
    pollers: Sequence[Poller]
    watcher: Watcher
    schedules: Schedules
    custom: CustomResources
    functions: Sequence[Function]
    waiting: Callable[[], float | None]
    left: Callable[[], str]

    @property
    def idle(self) -> bool:
        """Whether nothing runs at this moment."""
        return all(part.idle for part in self._parts)

    @property
    def _parts(self) -> tuple[_Part, ...]:
        return (*self.pollers, self.schedules, self.gateway, self.custom)

    def settle(self, timeout: float, *, jump: bool, within: float | None) -> None:
        """Return when no message is left and nothing runs.

        ``timeout`` is in real seconds, ``within`` in simulated ones. Schedules fire on the way but are not waited for.
        Raises TimeoutError naming what is left.
        """
        limit = _Limit(self, timeout, None if within is None else self.clock.now() + within)
        while True:
            self._rest(limit, jump=jump)
            visible = self._earliest(self.waiting(), *(poller.due() for poller in self.pollers))
            if visible is None:
                return
            self._reach(self._earliest(visible, self.schedules.due()), jump, limit)

    def pass_time(self, seconds: float, timeout: float) -> None:
        """Put the clock forward by so many simulated seconds, doing what falls due on the way at its moment.

        Raises TimeoutError when that takes more than ``timeout`` real seconds.
        """
        end = self.clock.now() + seconds
        limit = _Limit(self, timeout, None)
        while True:
            self._rest(limit, jump=True)
            self._reach(self._next(end), jump=True, limit=limit)
            if self.clock.now() >= end:
                self._rest(limit, jump=True)
                return

    def until(self, done: Callable[[], bool], timeout: float, *, jump: bool) -> None:
        """Return when ``done`` is true; with ``jump`` the clock is put forward whenever time is all that is waited for.

        Raises TimeoutError when that takes more than ``timeout`` real seconds.
        """
        limit = _Limit(self, timeout, None)
        while True:
            begun, resting = self._begun(), self.idle and not self.watcher.look()
            if done():
                return
            if jump and resting and self._begun() == begun:
                self._reach(self._next(), jump=True, limit=limit)
                continue
            if jump and not resting:
                self._skip_sleep(limit)
            time.sleep(LOOK_AGAIN)
            limit.check()

    def _rest(self, limit: _Limit, *, jump: bool) -> None:
        """Wait until nothing runs and no message can be had."""
        while True:
            for part in self._parts:
                while not part.wait_until_idle(SLICE):
                    limit.check()
                    if jump:
                        self._skip_sleep(limit)
            # One part may have been woken by another that was found idle later. If nothing has begun since this moment
            # and each is idle after it, all were idle at once.
            begun = self._begun()
            if self.idle and not self.watcher.look() and self._begun() == begun:
                return
            limit.check()

    def _skip_sleep(self, limit: _Limit) -> None:
        """Put the clock forward to the first moment at which anything is due, if all that runs is asleep until then."""
        begun = self._begun()
        in_flight = sum(part.in_flight for part in self._parts)
        asleep = self._asleep()
        if (
            not asleep
            or min(asleep) <= self.clock.now()
            or not in_flight == len(asleep) == sum(function.busy for function in self.functions)
        ):
            return
        self.watcher.look()
        if all(poller.at_rest for poller in self.pollers) and self._begun() == begun:
            self._reach(self._next(*asleep), jump=True, limit=limit)

    def _asleep(self) -> list[float]:
        """When those of the stack's processes go on, or are stopped, that run an invocation and sleep now."""
        sleepers = self.clock.sleepers()
        if not sleepers:
            return []
        deadlines = {pid: end for function in self.functions for pid, end in function.deadlines().items()}
        return [min(wakes, deadlines[pid]) for pid, wakes in sleepers.items() if pid in deadlines]

    def _next(self, *moments: float | None) -> float | None:
        """The first of these moments and those at which something is due."""
        return self._earliest(
            *moments,
            self.waiting(),
            self.schedules.due(),
            self.custom.due(),
            *(poller.due() for poller in self.pollers),
        )

    def _begun(self) -> tuple[int, ...]:
        return (self.gateway.count, self.schedules.count, self.custom.count, *(poller.looks for poller in self.pollers))

    def _reach(self, moment: float | None, jump: bool, limit: _Limit) -> None:
        """Let the clock come to this moment."""
        if moment is None:
            return
        if limit.moment is not None and moment > limit.moment:
            raise TimeoutError(f"not settled within the simulated time given: {self.left()}")
        left = moment - self.clock.now()
        if left > 0 and jump:
            self.clock.advance(left)
        else:
            time.sleep(max(LOOK_AGAIN, min(LONGEST_LOOK, self.clock.real(max(0.0, left)))))
        limit.check()

    @staticmethod
    def _earliest(*moments: float | None) -> float | None:
        return min((moment for moment in moments if moment is not None), default=None)


class _Limit:
    """Real seconds from now, and a simulated moment that is not gone past."""

    def __init__(self, settling: Settling, seconds: float, moment: float | None) -> None:
        self._settling, self._seconds, self.moment = settling, seconds, moment
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self._end:
            raise TimeoutError(f"not settled after {self._seconds:.0f} s: {self._settling.left()}")
