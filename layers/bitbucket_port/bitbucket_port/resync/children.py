"""One kind of job: the children of a container that moved or is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.items import ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.page import PageEntry
from bitbucket_port.errors import NotFoundError, PermanentError, TransientError
from bitbucket_port.objects import Address, Kind, SourceKey
from bitbucket_port.resync.jobs import ChildrenJob
from bitbucket_port.resync.leftovers import Leftovers
from bitbucket_port.webhooks.change import Change

LOOKS_AT_BLOCKED = 40
"""Turns after which a container whose children cannot be removed is left in place and reported."""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of a listing as entries, and when it was asked for (epoch seconds).

    ``next`` is the cursor to go on from once these entries are in the catalog; None when the list ends here. ``failed``
    says, per object that could not be read or has no id, what is wrong with it (key None: nobody knows which it is);
    it was shown all the same.
    """

    entries: list[PageEntry]
    asked: float
    next: str | None = None
    failed: list[tuple[SourceKey | None, str]] = field(default_factory=list)


LONG_WAIT_SECONDS = 120


class Lister(Protocol):
    """Bitbucket, asked for what hangs below an object."""

    def below(self, kind: Kind, address: Address) -> Iterator[ListedPage]:
        """The open pull requests of a repository, or the repositories of a project, page by page."""


