"""The jobs queue's messages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from bitbucket_port.catalog.items import Facts
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.objects import JsonObject, SourceKey

MESSAGE_VERSION = 1
MOST_HOPS = 200
"""Continuations of one job: Lambda's own bound on chains is switched off for the worker, so we have one."""

Action = Literal["follow", "remove", "rewrite"]


@dataclass(frozen=True, slots=True)
class ChildrenJob:
    """Look after what hangs below a repository or project, or (``rewrite``) after the object itself.

    ``follow``: the container was renamed or moved; ``before`` and ``after`` are its facts. ``remove``: it is gone for
    certain since ``version`` (epoch microseconds). ``rewrite``: another object wrote an entity that belongs to
    ``container``, so everything it makes is written again. ``requested`` is our clock in epoch seconds; ``hop`` counts
    continuations.
    """

    action: Action
    container: SourceKey
    before: Facts
    after: Facts
    requested: float
    version: int | None = None
    hop: int = 0

    def to_message(self) -> str:
        """The job as the text of a queue message."""
        body: JsonObject = {
            "v": MESSAGE_VERSION,
            "job": "children",
            "action": self.action,
            "container": str(self.container),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "requested": self.requested,
            "version": self.version,
            "hop": self.hop,
        }
        return json.dumps(body, ensure_ascii=True)

    @classmethod
    def from_message(cls, text: str) -> ChildrenJob:
        """The job in a message.

        Raises TransientError for a message of a newer version (it waits for the newer code), PermanentError for
        anything that is no job.
        """
        try:
            body = json.loads(text)
            if int(body["v"]) > MESSAGE_VERSION:
                raise TransientError(f"a job of version {body['v']} waits for a newer release", retry_after=600.0)
            if body["job"] != "children" or body["action"] not in ("follow", "remove", "rewrite"):
                raise PermanentError(f"{body['job']!r} with action {body['action']!r} is not a job")
            return cls(
                cast("Action", body["action"]),
                SourceKey.parse(body["container"]),
                Facts.from_json(body["before"]),
                Facts.from_json(body["after"]),
                float(body["requested"]),
                body["version"],
                int(body["hop"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PermanentError(f"a message of the jobs queue is not a job: {type(error).__name__}") from error

    def continued(self) -> ChildrenJob:
        """The same job, to be gone on with; raises PermanentError when it went on too often."""
        if self.hop >= MOST_HOPS:
            raise PermanentError(f"the job to {self.action} below {self.container} did not end in {MOST_HOPS} turns")
        return replace(self, hop=self.hop + 1)


@dataclass(frozen=True)
class JobFollowers:
    """Sends jobs for what hangs below an object."""

    send: Callable[[str], None]
    reads: bool
    clock: Callable[[], float] = field(default=time.time)

    def follow(self, container: SourceKey, before: Facts, after: Facts) -> None:
        """See ``catalog.outside.Followers``; without Bitbucket, children follow with their own next event."""
        if self.reads:
            self.send(ChildrenJob("follow", container, before, after, self.clock()).to_message())

    def rewrite(self, key: SourceKey) -> None:
        """See ``catalog.outside.Followers``; without Bitbucket, the object's next event has to do."""
        if self.reads:
            self.send(ChildrenJob("rewrite", key, Facts(), Facts(), self.clock()).to_message())

    def remove(self, container: SourceKey, facts: Facts, *, version: int | None) -> None:
        """See ``catalog.outside.Followers``."""
        self.send(ChildrenJob("remove", container, facts, facts, self.clock(), version).to_message())
