"""What became of one change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitbucket_port.objects import SourceKey

Result = Literal["applied", "unchanged", "stale", "deleted", "deleting", "absent", "left", "not needed", "unreadable"]
Source = Literal["payload", "page", "refresh", "none"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one object.

    ``reading`` is what the result rests on. ``written``, ``renamed`` and ``deleted`` count entities. ``problems`` are
    sentences for people: what could not be done, why, and what to do about it. ``parent`` is what became of the
    project that was read on the way.
    """

    key: SourceKey
    result: Result
    reading: Source = "none"
    written: int = 0
    renamed: int = 0
    deleted: int = 0
    problems: tuple[str, ...] = ()
    parent: Outcome | None = None