@dataclass(slots=True)
class Progress:
    """What a turn did.

    ``finished`` is False when something is left for another turn, ``delay`` is the seconds to wait before it.
    ``stopped``: the time ran out, or Bitbucket wants us to wait so long that going on is useless. ``failed``: something
    has to be tried again, so this turn has to be; it must not count as one, however long an outage lasts.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: bool = True
    delay: int = 0
    stopped: bool = False
    failed: TransientError | None = None

    def stop(self) -> None:
        """End this turn."""
        self.stopped, self.finished = True, False

    def fail(self, error: TransientError) -> None:
        """Remember what failed; of several the one to wait for longest, which is one that says nothing of it."""
        self.finished = False
        known, wait = self.failed.retry_after if self.failed else 0.0, error.retry_after
        if self.failed is None or (known is not None and (wait is None or wait > known)):
            self.failed = error

    def again(self, *, delay: int) -> None:
        """Ask for another turn, but go on with this one."""
        self.finished, self.delay = False, max(self.delay, delay)


class ChildrenWorker:
    """Runs a job for as long as there is time; running it again from the start is always right."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        applier: Applier,
        time_left: Callable[[], bool],
        lister: Lister | None = None,
        leftovers: Leftovers | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``lister`` and ``leftovers`` are missing where Bitbucket may not be asked."""
        self._ledger = ledger
        self._applier = applier
        self._lister = lister
        self._leftovers = leftovers
        self._time_left = time_left
        self._clock = clock

    def run(self, job: ChildrenJob) -> Progress:
        """Do what is still to do; one child's failure does not keep the others from being done.

        Raises TransientError when what concerns all of them fails.
        """
        progress = Progress()
        if job.action == "remove":
            self._remove(job, progress)
        elif job.action == "rewrite":
            self._each(progress, self._ledger.read([job.container])[job.container], self._applier.rewrite)
        else:
            self._follow(job, progress)
        return progress

    # --- gone --------------------------------------------------------------------------------------------------------

    def _remove(self, job: ChildrenJob, progress: Progress) -> None:
        container = self._ledger.read([job.container])[job.container]
        if not container.facts.gone:
            # Either whoever ordered this has not recorded it yet, or it came back and looks after its own children.
            # Who died before that is tried again, and orders it again.
            if container.lease is not None and container.lease.live(self._clock()):
                progress.again(delay=5)
            return
        heard_of, address = self._heard_of(container), container.facts.address
        if heard_of and address is not None:
            # It may have been missing for a moment only. Still gone, its children are ordered to go anew.
            change = Change.hint(container.key, address, heard_of)
            self._each(progress, container, lambda _: self._applier.apply(change))
            return
        for child in self._children(job):
            if progress.stopped:
                return
            if child.owns:
                self._each(progress, child, self._goes_with(job, child))
        if progress.failed:
            return
        left = [child for child in self._children(job) if child.owns]
        if left:
            self._wait_for_children(job, progress, is_useless=all(self._answered(job, child) for child in left))
            return
        progress.outcomes.append(self._applier.remove(job.container, version=job.version))

    def _goes_with(self, job: ChildrenJob, child: ObjectItem) -> Callable[[SourceKey], Outcome]:
        """How a child goes. Bitbucket deletes no project that has repositories: each says itself where it is now."""
        address = child.facts.address
        if job.container.kind == "project" and self._lister is not None and address is not None:
            return lambda key: self._applier.apply(Change.hint(key, address, job.requested))
        return lambda key: self._applier.remove(key, version=job.version)

    def _heard_of(self, container: ObjectItem) -> float:
        """When something below the repository was last heard of, if that was after it was not found; else 0."""
        if container.key.kind != "repository" or self._lister is None:
            return 0.0
        times = (child.read_at for child in self._ledger.children(container.key.children_container) if child.owns)
        return max((time for time in times if time > container.read_at), default=0.0)

    def _answered(self, job: ChildrenJob, child: ObjectItem) -> bool:
        """Whether Bitbucket showed the child since its container is gone."""
        return not child.facts.gone and child.missing_since is None and child.refreshed_at >= job.requested

    def _wait_for_children(self, job: ChildrenJob, progress: Progress, *, is_useless: bool) -> None:
        if job.hop >= LOOKS_AT_BLOCKED or is_useless:
            progress.problems.append(
                f"{job.container} is gone, but what hangs below it could not be removed: its own entity stays"
            )
            return
        progress.again(delay=15)

    # --- moved -------------------------------------------------------------------------------------------------------

    def _follow(self, job: ChildrenJob, progress: Progress) -> None:
        if self._lister is None:
            return
        if job.before.gone or any(self._outdated(job, child) for child in self._children(job)):
            self._follow_listing(job, self._lister, progress)
        for child in self._children(job):
            if progress.stopped:
                return
            if self._outdated(job, child) and child.facts.address is not None:
                change = Change.hint(child.key, self._address_now(job, child), job.requested)
                self._each(progress, child, lambda _, change=change: self._applier.apply(change))  # type: ignore[misc]
        if job.left and self._leftovers and progress.finished:
            self._clear(job, self._leftovers, progress)

    def _clear(self, job: ChildrenJob, leftovers: Leftovers, progress: Progress) -> None:
        """Remove what the container was called before, should it be there again.

        Somebody who was writing a child by its old name related it to that, and then Port creates it. Whoever began
        before the container had its new name is waited for.
        """
        now, container = self._clock(), self._ledger.read([job.container])[job.container]
        writing = (item.lease for item in (container, *self._children(job)))
        if any(lease is not None and lease.live(now) for lease in writing):
            progress.again(delay=5)
            return
        for blueprint in sorted({key.blueprint for key in job.left}):
            leftovers.remove(blueprint, [key.identifier for key in job.left if key.blueprint == blueprint])

    def _follow_listing(self, job: ChildrenJob, lister: Lister, progress: Progress) -> None:
        """Most children are in a listing, fifty and more for one request; the rest is read one by one."""
        if job.after.address is None:
            return
        try:
            for page in lister.below(job.container.kind, job.after.address):
                outcomes = self._applier.apply_page(page.entries, asked=page.asked)
                progress.outcomes += outcomes
                if job.before.gone:
                    self._bring_back(job, page, outcomes, progress)
                if progress.stopped or not self._time_left():
                    progress.stop()
                    return
        except NotFoundError:
            return  # Renamed once more, or gone: the next look at each child decides.

    def _bring_back(self, job: ChildrenJob, page: ListedPage, outcomes: Sequence[Outcome], progress: Progress) -> None:
        """Read what went with the container only a moment ago, and which the page is left alone for."""
        addresses = {entry.key: entry.reading.facts.address for entry in page.entries}
        left = [one.key for one in outcomes if one.result == "left"]
        for key, child in self._ledger.read(left).items():
            address = addresses[key]
            if progress.stopped or address is None or child.owns:
                continue
            change = Change.hint(key, address, job.requested)
            self._each(progress, child, lambda _, change=change: self._applier.apply(change))  # type: ignore[misc]

    def _outdated(self, job: ChildrenJob, child: ObjectItem) -> bool:
        if not child.owns or child.refreshed_at >= job.requested:
            return False
        if job.container.kind == "repository":
            return child.facts.full_name != job.after.full_name
        return child.facts.project != job.after.project or not child.facts.full_name

    def _address_now(self, job: ChildrenJob, child: ObjectItem) -> Address:
        """Where a child is after its container moved."""
        address, after = child.facts.address or Address(), job.after.address or Address()
        if job.container.kind == "repository":
            return Address(after.project, after.repository, address.number)
        return Address(after.project, address.repository)

    # --- both --------------------------------------------------------------------------------------------------------

    def _children(self, job: ChildrenJob) -> Iterable[ObjectItem]:
        if job.container.kind == "repository":
            return self._ledger.children(job.container.children_container)
        projects = {name for name in (job.before.project, job.after.project) if name}
        return (
            repository
            for repository in self._ledger.in_source("repository", job.container.container)
            if repository.facts.project in projects
        )

    def _each(self, progress: Progress, child: ObjectItem, step: Callable[[SourceKey], Outcome]) -> None:
        """One child; its failure does not keep the others waiting."""
        try:
            progress.outcomes.append(step(child.key))
        except TransientError as error:
            progress.problems.append(f"{child.key} is tried again: {error}")
            progress.fail(error)
            if (error.retry_after or 0.0) > LONG_WAIT_SECONDS:
                progress.stop()
        except PermanentError as error:
            progress.problems.append(f"{child.key}: {error}")
        if not self._time_left():
            progress.stop()
