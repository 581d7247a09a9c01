"""What became of one change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from bitbucket_port.objects import EntityKey, JsonObject, SourceKey

Result = Literal[
    "applied",
    "unchanged",
    "stale",
    "deleted",
    "deleting",
    "absent",
    "left",
    "not needed",
    "unreadable",
    "failed",
]
Removals = Literal["allow", "defer"]
Source = Literal["payload", "page", "refresh", "none"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one object.

    ``reading`` is what the result rests on. ``problems`` are sentences for people: what could not be done, why, and
    what to do about it.

    ``written`` (of which ``created`` were not in Port and ``updated`` were), ``renamed``, ``deleted`` and ``unchanged``
    count entities; ``mapped`` is how many the reading makes, 0 for an object that no resource selects.

    ``planned``: entities that would have been deleted, had removals been allowed; they stay owned. ``aged``: all of
    them only because ``closedWithinDays`` is over. With "absent" they go because Bitbucket does not find the object
    (a second look decides), and ``below`` counts, by blueprint, what its children own and would go with it.

    "failed": nothing is known to be wrong with the others of its page, but this object could not be brought to Port.
    ``failed`` says why; ``transient``: another try (a refresh) may mend it, not before ``retry_after`` seconds;
    ``limited``: only because we ask too often.

    ``incomplete``: the object may make more entities than are known, since its mapping failed.

    ``parent`` is what became of the project that was read on the way.
    """

    key: SourceKey
    result: Result
    reading: Source = "none"
    written: int = 0
    created: int = 0
    updated: int = 0
    renamed: int = 0
    deleted: int = 0
    unchanged: int = 0
    mapped: int = 0
    problems: tuple[str, ...] = ()
    parent: Outcome | None = None
    planned: tuple[EntityKey, ...] = ()
    below: Mapping[str, int] = field(default_factory=dict)
    aged: bool = False
    failed: str = ""
    transient: bool = False
    retry_after: float | None = None
    limited: bool = False
    incomplete: bool = False

    def log_fields(self) -> JsonObject:
        """What a log line tells of it, besides key and result.

        ``created`` is called ``new``: a log record has a field of that name, and ``logging`` refuses another.
        """
        fields = {name: value for name, value in asdict(self).items() if value and name not in ("key", "parent")}
        return {"new" if name == "created" else name: value for name, value in fields.items()}
