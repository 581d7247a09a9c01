"""Webhooks in Bitbucket, all of them: planned, looked after job by job, told about, and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bitbucket_port.hooks import inspection, removal, report
from bitbucket_port.hooks.carrying_out import MOST_TRIES, CarryOut, chunks
from bitbucket_port.hooks.wanted import HookSettings
from bitbucket_port.hooks.work import OVERVIEW, REMOVED, Work
from bitbucket_port.resync.jobs import parse_any
from bitbucket_port.resync.stack_jobs import HookJob
from bitbucket_port.setup.findings import Finding


class Webhooks:
    """The webhooks of one stack. ``work`` is None where Bitbucket is never called: ``settings.why_none`` says why."""

    def __init__(self, settings: HookSettings, work: Work | None) -> None:
        self._settings = settings
        self._made_before = work
        self._work = None if settings.why_none else work

    def plan(self, *, force: bool) -> list[Finding]:
        """Order that webhooks are looked after: all of them with ``force``, otherwise those that are due or unknown.

        Says so; or says why none are made, and how it is done by hand: what was made before that was so is removed.
        Raises TransientError when the order cannot be placed.
        """
        if self._work is None:
            return [*self._no_more(), *self.by_hand()]
        if force:
            self._work.store.note(REMOVED, {})
        elif self._work.store.noted(REMOVED):
            return [Finding(report.ABOUT, "skipped", "they were removed with the stack")]
        self._work.send([HookJob(self._work.clock(), force).to_message()])
        return [*self.findings(), Finding(report.ABOUT, "ok", "looking after them was ordered")]

    def _no_more(self) -> list[Finding]:
        """Order that those made before are removed."""
        before = self._made_before
        subjects = [record.subject for record in before.store.records().values()] if before else []
        if before is None or not subjects:
            return []
        jobs = (HookJob(before.clock(), subjects=tuple(some), remove=True) for some in chunks(subjects))
        before.send([job.to_message() for job in jobs])
        return [Finding(report.ABOUT, "changed", f"those made before, at {len(subjects)} places, are being removed")]

    def look_after(self, job: HookJob, *, receives: int = 1) -> None:
        """Carry out a job that was received that many times. Raises TransientError when it has to come again."""
        work = self._made_before if job.remove else self._work
        if work is not None:
            CarryOut(work).run(job, receives)

    def do_now(self, *, force: bool) -> list[Finding]:
        """Look after all of them here and now, without a queue: for one process without AWS.

        Raises TransientError when Bitbucket cannot be asked.
        """
        if self._work is None:
            return self.by_hand()
        waiting: list[str] = []

        def send(messages: Sequence[str], delay: int = 0) -> None:
            del delay
            waiting.extend(messages)

        here = Webhooks(self._settings, replace(self._work, send=send))
        here.plan(force=force)
        while waiting:
            job = parse_any(waiting.pop(0))
            if isinstance(job, HookJob):
                here.look_after(job, receives=MOST_TRIES)
        return here.findings()

    def findings(self) -> list[Finding]:
        """How they stand, as the last checks recorded it; nothing is asked of Bitbucket."""
        if self._work is None:
            return self.by_hand()
        store = self._work.store
        return report.recorded(self._settings, store.records().values(), store.noted(OVERVIEW), self._work.refused())

    def by_hand(self) -> list[Finding]:
        """What to do where none are made: the URL, the events to tick, the command that prints the secret."""
        return report.by_hand(self._settings)

    def inspect(self, most: int = 50) -> list[Finding]:
        """How they stand, asked of Bitbucket itself and changing nothing: at ``most`` projects or repositories.

        Raises as the clients do when Bitbucket cannot be asked.
        """
        return self.by_hand() if self._work is None else inspection.inspect(self._work, most)

    def test_reachability(self, url: str) -> Finding | None:
        """Have the Data Center send a ping to ``url`` and tell what it saw; None where it cannot be asked that."""
        return None if self._work is None else inspection.test_reachability(self._work, url)

    def remove_all(self, time_left: Callable[[], bool]) -> list[Finding]:
        """Remove ours from wherever they are recorded, and make no more; what could not be removed is told."""
        if self._made_before is None:
            return [Finding(report.ABOUT, "skipped", f"none were made: {self._settings.why_none}")]
        return removal.remove_all(self._made_before, time_left)
