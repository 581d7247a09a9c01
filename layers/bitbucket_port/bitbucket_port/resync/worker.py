"""Carries the jobs of a run out: once, again after a failure, and until the phase and the run end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.errors import BitbucketPortError, PermanentError, StillThereError, TransientError
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.children import ChildrenWorker
from bitbucket_port.resync.jobs import (
    ChildrenJob,
    HealJob,
    Job,
    ListJob,
    PhaseJob,
    PortJob,
    SweepJob,
    UnclaimedJob,
    parse,
)
from bitbucket_port.resync.listing import Listings, roots_of
from bitbucket_port.resync.phases import SECOND_LOOK_SECONDS, after, delay_of
from bitbucket_port.resync.portside import PortSide
from bitbucket_port.resync.report import Part, status_of, whole
from bitbucket_port.resync.run import RunFollowers, SendJobs, Turn
from bitbucket_port.resync.start import LEASE_SECONDS, Starter
from bitbucket_port.resync.store import Request, Run, RunStore, Status
from bitbucket_port.resync.sweep import Sweeps

MOST_TRIES = 12
"""Receives of a job's message after which a failure counts as lasting, those that met a limit not counted."""
MOST_RECEIVES = 60
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds between two tries, at least: each is twice as long as the one before."""


class Log(Protocol):
    """What of a logger is used: of ``logging`` or of Powertools."""

    def info(self, msg: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """As it goes."""

    def warning(self, msg: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Something people should know."""

    def error(self, msg: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Something that did not work."""


class Spent(Protocol):
    """The requests sent so far."""

    def __call__(self) -> tuple[int, int]:
        """To Bitbucket and to Port."""


class Told(Protocol):
    """Whoever wants to know of a run's beginning and end; nothing he does may fail."""

    def began(self, run: Run) -> None:
        """Its first job is being done; may be told more than once."""

    def ended(self, run: Run, status: Status, report: JsonObject) -> None:
        """It is closed; told once."""


class JobsWorker(Protocol):
    """Handles the messages of the jobs queue."""

    def handle(self, message: str, receives: int) -> None:
        """Carry out the job of a message that was received for that many times.

        Raises TransientError when the message must be kept and tried again, PermanentError for what is no job.
        """


class ChildrenOnly:
    """Where Bitbucket may not be asked there are no runs, but what hangs below something that is gone goes, too."""

    def __init__(self, children: ChildrenWorker, send: SendJobs, log: Log) -> None:
        self._children = children
        self._send = send
        self._log = log

    def handle(self, message: str, receives: int) -> None:
        """See JobsWorker."""
        del receives
        look_after(ChildrenJob.from_message(message), self._children, self._send, self._log)


class RunWorker:
    """Handles the messages of the jobs queue, one at a time; any message may come twice, late, or to two at once."""

    def __init__(
        self,
        *,
        store: RunStore,
        send: SendJobs,
        mapping_hash: str,
        listings: Listings,
        port_side: PortSide,
        sweeps: Sweeps,
        children: ChildrenWorker,
        followers: RunFollowers,
        spent: Spent,
        clock: Callable[[], float],
        log: Log,
        told: Told | None = None,
        starter: Starter | None = None,
    ) -> None:
        """``starter`` begins, when a run ends, the one that was asked for meanwhile."""
        self._store = store
        self._send = send
        self._hash = mapping_hash
        self._listings = listings
        self._port_side = port_side
        self._sweeps = sweeps
        self._children = children
        self._followers = followers
        self._spent = spent
        self._clock = clock
        self._log = log
        self._told = told
        self._starter = starter

    def handle(self, message: str, receives: int) -> None:
        """Carry out the job of a message that was received for that many times.

        Raises TransientError when the message must be kept and tried again, PermanentError for what is no job.
        """
        job = parse(message)
        run = self._store.state().run if job.run else None
        if run is not None and run.id == job.run and run.mapping_hash != self._hash:
            self._supersede(run)
            run = None
        if run is None or run.id != job.run:
            self._outlived(job)
            return
        self._keep(run)
        open_job = self._store.open_job(run.id, job.id)
        if open_job is None:
            self._advance(run.id, again=True)
            return
        tries = receives - open_job.waits
        turn = Turn(run, self._store, self._send, job=job.id, tries=tries, last_try=tries >= MOST_TRIES)
        if tries > MOST_TRIES or receives > MOST_RECEIVES:
            self._give_up(job, turn, f"it was received {receives} times and never ended")
        else:
            self._try(job, turn, receives)
        if isinstance(job, PhaseJob) and job.phase == "report":
            self._close(run)
            return
        if tries > 1:
            self._send_unsent(job, run)
        self._store.done(run.id, job.id, turn.part.to_json())
        self._advance(run.id)

    def _send_unsent(self, job: Job, run: Run) -> None:
        """Send what an earlier try opened, and perhaps died before it sent, and this one did not ask for any more."""
        opened = self._store.open_jobs(run.id)
        unsent = [one.message for one in opened if _was_ordered_by(job, parse(one.message))]
        if unsent:
            self._send(unsent, 0)

    def _outlived(self, job: Job) -> None:
        """A job of no run, or of one that is over: what hangs below something is looked after in any case."""
        if isinstance(job, ChildrenJob):
            look_after(job, self._children, self._send, self._log)
            return
        self._log.info("dropped a job of a run that is over", extra={"run": job.run, "job": job.id})
        self._follow_up()  # Whoever ended that run may have died before he did.

    # --- one try -----------------------------------------------------------------------------------------------------

    def _try(self, job: Job, turn: Turn, receives: int) -> None:
        before = self._spent()
        self._followers.turn = turn
        try:
            self._run(job, turn)
        except TransientError as error:
            if not turn.last_try or error.is_limit:
                self._put_off(job, turn, error, before, receives)
                error.retry_after = pause(error, turn.tries)
                raise
            self._give_up(job, turn, str(error))
        except PermanentError as error:
            self._give_up(job, turn, str(error))
        except BitbucketPortError as error:
            # NotFoundError of something that is no candidate: the next try may find what moved.
            if not turn.last_try:
                self._put_off(job, turn, error, before, receives)
                raise
            self._give_up(job, turn, str(error))
        finally:
            self._followers.turn = None
        self._count_requests(job, turn.part, before)

    def _run(self, job: Job, turn: Turn) -> None:
        if isinstance(job, PhaseJob):
            self._open(job, turn)
        elif isinstance(job, ListJob):
            self._listings.run(job, turn)
        elif isinstance(job, PortJob):
            self._port_side.run(job, turn)
        elif isinstance(job, HealJob):
            self._port_side.heal(job, turn)
        elif isinstance(job, SweepJob):
            self._sweeps.run(job, turn)
        elif isinstance(job, UnclaimedJob):
            self._sweeps.run_unclaimed(job, turn)
        else:
            look_after(job, self._children, self._send, self._log, turn)

    def _open(self, job: PhaseJob, turn: Turn) -> None:
        if job.phase == "listing":
            if self._told:
                self._told.began(turn.run)
            self._listings.roots(turn)
        elif job.phase == "port":
            self._port_side.open(turn)
        elif job.phase == "look":
            self._sweeps.open_look(turn)
        elif job.phase.startswith("sweep"):
            wait = turn.run.phase_began + SECOND_LOOK_SECONDS - self._clock()
            if job.phase == "sweep-children" and wait > 0:
                raise StillThereError("the second look has to wait", retry_after=wait)
            self._sweeps.open_sweep(job.phase, turn)

    # --- what becomes of a job ---------------------------------------------------------------------------------------

    def _put_off(self, job: Job, turn: Turn, error: BitbucketPortError, before: tuple[int, int], receives: int) -> None:
        """The same message comes again; what this try did and cost is part of the report."""
        part = turn.part.kept()
        self._count_requests(job, part, before)
        if isinstance(error, TransientError) and error.is_limit:
            wait = float(error.retry_after or 0)
            part.throttled(wait)
            self._store.waited(turn.run.id, job.id)
            if turn.run.until < self._clock() + wait + LEASE_SECONDS / 2:
                self._store.extend(turn.run.id, self._clock() + wait + LEASE_SECONDS)
        # Told apart by the moment as well: copies of a message are received as often.
        name = f"try {receives} at {self._clock():.3f} of {job.id}"
        self._store.put_report(turn.run.id, name, part.to_json())

    def _give_up(self, job: Job, turn: Turn, reason: str) -> None:
        """The job cannot be done: say so, and let nothing go because of it."""
        self._log.error("given up: %s", reason, extra={"run": turn.run.id, "job": job.id})
        if isinstance(job, ListJob):
            self._listings.protect(job, turn, reason)
        elif isinstance(job, PhaseJob | PortJob | UnclaimedJob):
            turn.part.failed("run", job.id, reason)
            if isinstance(job, PhaseJob) and job.phase == "listing":
                for kind in roots_of(turn.run):  # Nobody knows which lists were ordered.
                    turn.store.protect(turn.run.id, kind, reason)
        elif isinstance(job, SweepJob):
            for one in job.objects:
                turn.part.failed(one.key.kind, str(one.key), reason)
        elif isinstance(job, HealJob):
            for key in job.keys:
                turn.part.failed(key.kind, str(key), reason)
        else:
            turn.part.failed(job.container.kind, str(job.container), reason)

    def _count_requests(self, job: Job, part: Part, before: tuple[int, int]) -> None:
        bitbucket, port = (now - then for now, then in zip(self._spent(), before, strict=True))
        part.requested(bitbucket=bitbucket, port=port, listing=bitbucket if isinstance(job, ListJob) else 0)

    # --- the run -----------------------------------------------------------------------------------------------------

    def _keep(self, run: Run) -> None:
        """Extend the lease, but not with every job."""
        now = self._clock()
        if run.until - now < LEASE_SECONDS / 2:
            self._store.extend(run.id, now + LEASE_SECONDS)

    def _advance(self, run_id: str, *, again: bool = False) -> None:
        """Begin the next phase if this was the last job of the present one.

        The phase is read before the jobs are looked for: read afterwards it could be the next one, of which nothing is
        known yet. ``again``: this message was handled before, by somebody who may have died before he sent the job
        that opens the phase.
        """
        run = self._store.state().run
        if run is None or run.id != run_id:
            return
        if self._store.any_open(run_id):
            first = PhaseJob(run_id, run.phase)
            if again and self._store.open_job(run_id, first.id):
                self._send([first.to_message()], delay_of(run.phase))
            return
        phase = after(run, self._store)
        first = PhaseJob(run_id, phase)
        if self._store.advance(run_id, run.phase, phase, self._clock(), [(first.id, first.to_message())]):
            self._send([first.to_message()], delay_of(phase))

    def _supersede(self, run: Run) -> None:
        """The mapping changed: nothing this run found out may delete anything."""
        self._store.request(Request(run.kind, "the mapping changed", self._clock()))
        self._close(run, "superseded")

    def _close(self, run: Run, status: Status | None = None) -> None:
        now = self._clock()
        parts = (part for _, part in self._store.reports(run.id))
        protected = self._store.protected(run.id)
        report = whole(run, parts, protected, at=now)
        ended: Status = status or status_of(report, roots_of(run), protected)
        if self._store.close(run.id, ended, report, now):
            log = self._log.info if ended == "complete" else self._log.warning
            log("resync %s", ended, extra={"report": {**report, "status": ended}})
            if self._told:
                self._told.ended(run, ended, report)
        self._follow_up()

    def _follow_up(self) -> None:
        """Begin what was asked for while a run was going on: where both intervals are 0 no tick does."""
        if self._starter:
            self._starter.tick()


def pause(error: TransientError, tries: int) -> float | None:
    """Seconds until the next try of a job; None leaves it to the queue, whose pauses grow.

    So do those here, whatever is told, unless it is a limit: somebody may hold a lease for longer than twelve times the
    few seconds that are told of it.
    """
    if error.retry_after is None or error.is_limit:
        return error.retry_after
    return max(error.retry_after, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (max(tries, 1) - 1)))


