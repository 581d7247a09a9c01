"""Removes our webhooks from wherever they are recorded, and no other."""

from __future__ import annotations

from collections.abc import Callable

from bitbucket_port.errors import BitbucketPortError, BusyError, TransientError
from bitbucket_port.hooks.store import Record
from bitbucket_port.hooks.upkeep import is_for_all
from bitbucket_port.hooks.work import REMOVED, Work
from bitbucket_port.setup.findings import Finding

MOST_TOLD = 20
LONGEST_WAIT = 60.0
PAUSE = 5.0


def remove_all(work: Work, time_left: Callable[[], bool]) -> list[Finding]:
    """Remove all of ours, also those whose making was interrupted; what is left is told, with what to do.

    From now on a job that was on its way makes none again. Raises nothing of ``errors`` but for the database.
    """
    work.store.note(REMOVED, {"at": str(work.clock())})
    records = sorted(work.store.records().values(), key=lambda record: record.subject.key)
    upkeep = work.upkeep() if records else None
    left: list[tuple[Record, str]] = []
    removed = 0
    waited, stopped = 0.0, ""
    busy: list[Record] = []

    def one(record: Record, *, by_force: bool = False) -> None:
        nonlocal removed, stopped
        if upkeep is None or stopped or not time_left():
            left.append((record, stopped or "no time was left"))
            return
        try:
            kept = upkeep.remove(record.subject, by_force=by_force)
        except BusyError:
            busy.append(record)
        except BitbucketPortError as error:
            upkeep.release(record.subject)
            left.append((record, str(error)))
            if isinstance(error, TransientError) and is_for_all(error):
                stopped = str(error)
        else:
            removed += kept is None
            if kept is not None:
                left.append((record, kept.text))

    for record in records:
        one(record)
    while busy and waited < LONGEST_WAIT and time_left():
        # A worker is at it: what it makes now is to be removed, too.
        work.sleep(PAUSE)
        waited += PAUSE
        again, busy[:] = busy[:], []
        for record in again:
            one(record)
    for record in busy:  # Whoever it was is dead, or will find out that ours were removed.
        one(record, by_force=True)
    return _told(work, removed, left)


def _told(work: Work, removed: int, left: list[tuple[Record, str]]) -> list[Finding]:
    if not removed and not left:
        return [Finding("webhooks", "ok", "there are none of ours to remove")]
    findings = [Finding("webhooks", "changed", f"removed at {removed} places")] if removed else []
    fix = f"Remove the webhook named {work.settings.name} there by hand."
    findings += [Finding(f"webhook of {record.subject}", "warning", why, fix) for record, why in left[:MOST_TOLD]]
    if len(left) > MOST_TOLD:
        findings.append(Finding("webhooks", "warning", f"ours are left at {len(left)} places in all", fix))
    return findings
