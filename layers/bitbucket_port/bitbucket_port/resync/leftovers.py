"""Entities that no object claims, deleted as far as Port says that they are ours and that nobody needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bitbucket_port.catalog.items import EntityItem
from bitbucket_port.objects import EntityKey, SourceKey
from bitbucket_port.port.client import Deleted

Spared = Callable[[str, Sequence[str]], Mapping[str, str]]
"""Which of the identifiers of a blueprint must stay, with the reasons (``port.strays``)."""
Ours = Callable[[str, Sequence[str]], set[str]]
"""Which of the identifiers of a blueprint Port shows as ours."""
Delete = Callable[[str, Sequence[str]], Deleted]


class Claims(Protocol):
    """The ledger, as far as it says who claims an entity."""

    def entities(self, blueprint: str, identifiers: Collection[str]) -> dict[EntityKey, EntityItem]:
        """The items of those entities that have one."""


@dataclass
class Removed:
    """Identifiers that were deleted, and those that stay although nobody claims them, with the reasons."""

    deleted: list[str] = field(default_factory=list)
    stay: dict[str, str] = field(default_factory=dict)


class Leftovers:
    """Deletes them; what somebody claims at this very moment is written again by ``rewrite``."""

    def __init__(
        self, *, ledger: Claims, ours: Ours, spared: Spared, delete: Delete, rewrite: Callable[[SourceKey], object]
    ) -> None:
        self._ledger = ledger
        self._ours = ours
        self._spared = spared
        self._delete = delete
        self._rewrite = rewrite

    def remove(self, blueprint: str, identifiers: Collection[str]) -> Removed:
        """Delete those that nobody claims. Raises what asking Port and the ledger raises."""
        claimed = {key.identifier for key in self._ledger.entities(blueprint, identifiers)}
        left = [one for one in identifiers if one not in claimed]
        ours = self._ours(blueprint, left) if left else set()
        removed = Removed(stay=dict(self._spared(blueprint, sorted(ours))) if ours else {})
        doomed = [one for one in left if one in ours and one not in removed.stay]
        if doomed:
            result = self._delete(blueprint, doomed)
            removed.deleted += result.deleted
            removed.stay.update(result.blocked)
            self._put_back(blueprint, result.deleted)
        return removed

    def _put_back(self, blueprint: str, identifiers: Sequence[str]) -> None:
        """Whoever claimed one in the moment between asking and deleting writes it again."""
        for item in self._ledger.entities(blueprint, identifiers).values():
            for source in sorted(item.sources):
                self._rewrite(SourceKey.parse(source))
