"""What is known of the webhooks of each subject, kept between one check and the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, cast

from bitbucket_port.hooks.subject import Subject
from bitbucket_port.objects import JsonObject

State = Literal["begun", "right", "refused", "failed"]
"""``begun``: somebody set about it, and may have died before he said how it ended. ``refused``: the credentials may not
administer its webhooks. ``failed``: something else stands in the way, for more than a moment."""
CHECK_SECONDS = 24 * 3600.0
EARLY_SECONDS = 1800.0
"""A check may be that much early, so that one a day is not put off by the next plan's few minutes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One webhook of ours: its id, and ``Hook.changed`` as it was after our last write."""

    id: str
    changed: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The webhooks of one subject as they were at the last check (``checked``, epoch seconds).

    ``hooks``: ours by the events they are for. ``secret_version``: the version of the secret that was sent last.
    ``wanted``: the digest of what was wanted. ``text``: why it is not right. ``repaired``: what was found wrong and put
    right. ``health``: what is wrong with the deliveries, empty where nothing is.
    """

    subject: Subject
    state: State
    checked: float = 0.0
    hooks: Mapping[str, Kept] = field(default_factory=dict)
    secret_version: str = ""
    wanted: str = ""
    text: str = ""
    fix: str = ""
    repaired: tuple[str, ...] = ()
    health: str = ""

    def is_due(self, now: float, *, secret_version: str, wanted: str) -> bool:
        """Whether it has to be looked at: once a day, and at once when what is wanted or the secret changed."""
        if self.state == "begun" or self.wanted != wanted:
            return True
        if self.state == "right" and self.secret_version != secret_version:
            return True
        return now - self.checked >= CHECK_SECONDS - EARLY_SECONDS

    def ended(self, state: State, at: float, text: str = "", fix: str = "") -> Record:
        """The same with another end."""
        return replace(self, state=state, checked=at, text=text, fix=fix)

    def to_json(self) -> JsonObject:
        """The record as it is kept."""
        return {
            "subject": self.subject.to_json(),
            "state": self.state,
            "checked": self.checked,
            "hooks": {part: [kept.id, kept.changed] for part, kept in self.hooks.items()},
            "secret_version": self.secret_version,
            "wanted": self.wanted,
            "text": self.text,
            "fix": self.fix,
            "repaired": list(self.repaired),
            "health": self.health,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Record:
        """The inverse of ``to_json``."""
        return cls(
            Subject.from_json(value["subject"]),
            cast("State", value["state"]),
            float(value["checked"]),
            {part: Kept(*kept) for part, kept in value["hooks"].items()},
            value["secret_version"],
            value["wanted"],
            value["text"],
            value["fix"],
            tuple(value["repaired"]),
            value["health"],
        )


class HookStore(Protocol):
    """Records by the subject's key, and notes about all of them. Every step is atomic.

    Raises TransientError when the database throttles or cannot be reached.
    """

    def record(self, key: str) -> Record | None:
        """What is known of this subject."""
        ...

    def records(self) -> dict[str, Record]:
        """All of them."""
        ...

    def claim(self, subject: Subject, token: str, *, now: float, until: float) -> bool:
        """Be the only one to work on this subject until ``put``, ``release`` or ``until``; False: somebody else is."""
        ...

    def put(self, record: Record) -> None:
        """Keep a record and give the claim up."""
        ...

    def release(self, key: str, token: str) -> None:
        """Give the claim up and leave the record as it is."""
        ...

    def forget(self, key: str) -> None:
        """There is nothing of ours at this subject any more."""
        ...

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Keep facts about all webhooks."""
        ...

    def noted(self, name: str) -> dict[str, str]:
        """What was kept under this name; empty when nothing was."""
        ...


class MemoryHookStore:
    """For one process without a database."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._notes: dict[str, dict[str, str]] = {}

    def record(self, key: str) -> Record | None:
        """See HookStore."""
        return self._records.get(key)

    def records(self) -> dict[str, Record]:
        """See HookStore."""
        return dict(self._records)

    def claim(self, subject: Subject, token: str, *, now: float, until: float) -> bool:
        """See HookStore."""
        holder, end = self._claims.get(subject.key, (token, 0.0))
        if holder != token and end > now:
            return False
        self._claims[subject.key] = (token, until)
        self._records.setdefault(subject.key, Record(subject, "begun"))
        return True

    def put(self, record: Record) -> None:
        """See HookStore."""
        self._records[record.subject.key] = record
        self._claims.pop(record.subject.key, None)

    def release(self, key: str, token: str) -> None:
        """See HookStore."""
        if self._claims.get(key, ("", 0.0))[0] == token:
            del self._claims[key]

    def forget(self, key: str) -> None:
        """See HookStore."""
        self._records.pop(key, None)
        self._claims.pop(key, None)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """See HookStore."""
        self._notes[name] = dict(values)

    def noted(self, name: str) -> dict[str, str]:
        """See HookStore."""
        return dict(self._notes.get(name, {}))
