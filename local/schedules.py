"""EventBridge schedules on the simulated clock: they invoke functions as Lambda's asynchronous invocation does.

Facts: EventBridge Scheduler User Guide; AWS Lambda Developer Guide, "How Lambda handles errors and retries with
asynchronous invocation": a failed invocation is tried twice more, after one and after two minutes; a throttled one
again and again for up to six hours, with pauses from one second to five minutes.
"""

from __future__ import annotations

import heapq
import json
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.account import ACCOUNT, REGION
from local.clock import Clock
from local.functions import FunctionError, ThrottledError
from local.schedule_expressions import Next

PAUSES_AFTER_ERRORS = (60.0, 120.0)
LONGEST_AGE = 6 * 3600.0
LONGEST_PAUSE = 300.0
LOOK_EVERY = 0.2
"""Real seconds: the clock may be put forward at any moment."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """One schedule that is on ``since`` a moment. ``next`` tells its moments, ``end`` the last one allowed; ``input``
    is the event as the template gives it (None: the event that the scheduler makes up).
    """

    name: str
    arn: str
    since: float
    next: Next
    end: float | None
    input: str | None
    invoke: Callable[[Any], Any]


@dataclass(frozen=True)
class _Invocation:
    schedule: Schedule
    scheduled: float
    event: Any
    failures: int = 0
    throttles: int = 0


class Schedules:
    """Runs schedules; ``after`` is called when an invocation is over. ``count`` is how many there were,
    ``in_flight`` how many run now.
    """

    def __init__(self, schedules: Sequence[Schedule], *, clock: Clock, after: Callable[[], None]) -> None:
        self._clock, self._after = clock, after
        self._changed = threading.Condition()
        self._stopping = False
        self.in_flight = 0
        self._order = 0
        self.count = 0
        self._waiting: list[tuple[float, int, Schedule | _Invocation]] = []
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="schedule")
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
        for schedule in schedules:
            self._plan(schedule, schedule.since)

    def start(self) -> None:
        """Begin to watch the clock; without schedules there is nothing to watch."""
        if self._waiting:
            self._thread.start()

    def end(self) -> None:
        """Begin nothing any more; what becomes of what is running matters to nobody."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop, and wait for what is running."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def due(self) -> float | None:
        """When something runs next (simulated epoch); None when nothing will."""
        with self._changed:
            return self._waiting[0][0] if self._waiting else None

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is due at this moment."""
        return not self.in_flight and not (self._waiting and self._waiting[0][0] <= self._clock.now())

    def wait_until_idle(self, timeout: float) -> bool:
        """False when there is still something to do after so many real seconds."""
        with self._changed:
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self.idle, timeout)

    def _plan(self, schedule: Schedule, earliest: float) -> None:
        moment = schedule.next(earliest)
        if moment is not None and (schedule.end is None or moment <= schedule.end):
            self._put(moment, schedule)

    def _put(self, moment: float, what: Schedule | _Invocation) -> None:
        self._order += 1  # Of two that are due at once the one planned first; they cannot be compared themselves.
        heapq.heappush(self._waiting, (moment, self._order, what))

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                while self._waiting and self._waiting[0][0] <= self._clock.now():
                    moment, _, what = heapq.heappop(self._waiting)
                    if isinstance(what, Schedule):
                        self._plan(what, moment + 1)
                        what = _Invocation(what, moment, _event(what, moment))
                    self.in_flight += 1
                    self.count += 1
                    self._threads.submit(self._invoke, what)
                self._changed.wait(LOOK_EVERY)

    def _invoke(self, invocation: _Invocation) -> None:
        again: tuple[float, _Invocation] | None = None
        try:
            invocation.schedule.invoke(invocation.event)
        except FunctionError as error:
            again = _again(invocation, error, self._clock.now())
            if not self._stopping:  # Else the function was killed because everything ends.
                fate = "it is given up" if again is None else "it is tried again"
                _log.warning("%s: %s; %s", invocation.schedule.name, error, fate)
        finally:
            with self._changed:
                self.in_flight -= 1
                if again is not None:
                    self._put(*again)
                self._changed.notify_all()
            self._after()


def _again(invocation: _Invocation, error: FunctionError, now: float) -> tuple[float, _Invocation] | None:
    """When to try again, if at all."""
    schedule, scheduled, event = invocation.schedule, invocation.scheduled, invocation.event
    failures, throttles = invocation.failures, invocation.throttles
    if isinstance(error, ThrottledError):
        moment = now + min(LONGEST_PAUSE, 2.0**throttles)
        if moment > scheduled + LONGEST_AGE:
            return None
        return moment, _Invocation(schedule, scheduled, event, failures, throttles + 1)
    if failures >= len(PAUSES_AFTER_ERRORS):
        return None
    return now + PAUSES_AFTER_ERRORS[failures], _Invocation(schedule, scheduled, event, failures + 1, throttles)


def _event(schedule: Schedule, moment: float) -> Any:
    time = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    identifier = str(uuid.uuid4())
    if schedule.input is None:
        return {
            "version": "0",
            "id": identifier,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": time,
            "region": REGION,
            "resources": [schedule.arn],
            "detail": "{}",
        }
    text = schedule.input
    known = {"schedule-arn": schedule.arn, "scheduled-time": time, "execution-id": identifier, "attempt-number": "1"}
    for name, value in known.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return json.loads(text)
