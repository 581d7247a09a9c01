"""Looks at what may have to go: the first finds out what would be deleted, the second deletes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.errors import BusyError, TransientError
from bitbucket_port.objects import EntityKey, Kind
from bitbucket_port.resync.jobs import Job, SweepJob, UnclaimedJob
from bitbucket_port.resync.leftovers import Leftovers
from bitbucket_port.resync.phases import swept_in
from bitbucket_port.resync.report import Part, merged
from bitbucket_port.resync.run import Catalog, Ledger, Removals, Turn, chunks, read_now
from bitbucket_port.resync.start import LISTED_BY_LIST
from bitbucket_port.resync.store import Candidate, Phase, Planned, PlannedReason
from bitbucket_port.resync.threshold import Blocked, blocked
from bitbucket_port.webhooks.change import Change

LOOKED_AT = 20
"""Objects of one job: what is asked again when its function dies half-way."""
DELETED_AT_ONCE = 100
ORDERED_AT_ONCE = 100


class Sweeps:
    """Runs the looks. ``kinds`` are those the mapping is about; of others, what nothing hangs below goes unasked."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        ledger: Ledger,
        kinds: frozenset[Kind],
        threshold: float,
        leftovers: Leftovers,
        clock: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._kinds = kinds
        self._threshold = threshold
        self._leftovers = leftovers
        self._clock = clock

    # --- opening a phase ---------------------------------------------------------------------------------------------

    def open_look(self, turn: Turn) -> None:
        """Order the first look at every candidate."""
        candidates = turn.store.candidates(turn.run.id)
        _order_all(
            turn,
            (SweepJob(turn.run.id, 1, f"{n:06}", some) for n, some in enumerate(chunks(candidates, LOOKED_AT))),
        )

    def open_sweep(self, phase: Phase, turn: Turn) -> None:
        """Order the second look at what may be deleted in this phase."""
        stopped = self._blocked(turn)
        if phase == "sweep-children":
            self._tell(stopped, turn)
        free = [
            one
            for one in turn.store.planned(turn.run.id)
            if swept_in(phase, one) and not stopped.keys() & _blueprints(one)
        ]
        objects = (Candidate(one.key, one.address, "vanished") for one in free if one.key)
        jobs: list[Job] = [
            SweepJob(turn.run.id, 2, f"{phase}-{number:06}", some)
            for number, some in enumerate(chunks(objects, LOOKED_AT))
        ]
        unclaimed = sorted(one.entities[0] for one in free if one.key is None)
        for blueprint in sorted({key.blueprint for key in unclaimed}):
            names = (key.identifier for key in unclaimed if key.blueprint == blueprint)
            jobs += [
                UnclaimedJob(turn.run.id, blueprint, number, some)
                for number, some in enumerate(chunks(names, DELETED_AT_ONCE))
            ]
        _order_all(turn, iter(jobs))

    def _blocked(self, turn: Turn) -> dict[str, Blocked]:
        """Decided by what does not change any more, so the same in every sweep phase."""
        planned: Counter[str] = Counter()
        for one in turn.store.planned(turn.run.id):
            if not one.aged:
                planned.update(key.blueprint for key in one.entities)
                planned.update(one.below)
        report = merged(part for _, part in turn.store.reports(turn.run.id))
        listed = {name: counts.get("ours", 0) for name, counts in report["blueprints"].items()}
        return blocked(planned, listed, self._threshold)

    def _tell(self, stopped: Mapping[str, Blocked], turn: Turn) -> None:
        for blueprint, why in sorted(stopped.items()):
            turn.part.blueprint(blueprint, blocked=why.planned)
            turn.part.note(str(why))

    # --- looking -----------------------------------------------------------------------------------------------------

    def run(self, job: SweepJob, turn: Turn) -> None:
        """Look at the objects together; one that fails does not keep the others."""
        unasked = [one for one in job.objects if self._goes_unasked(one.key.kind)]
        asked = [one for one in job.objects if one not in unasked]
        removals: Removals = "defer" if job.look == 1 else "allow"
        outcomes = self._catalog.look_all([self._change(one) for one in asked], removals=removals)
        failed: TransientError | None = None
        for one, outcome in zip(asked, outcomes, strict=True):
            if outcome.failed and outcome.transient and (outcome.limited or not turn.last_try):
                failed = failed or _again(outcome)
            elif job.look == 1:
                self._first(one, outcome, turn)
            else:
                self._count(outcome, turn)
        for one in unasked:
            if job.look == 1:
                self._plan(one, tuple(self._ledger.read([one.key])[one.key].owned()), "out of scope", turn)
            else:
                self._count(self._catalog.remove(one.key, version=None), turn)
        if failed:
            raise failed

    def _first(self, one: Candidate, outcome: Outcome, turn: Turn) -> None:
        if outcome.planned or outcome.below:
            reason: PlannedReason = "gone" if outcome.result == "absent" else "out of scope"
            self._plan(one, outcome.planned, reason, turn, aged=outcome.aged, below=outcome.below)
        turn.part.looked(outcome)

    def _plan(
        self,
        one: Candidate,
        entities: tuple[EntityKey, ...],
        reason: PlannedReason,
        turn: Turn,
        *,
        aged: bool = False,
        below: Mapping[str, int] | None = None,
    ) -> None:
        planned = Planned(one.key, one.address, entities, reason, aged, below or {})
        turn.store.put_planned(turn.run.id, [planned])
        if aged:
            turn.part.count(one.key.kind, "aged", len(entities))

    def _count(self, outcome: Outcome, turn: Turn) -> None:
        """A deletion is told at once and by its object: done again, the job would find nothing to delete."""
        part = Part() if outcome.deleted else turn.part
        part.looked(outcome)
        if outcome.deleted:
            turn.store.put_report(turn.run.id, f"swept {outcome.key}", part.to_json())

    def _goes_unasked(self, kind: Kind) -> bool:
        return kind not in self._kinds and kind not in LISTED_BY_LIST

    def _change(self, one: Candidate) -> Change:
        repository = one.key.repository
        return read_now(
            one.key, one.address, self._clock(), self._ledger.read([repository])[repository] if repository else None
        )

    # --- unclaimed ---------------------------------------------------------------------------------------------------

    def run_unclaimed(self, job: UnclaimedJob, turn: Turn) -> None:
        """Delete what is still unclaimed, and still ours by Port's word."""
        removed = self._leftovers.remove(job.blueprint, job.identifiers)
        if removed.deleted:
            turn.part.blueprint(job.blueprint, swept=len(removed.deleted))
        for identifier, why in removed.stay.items():
            turn.part.note(f"{job.blueprint} {identifier} is unclaimed but stays: {why}")


def _blueprints(planned: Planned) -> set[str]:
    return {key.blueprint for key in planned.entities} | set(planned.below)


def _again(outcome: Outcome) -> TransientError:
    """Why the job has to come again; what is no limit costs it a try."""
    kind = TransientError if outcome.limited else BusyError
    return kind(outcome.failed, retry_after=outcome.retry_after)


def _order_all(turn: Turn, jobs: Iterator[Job]) -> None:
    for some in chunks(jobs, ORDERED_AT_ONCE):
        turn.order(some)
