"""Carries out the jobs about webhooks: finding out what needs them, and looking after some."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from bitbucket_port.errors import BitbucketPortError, TransientError
from bitbucket_port.hooks.cloud import SCOPE_FIXES
from bitbucket_port.hooks.store import Record
from bitbucket_port.hooks.subject import Level, Subject
from bitbucket_port.hooks.upkeep import Upkeep, is_for_all
from bitbucket_port.hooks.work import OF_VERSION, OVERVIEW, REFUSED, REMOVED, Work
from bitbucket_port.resync.stack_jobs import HookJob

_log = logging.getLogger(__name__)

AT_ONCE = 20
"""Subjects of one job, one after the other: how many jobs are worked on at once is bounded by the queue."""
MOST_TRIES = 5
"""Receives of a job after which a subject that cannot be reached is recorded as failed and left for the next check."""


class CarryOut:
    """Carries jobs out. Any job may come twice, late, or to two at once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._store = work.store

    def run(self, job: HookJob, receives: int) -> None:
        """Carry out a job that was received that many times. Raises TransientError when it has to come again."""
        if self._store.noted(REMOVED) and not job.remove:
            _log.info("dropped a job about webhooks: ours were removed")
            return
        if job.subjects:
            self._some(job, receives)
            return
        try:
            self._find_out(job)
        except TransientError:
            raise
        except BitbucketPortError as error:
            _log.error("webhooks cannot be looked after: %s", error)
            self._store.note(OVERVIEW, {**self._store.noted(OVERVIEW), "error": str(error)})

    # --- some subjects -----------------------------------------------------------------------------------------------

    def _some(self, job: HookJob, receives: int) -> None:
        """One after the other; what one of them meets stops no other, unless all would meet it."""
        upkeep = self._work.upkeep()
        put_off: TransientError | None = None
        for at, subject in enumerate(job.subjects):
            if not self._is_wanted(subject, job, upkeep):
                continue
            if not self._work.time_left():
                self._work.send([job.continued(job.subjects[at:]).to_message()])
                break
            try:
                if not self._one(subject, job, upkeep):
                    return
            except TransientError as error:
                if is_for_all(error):
                    raise
                put_off = self._put_off(subject, upkeep, error, receives) or put_off
        self._work.keep_refused(upkeep.refusals)
        if put_off is not None:
            raise put_off

    def _one(self, subject: Subject, job: HookJob, upkeep: Upkeep) -> bool:
        """Look after one; False when the stack was taken down meanwhile, so that none may be made any more."""
        try:
            record = upkeep.remove(subject) if job.remove else upkeep.bring(subject, at_once=not job.force)
        except TransientError:
            upkeep.release(subject)
            raise
        if self._store.noted(REMOVED) and not job.remove:
            upkeep.remove(subject)
            return False
        if record is not None and record.state != "right":
            _log.warning("webhooks of the %s are not right: %s %s", subject, record.text, record.fix)
        return True

    def _put_off(self, subject: Subject, upkeep: Upkeep, error: TransientError, receives: int) -> TransientError | None:
        """Whether the job has to come again for this subject."""
        if receives < MOST_TRIES or not error.means_limit:
            return error
        _log.warning("webhooks of the %s are given up until the next check: %s", subject, error)
        upkeep.give_up(subject, error)
        return None

    def _is_wanted(self, subject: Subject, job: HookJob, upkeep: Upkeep) -> bool:
        """Whether anything is left to do: a job that comes again, or late, skips what was done since."""
        record = self._store.record(subject.key)
        if job.remove or record is None:
            return True
        return self._is_due(record, job, upkeep.secret.version)

    def _is_due(self, record: Record, job: HookJob, secret_version: str) -> bool:
        if job.force and record.checked < job.requested:
            return True
        wanted = self._work.settings.digest(record.subject.level)
        return record.is_due(self._work.clock(), secret_version=secret_version, wanted=wanted)

    # --- what needs webhooks -----------------------------------------------------------------------------------------

    def _find_out(self, job: HookJob) -> None:
        if self._work.settings.product == "cloud":
            self._find_out_cloud(job)
        else:
            self._find_out_server(job)

    def _find_out_cloud(self, job: HookJob) -> None:
        """The workspace at once; repositories only when the token may not."""
        if job.force:
            self._store.note(REFUSED, {})
        self._overview(level="workspace")
        subject = self._work.subjects.workspace()
        upkeep = self._work.upkeep()
        known = self._store.record(subject.key)
        if known is None or known.state != "right" or self._is_due(known, job, upkeep.secret.version):
            if not self._one(subject, job, upkeep):
                return
            self._work.keep_refused(upkeep.refusals)
        record = self._store.record(subject.key)
        if record is None:
            return
        if record.state == "right":
            self._order([], job, upkeep, "workspace")
        elif record.state == "refused" and record.fix not in SCOPE_FIXES:
            self._overview(level="repository")
            self._order(self._work.subjects.repositories(), job, upkeep, "repository")

    def _find_out_server(self, job: HookJob) -> None:
        subjects, forced = self._work.subjects, self._work.settings.repositories
        version = subjects.version()
        if job.force or self._store.noted(REFUSED).get(OF_VERSION, version) != version:
            self._store.note(REFUSED, {})
        level = subjects.level(version, forced)
        self._overview(version=version, level=level)
        wanted = subjects.projects() if level == "project" else subjects.repositories()
        self._order(wanted, job, self._work.upkeep(), level)

    def _overview(self, *, level: Level, version: str = "") -> None:
        self._store.note(OVERVIEW, {"at": str(self._work.clock()), "level": level, "version": version})

    def _order(self, wanted: list[Subject], job: HookJob, upkeep: Upkeep, level: Level) -> None:
        """Send jobs for what has to be looked at, and for what is not wanted any more."""
        records = self._store.records()
        due = [one for one in wanted if self._needs_a_look(one, records.get(one.key), job, upkeep)]
        messages = [HookJob(job.requested, job.force, tuple(some)).to_message() for some in chunks(due)]
        outdated = replaced(records, {one.key: one for one in wanted}, level)
        messages += [
            HookJob(job.requested, subjects=tuple(some), remove=True).to_message() for some in chunks(outdated)
        ]
        if messages:
            self._work.send(messages)

    def _needs_a_look(self, subject: Subject, record: Record | None, job: HookJob, upkeep: Upkeep) -> bool:
        # Renamed, it is found at another address.
        return record is None or record.subject != subject or self._is_due(record, job, upkeep.secret.version)


def replaced(records: Mapping[str, Record], wanted: Mapping[str, Subject], level: Level) -> list[Subject]:
    """Recorded subjects whose webhooks of ours have to go.

    Of the level that is wanted: what is not wanted (gone, or out of the mapping's scope). Of another level: what others
    cover by now, whose webhooks are right.
    """
    right = {key for key, record in records.items() if record.state == "right"}
    below: dict[str, list[str]] = {}
    for key, subject in wanted.items():
        below.setdefault(subject.parent, []).append(key)
    found = []
    for key, record in records.items():
        subject = record.subject
        if key in wanted or (level == "workspace" and subject.level == "workspace"):
            continue
        if subject.level == level:
            found.append(subject)
        elif subject.level == "repository":
            if subject.parent in right or (level == "project" and subject.parent not in wanted):
                found.append(subject)
        elif subject.level == "project" and all(one in right for one in below.get(key, [])):
            found.append(subject)
    return found


def chunks(subjects: Iterable[Subject]) -> list[list[Subject]]:
    """As many as one job is about."""
    every = list(subjects)
    return [every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE)]