def _was_ordered_by(job: Job, other: Job) -> bool:
    """Whether ``job`` opened the other one under a name that another try need not give again."""
    if isinstance(other, ChildrenJob):
        return other.ordered_by == job.id
    return isinstance(other, HealJob) and isinstance(job, PortJob) and other.blueprint == job.blueprint


def look_after(job: ChildrenJob, children: ChildrenWorker, send: SendJobs, log: Log, turn: Turn | None = None) -> None:
    """See to what hangs below an object that moved or is gone, for a run or without one."""
    progress = children.run(job)
    for outcome in progress.outcomes:
        log_outcome(log, outcome)
        if turn:
            turn.part.looked(outcome)
    for problem in progress.problems:
        log.warning("%s below %s: %s", job.action, job.container, problem)
        if turn and progress.finished:
            turn.part.failed(job.container.kind, str(job.container), problem)
    if progress.failed:
        raise progress.failed
    if progress.finished:
        return
    if turn:
        turn.order([job.continued()], delay=progress.delay)
    else:
        send([job.continued().to_message()], progress.delay)


def log_outcome(log: Log, outcome: Outcome) -> None:
    """One log line for one object; problems make it a warning."""
    write = log.warning if outcome.problems else log.info
    write("%s %s", outcome.key, outcome.result, extra=outcome.log_fields())
