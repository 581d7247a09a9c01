"""Faults that strike calls: described beforehand, matched as the calls come, counted so that a test can see them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

Deed = Literal["delay", "fail", "throttle", "duplicate", "kill before", "kill after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do to which calls.

    ``do``: ``delay`` waits ``seconds`` (simulated) and then goes on; ``fail`` and ``throttle`` answer as the service
    does, without doing anything; ``duplicate`` does it twice and gives the second answer; ``kill before`` and
    ``kill after`` end the caller's process and never answer.

    Which: ``function`` by name; ``service`` as in ``Call``; ``action`` and ``resource`` as patterns (``*``, ``?``) that
    one resource of the call has to fit; ``by_service`` True or False for only what Lambda does in the function's name
    or only what the function itself does. Of the matching calls: from the ``nth`` (1 is the first from now on), at
    most ``times`` (None: no limit), only ``share`` of them (0 to 1; drawn from ``seed``), and none from ``until`` on
    (simulated epoch seconds).

    At most one fault other than a delay strikes a call; one that had to stand back strikes at its next chance.
    """

    do: Deed
    function: str | None = None
    action: str | None = None
    resource: str | None = None
    nth: int | None = None
    times: int | None = 1
    share: float | None = None
    until: float | None = None
    seconds: float = 0.0
    service: str | None = None
    by_service: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.do not in ("delay", "fail", "throttle", "duplicate", "kill before", "kill after"):
            raise ValueError(f"no such fault: {self.do!r}")
        if (self.do == "delay") != (self.seconds > 0):
            raise ValueError("a delay takes seconds, and nothing else does")

    def to_json(self) -> dict[str, Any]:
        """As it crosses to another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Fault:
        """What ``to_json`` made."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault as it stands: how many calls it matched so far, and how many of them it struck."""

    number: int
    fault: Fault
    matched: int
    struck: int

    @property
    def left(self) -> bool:
        """Whether it is still to strike as often as it was told to (at least once where there is no limit)."""
        return self.struck < (self.fault.times or 1)


@dataclass(slots=True)
class _Plan:
    number: int
    fault: Fault
    chance: random.Random
    matched: int = 0
    struck: int = 0

    def matches(self, call: Struck) -> bool:
        fault = self.fault
        return (
            (fault.function is None or fault.function == call.function)
            and (fault.service is None or fault.service == call.service)
            and (fault.by_service is None or fault.by_service == call.by_service)
            and (fault.action is None or fnmatchcase(call.action, fault.action))
            and (fault.resource is None or any(fnmatchcase(name, fault.resource) for name in call.resources))
        )

    def due(self, now: float) -> bool:
        """Counts the call; whether it may be struck."""
        fault = self.fault
        if fault.until is not None and now >= fault.until:
            return False
        self.matched += 1
        if fault.nth is not None and self.matched < fault.nth:
            return False
        if fault.times is not None and self.struck >= fault.times:
            return False
        return fault.share is None or self.chance.random() < fault.share


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault looks at of a call."""

    function: str
    service: str
    action: str
    resources: tuple[str, ...]
    by_service: bool = False


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one call: a wait in simulated seconds, and then maybe a deed."""

    delay: float = 0.0
    do: Deed | None = None


_NOTHING = Strike()


@dataclass
class Faults:
    """The faults of one recorder. ``now`` tells simulated time."""

    now: Callable[[], float]
    _plans: list[_Plan] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: int = 0

    def add(self, fault: Fault) -> int:
        """Begin to strike; returns the fault's number."""
        with self._lock:
            self._numbers += 1
            self._plans.append(_Plan(self._numbers, fault, random.Random(fault.seed)))
            return self._numbers

    def clear(self) -> None:
        """Strike no more."""
        with self._lock:
            self._plans.clear()

    def planned(self) -> list[Planned]:
        """Every fault since the last ``clear``."""
        with self._lock:
            return [Planned(plan.number, plan.fault, plan.matched, plan.struck) for plan in self._plans]

    def strike(self, call: Struck) -> Strike:
        """What is to happen to this call."""
        if not self._plans:
            return _NOTHING
        delay, deed = 0.0, None
        with self._lock:
            for plan in self._plans:
                if not plan.matches(call) or not plan.due(self.now()):
                    continue
                if plan.fault.do == "delay":
                    delay += plan.fault.seconds
                elif deed is None:
                    deed = plan.fault.do
                else:
                    continue
                plan.struck += 1
        return Strike(delay, deed)
