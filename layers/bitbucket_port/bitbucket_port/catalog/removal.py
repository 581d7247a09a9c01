"""Removing an object that is gone for certain, after what hangs below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bitbucket_port.catalog.held import Held, LeasedWriter, Recorded
from bitbucket_port.catalog.items import Commit, Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.outside import Followers
from bitbucket_port.mapping.model import Mapped

NOTHING = Mapped(entities=(), problems=(), complete=True)


class Removal:
    """Removes objects; nothing here decides whether one is gone.

    ``asked`` is when Bitbucket was asked, and said that it is. What is told of the object after that is not part of the
    answer, however long the removal takes; None: nobody asked.
    """

    def __init__(
        self, *, ledger: Ledger, writer: LeasedWriter, followers: Followers, clock: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._followers = followers
        self._clock = clock

    def settle(self, held: Held, version: int | None, received: float, *, asked: float | None = None) -> Outcome:
        """Remove an object for certain: what hangs below it goes first, by a job when there is anything."""
        item = held.granted.item
        facts = replace(item.facts, gone=True)
        read_at, refreshed_at = (self._clock(), item.refreshed_at) if asked is None else (asked, asked)
        if self.has_children(item):
            self._followers.remove(item.key, facts, version=version)
            self._writer.commit(held, Commit(item.owns, version, read_at, refreshed_at, received, facts))
            return Outcome(item.key, "deleting", "refresh")
        result = Recorded("refresh", version=version, read_at=read_at, refreshed_at=refreshed_at, received=received)
        outcome = self._writer.settle(held, NOTHING, result, facts=facts)
        return replace(outcome, result="deleted" if item.owns else "absent")

    def has_children(self, item: ObjectItem) -> bool:
        """Whether anything below the object still owns entities."""
        if item.key.kind == "repository":
            return any(child.owns for child in self._ledger.children(item.key.children_container))
        if item.key.kind == "project" and item.facts.project:
            return any(
                repository.owns and repository.facts.project == item.facts.project
                for repository in self._ledger.in_source("repository", item.key.container)
            )
        return False

    def remove(self, item: ObjectItem, guard: Guard, version: int | None, received: float) -> Outcome | None:
        """Take the lease and remove; None when the item changed meanwhile."""
        lease = self._writer.wait_for(item, guard)
        if lease is None:
            return None
        with lease as held:
            return self.settle(held, version, received)
