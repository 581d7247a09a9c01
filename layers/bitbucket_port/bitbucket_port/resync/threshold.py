"""How much a run may delete: a share of what Port lists as ours, blueprint by blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blocked:
    """A blueprint of which this run deletes nothing, because it would delete more than the mapping allows."""

    blueprint: str
    planned: int
    listed: int
    threshold: float

    def __str__(self) -> str:
        share = f"{self.planned / self.listed:.0%}" if self.listed else "all"
        return (
            f"{self.blueprint}: {self.planned} of {self.listed} entities ({share}) would be deleted, more than the "
            f"{self.threshold:.0%} of entityDeletionThreshold; none was. If they are really gone, raise the threshold."
        )


def blocked(planned: Mapping[str, int], listed: Mapping[str, int], threshold: float) -> dict[str, Blocked]:
    """The blueprints of which nothing may be deleted.

    ``planned``: entities to delete, without those that only left the window of ``closedWithinDays``, with the children
    of what is gone, and with unclaimed ones. ``listed``: what Port has under our datasource, counted before the first
    deletion and with what the run put back because it was missing there. A blueprint that was not listed has none.
    ``threshold`` is a share from 0 to 1.
    """
    return {
        blueprint: Blocked(blueprint, count, listed.get(blueprint, 0), threshold)
        for blueprint, count in planned.items()
        if count > 0 and not within(count, listed.get(blueprint, 0), threshold)
    }


def within(planned: int, listed: int, threshold: float) -> bool:
    """Whether deleting ``planned`` of ``listed`` entities stays within the threshold; 1 allows everything."""
    # Divided, not multiplied: 29 / 100 is the very 0.29 somebody wrote, 0.29 * 100 is less than 29.
    return planned == 0 or threshold >= 1 or (listed > 0 and planned / listed <= threshold)
