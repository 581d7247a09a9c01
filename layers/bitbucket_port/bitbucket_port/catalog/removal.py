"""Removing an object that is gone for certain, after what hangs below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from bitbucket_port.catalog.held import Held, LeasedWriter, Recorded, Work
from bitbucket_port.catalog.items import Commit, Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.outside import Followers
from bitbucket_port.mapping.model import Mapped

NOTHING = Mapped(entities=(), problems=(), complete=True)


class Removal:
    """Removes objects; nothing here decides whether one is gone.

    ``asked`` is when Bitbucket was asked, and said that it is. What happened to the object after that is not part of
    the answer, however long the removal takes; without it nobody asked.
    """

    def __init__(
        self, *, ledger: Ledger, writer: LeasedWriter, followers: Followers, clock: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._followers = followers
        self._clock = clock

    def settle(self, held: Held, version: int | None, received: float, asked: float | None = None) -> Outcome:
        """Remove an object for certain: what hangs below it goes first, by a job when there is anything."""
        if self.has_children(held.granted.item):
            return self.hand_over(held, version, received, asked)
        return removed(self._writer.settle(self.work(held, version, received, asked)), held.granted.item)

    def hand_over(self, held: Held, version: int | None, received: float, asked: float | None = None) -> Outcome:
        """Have a job remove the object's children, and the object after them."""
        item = held.granted.item
        read_at, refreshed_at = self._times(item, asked)
        facts = replace(item.facts, gone=True)
        self._followers.remove(item.key, facts, version=version)
        self._writer.commit(held, Commit(item.owns, version, read_at, refreshed_at, received, facts))
        return Outcome(item.key, "deleting", "refresh")

    def work(self, held: Held, version: int | None, received: float, asked: float | None = None) -> Work:
        """What there is to do for an object that nothing hangs below."""
        read_at, refreshed_at = self._times(held.granted.item, asked)
        result = Recorded("refresh", version=version, read_at=read_at, refreshed_at=refreshed_at, received=received)
        return Work(held, NOTHING, result, replace(held.granted.item.facts, gone=True))

    def _times(self, item: ObjectItem, asked: float | None) -> tuple[float, float]:
        """``read_at`` and ``refreshed_at`` of something removed."""
        return (self._clock(), item.refreshed_at) if asked is None else (asked, asked)

    def below(self, item: ObjectItem) -> dict[str, int]:
        """How many entities go with an object, by blueprint: those of a repository's pull requests.

        None go with a project. Bitbucket deletes no project that has repositories, so what is still in one was moved,
        or is gone by itself: each has to be asked for.
        """
        counts: Counter[str] = Counter()
        if item.key.kind != "repository":
            return {}
        for child in self._children(item):
            counts.update(key.blueprint for key in child.owned())
        return dict(counts)

    def has_children(self, item: ObjectItem) -> bool:
        """Whether anything below the object still owns entities."""
        return next(self._children(item), None) is not None

    def _children(self, item: ObjectItem) -> Iterator[ObjectItem]:
        """What is right below the object and owns entities."""
        below: Iterator[ObjectItem] = iter(())
        if item.key.kind == "repository":
            below = self._ledger.children(item.key.children_container)
        elif item.key.kind == "project" and item.facts.project:
            below = (
                repository
                for repository in self._ledger.in_source("repository", item.key.container)
                if repository.facts.project == item.facts.project
            )
        return (child for child in below if child.owns)

    def remove(self, item: ObjectItem, guard: Guard, version: int | None, received: float) -> Outcome | None:
        """Take the lease and remove; None when the item changed meanwhile."""
        lease = self._writer.wait_for(item, guard)
        if lease is None:
            return None
        with lease as held:
            return self.settle(held, version, received)


def removed(outcome: Outcome, item: ObjectItem) -> Outcome:
    """The outcome of settling an object's removal, in its own words."""
    if outcome.result == "failed":
        return outcome
    return replace(outcome, result="deleted" if item.owns else "absent")
