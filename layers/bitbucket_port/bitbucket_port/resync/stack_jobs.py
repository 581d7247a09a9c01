"""The jobs queue's messages about the stack itself: its webhooks and its set-up. They belong to no run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from bitbucket_port.errors import PermanentError
from bitbucket_port.hooks.subject import Subject
from bitbucket_port.objects import JsonObject

STACK_JOBS_VERSION = 2
"""A release that has no such jobs leaves them in the queue: its own messages have version 1."""
MOST_TURNS = 200
"""Continuations of one job: Lambda's own bound on chains is switched off for the worker, so we have one."""


@dataclass(frozen=True, slots=True)
class HookJob:
    """Look after webhooks in Bitbucket; belongs to no run.

    Without ``subjects``: find out which need it, and order that. With them: make theirs right, or (``remove``) remove
    ours. ``requested``: our clock when it was asked for; ``force``: look at those, too, that are not due for a check
    since then. ``hop`` counts continuations.
    """

    requested: float
    force: bool = False
    subjects: tuple[Subject, ...] = ()
    remove: bool = False
    hop: int = 0

    @property
    def run(self) -> str:
        """No run waits for it."""
        return ""

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message(
            {
                "job": "hooks",
                "requested": self.requested,
                "force": self.force,
                "subjects": [subject.to_json() for subject in self.subjects],
                "remove": self.remove,
                "hop": self.hop,
            }
        )

    @classmethod
    def from_json(cls, body: JsonObject) -> HookJob:
        """The job of a message's body; raises ValueError, KeyError or TypeError when it is none."""
        subjects = tuple(Subject.from_json(value) for value in body["subjects"])
        return cls(float(body["requested"]), bool(body["force"]), subjects, bool(body["remove"]), int(body["hop"]))

    def continued(self, subjects: tuple[Subject, ...]) -> HookJob:
        """What is left for another turn; raises PermanentError when it went on too often."""
        if self.hop >= MOST_TURNS:
            raise PermanentError(f"looking after webhooks did not end in {MOST_TURNS} turns")
        return replace(self, subjects=subjects, hop=self.hop + 1)


@dataclass(frozen=True, slots=True)
class SetUpJob:
    """Look at everything that set-up looks after, and mend it; belongs to no run.

    ``requested``: our clock when it was asked for.
    """

    requested: float

    @property
    def run(self) -> str:
        """No run waits for it."""
        return ""

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        return _message({"job": "set-up", "requested": self.requested})

    @classmethod
    def from_json(cls, body: JsonObject) -> SetUpJob:
        """The job of a message's body; raises ValueError, KeyError or TypeError when it is none."""
        return cls(float(body["requested"]))


StackJob = HookJob | SetUpJob

STACK_JOBS: dict[str, Callable[[JsonObject], StackJob]] = {
    "hooks": HookJob.from_json,
    "set-up": SetUpJob.from_json,
}


def _message(body: JsonObject) -> str:
    return json.dumps({"v": STACK_JOBS_VERSION, **body}, ensure_ascii=True)
