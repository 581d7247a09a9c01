"""A stack's resyncs as seen from outside: what goes on, what the last one did, when the next is due; and another one.

They are read where they are kept, in the ledger's table, with the operator's client; what begins one is the stack's own
function.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.report import merged
from bitbucket_port.resync.store import Run, RunKind, State
from bitbucket_port.settings import Settings
from local.clock import Clock
from local.functions import Function, FunctionError
from local.stack import Stack

START = "ResyncStart"
LOOK_EVERY = 0.25
"""Real seconds between two looks at whether another one is due."""
LONGEST_STOP = 2.0
"""Real seconds."""
RETRY_SECONDS = 5.0
"""Simulated seconds until it is tried again to begin one that could not begin."""
WEBHOOK_ONLY = "Bitbucket may not be asked (BITBUCKET_API is none)."
RUNNING = "A resync is going on."
REPORTS_READ = 20
"""Among so many reports the last full one is looked for: lists are more frequent."""

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """No resync can be started now; the text says why."""


@dataclass(frozen=True, slots=True)
class Due:
    """When the next one begins (epoch seconds, simulated), unless somebody asks earlier."""

    at: float
    kind: RunKind


@dataclass(frozen=True, slots=True)
class Look:
    """The resyncs of a stack at one moment.

    ``run`` is the one that goes on, ``jobs`` how many of its jobs are open, ``so_far`` the parts of its report that are
    there, merged (``bitbucket_port.resync.report``). ``last`` is the report of the last one that ended, ``last_full``
    of the last full one, ``refusal`` why none can be started now (empty: one can).
    """

    run: Run | None = None
    jobs: int = 0
    so_far: JsonObject | None = None
    last: JsonObject | None = None
    last_full: JsonObject | None = None
    requested: bool = False
    due: Due | None = None
    refusal: str = ""


class Watched(Protocol):
    """One stack's resyncs, as whoever shows them needs them."""

    @property
    def product(self) -> Product: ...
    def look(self) -> Look:
        """The resyncs now."""
        ...

    def start(self, reason: str) -> None:
        """Begin a full one. Raises RefusedError."""
        ...


class Resyncs:
    """The resyncs of a running stack. ``every``: seconds after which a ``Timer`` begins another one; 0: it does not."""

    def __init__(self, stack: Stack, *, every: float = 0.0) -> None:
        self._stack = stack
        self._store = DynamoDBRunStore(stack.dynamodb, stack.table, clock=stack.clock.now)
        self._starting = threading.Lock()
        self.every = every

    @property
    def product(self) -> Product:
        """Which Bitbucket it is about."""
        return self._stack.product

    # --- what there is to see ----------------------------------------------------------------------------------------

    def look(self) -> Look:
        """The resyncs now. Raises what ``RunStore`` raises."""
        state = self._store.state()
        reports = self._store.last_reports(REPORTS_READ)
        last_full = next((report for report in reports if report["kind"] == "full"), None)
        run = state.run
        return Look(
            run,
            self._open_jobs(run.id) if run else 0,
            merged(part for _, part in self._store.reports(run.id)) if run else None,
            reports[0] if reports else None,
            last_full,
            state.requested is not None,
            self._due(state),
            WEBHOOK_ONLY if self._settings.webhook_only else RUNNING if run else "",
        )

    def _open_jobs(self, run_id: str) -> int:
        """How many jobs are open. They are only counted: a large run has many."""
        count = 0
        more: dict[str, Any] = {}
        while True:
            answer: Any = self._stack.dynamodb.query(
                TableName=self._stack.table,
                KeyConditionExpression="PK = :open",
                ExpressionAttributeValues={":open": {"S": f"run#{run_id}#open"}},
                Select="COUNT",
                **more,
            )
            count += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return count
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _due(self, state: State) -> Due | None:
        """The first of those that are to come; a full one where two come at once."""
        settings = self._settings
        if settings.webhook_only:
            return None
        listed = max(state.last_full, state.last_list)
        planned: list[tuple[float, float, RunKind]] = [
            (state.last_full, settings.scheduled_resync_interval * 60, "full"),
            (listed, settings.list_interval * 60, "list"),
            (state.last_full, self.every, "full"),
        ]
        dues = [Due(last + interval, kind) for last, interval, kind in planned if last and interval]
        return min(dues, key=lambda due: (due.at, due.kind), default=None)

    # --- another one -------------------------------------------------------------------------------------------------

    def begin(self, reason: str, *, always: bool) -> bool:
        """Have begin what is due, as the schedule does; ``always``: a full one where nothing is.

        Returns whether one goes on. Raises RefusedError.
        """
        if self._settings.webhook_only:
            raise RefusedError(WEBHOOK_ONLY)
        # First a tick: the schedule's own may be on its way, and two of them make one run.
        if self._invoke({})["did"] != "nothing":
            return True
        if always:
            self.start(reason)
        return always

    def start(self, reason: str) -> None:
        """Begin a full one now. Raises RefusedError while one goes on, and where none can be."""
        if not self._starting.acquire(blocking=False):
            raise RefusedError(RUNNING)
        try:
            refusal = self.look().refusal
            if refusal:
                raise RefusedError(refusal)
            self._invoke({"resync": "full", "reason": reason})
        finally:
            self._starting.release()

    def _invoke(self, event: JsonObject) -> JsonObject:
        try:
            answer: JsonObject = self._function.invoke(event)
        except FunctionError as error:
            raise RefusedError(f"{START} failed: {error}") from error
        self._stack.nudge()
        return answer

    @property
    def _function(self) -> Function:
        return self._stack.functions[START]

    @property
    def _settings(self) -> Settings:
        return Settings.from_environment(self._function.environment)


class Timer:
    """Begins a full resync of each stack again and again, ``every`` simulated seconds after the one before began."""

    def __init__(self, resyncs: Sequence[Resyncs], clock: Clock) -> None:
        self._next = {one: clock.now() + one.every for one in resyncs if one.every}
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resyncs", daemon=True)

    def start(self) -> None:
        """Begin to watch the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no other one; whoever is just beginning one is not waited for long."""
        self._stopping.set()
        self._thread.join(LONGEST_STOP)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            for resyncs, moment in self._next.items():
                if self._clock.now() >= moment:
                    self._next[resyncs] = self._begin(resyncs)

    def _begin(self, resyncs: Resyncs) -> float:
        """Begin one, unless somebody else did meanwhile; when to see to it again."""
        now = self._clock.now()
        try:
            found = resyncs.look()
            last = found.run.started if found.run and found.run.kind == "full" else _started(found.last_full)
            if last + resyncs.every > now:
                return last + resyncs.every
            resyncs.start("the time is over that --resync-every gives")
        except (RefusedError, BitbucketPortError) as error:
            if not self._stopping.is_set() and str(error) != RUNNING:
                _log.warning("no resync of %s now: %s", resyncs.product, error)
            return now + min(resyncs.every, RETRY_SECONDS)
        return now + resyncs.every


def _started(report: JsonObject | None) -> float:
    return float(report["started"]) if report else 0.0
