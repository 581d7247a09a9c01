"""What is due, decided once a minute, and the beginning of a run."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from bitbucket_port.objects import KINDS, Kind
from bitbucket_port.resync.jobs import PhaseJob
from bitbucket_port.resync.report import whole
from bitbucket_port.resync.store import Request, Run, RunKind, RunStore, State

FIRST_LEASE_SECONDS = 1800.0
"""The lease of a run of which no job has begun yet."""
LEASE_SECONDS = 7200.0
"""The lease that jobs extend: twice and more the time a job's message stays invisible when its function died."""
LAST_CALL_SECONDS = LEASE_SECONDS / 8
"""What is left of the lease when no job has begun for three quarters of an hour."""
SENT_AGAIN_SECONDS = 120.0
"""A run whose first job has not begun by then may never have been sent one."""
TICK_SECONDS = 60.0
LISTED_BY_LIST: frozenset[Kind] = frozenset({"project", "repository"})

Did = Literal["nothing", "goes on", "sent again", "began", "lost"]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Minutes between two runs; 0 is never."""

    full: float = 360.0
    list: float = 60.0


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick did, and about which run. ``lost``: another tick was quicker."""

    did: Did
    run: Run | None = None


class Send(Protocol):
    """The jobs queue."""

    def __call__(self, message: str, *, delay: int = 0) -> None:
        """Put a message on the queue; ``delay`` in seconds."""


class Starter:
    """Begins runs. Doing a tick twice, or two at once, is the same as doing it once."""

    def __init__(
        self,
        *,
        store: RunStore,
        send: Send,
        mapping_hash: str,
        kinds: frozenset[Kind],
        intervals: Intervals,
        clock: Callable[[], float],
        follows_mapping: bool = False,
    ) -> None:
        """``follows_mapping``: a mapping that was edited begins a run even where none is scheduled."""
        self._store = store
        self._send = send
        self._hash = mapping_hash
        self._kinds = kinds
        self._intervals = intervals
        self._clock = clock
        self._follows_mapping = follows_mapping

    def first(self) -> Tick:
        """Begin the first run of a stack that was just deployed; nothing when there ever was one, or one goes on."""
        state = self._store.state()
        if state.run is not None or state.last_full:
            return Tick("nothing")
        return self.begin("full", "the first deployment", state)

    def tick(self) -> Tick:
        """Begin what is due, unless a run goes on."""
        state, now = self._store.state(), self._clock()
        if state.run is not None and state.run.until > now:
            return self._leave(state.run, now)
        if state.run is not None:
            self._bury(state.run, now)
            state = self._store.state()
            if state.run is not None:
                return Tick("lost")
        due = self.due(state, now)
        return self.begin(due.kind, due.reason, state) if due else Tick("nothing")

    def due(self, state: State, now: float) -> Request | None:
        """The run that should begin now, if none goes on."""
        if state.requested is not None:
            return state.requested
        if self._intervals.full and _over(state.last_full, self._intervals.full, now):
            return Request("full", "interval", now)
        if state.mapping_hash != self._hash and self._follows(state):
            return Request("full", "the mapping changed", now)
        if self._intervals.list and _over(max(state.last_list, state.last_full), self._intervals.list, now):
            return Request("list", "interval", now)
        return None

    def _follows(self, state: State) -> bool:
        """Whether another mapping is a reason for a run; where none is scheduled, only if there was one before."""
        return bool(self._intervals.full or (self._follows_mapping and state.number))

    def begin(self, kind: RunKind, reason: str, state: State, *, kinds: frozenset[Kind] | None = None) -> Tick:
        """Begin a run and send its first job; ``kinds`` leaves out the others."""
        now = self._clock()
        wanted = (kinds or self._kinds) & (LISTED_BY_LIST if kind == "list" else frozenset(KINDS))
        run = Run(
            id=f"{int(now)}-{secrets.token_hex(4)}",
            kind=kind,
            number=state.number + (kind == "full"),
            phase="listing",
            mapping_hash=self._hash,
            started=now,
            reason=reason,
            until=now + FIRST_LEASE_SECONDS,
            kinds=tuple(one for one in KINDS if one in wanted),
            phase_began=now,
        )
        first = PhaseJob(run.id, "listing")
        if not self._store.begin(run, [(first.id, first.to_message())]):
            return Tick("lost")
        self._send(first.to_message())
        return Tick("began", run)

    def _leave(self, run: Run, now: float) -> Tick:
        """A run goes on; what its queue may have lost is sent again.

        That is the first job, if whoever began the run died before he sent it, and any job, if whoever ordered it did
        and never came back: then the lease runs down. Once, for what is left of it is the time to begin working again.
        """
        never_extended = run.until < run.started + FIRST_LEASE_SECONDS + 1.0  # Tables keep neither to the last digit.
        silent = LAST_CALL_SECONDS - TICK_SECONDS < run.until - now <= LAST_CALL_SECONDS
        if silent or (never_extended and now > run.started + SENT_AGAIN_SECONDS):
            lost = [job.message for job in self._store.open_jobs(run.id)]
            for message in lost:
                self._send(message)
            return Tick("sent again" if lost else "goes on", run)
        return Tick("goes on", run)

    def _bury(self, run: Run, now: float) -> None:
        """A run whose lease expired; what it was for is still wanted."""
        parts = (part for _, part in self._store.reports(run.id))
        report = whole(run, parts, self._store.protected(run.id), at=now)
        self._store.request(Request(run.kind, "the run before it died", now))
        self._store.close(run.id, "dead", report, now)


def _over(last: float, minutes: float, now: float) -> bool:
    """Whether the interval is over; half a tick early rather than half a tick late."""
    return now - last >= minutes * 60 - TICK_SECONDS / 2
