"""What looking after webhooks takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bitbucket_port.hooks.model import HookApi
from bitbucket_port.hooks.refusals import EventRefusals
from bitbucket_port.hooks.store import HookStore
from bitbucket_port.hooks.subjects import Subjects
from bitbucket_port.hooks.upkeep import Upkeep
from bitbucket_port.hooks.wanted import HookSettings
from bitbucket_port.secrets import Secret

OVERVIEW = "overview"
"""The note about the last time it was found out what needs webhooks: ``at``, ``version``, ``level``, ``error``."""
REMOVED = "removed"
"""The note that is not empty once ours were removed for good: a job that was on its way makes none again."""
REFUSED = "refused events"
"""The note of what a server refused: event key → what it said. Belongs to one version of the server."""
OF_VERSION = "version"


class SendJobs(Protocol):
    """The jobs queue."""

    def __call__(self, messages: Sequence[str], delay: int = 0) -> None:
        """Put messages on the queue; ``delay`` in seconds."""


@dataclass(frozen=True)
class Work:
    """``secret`` reads the webhook secret anew; ``time_left``: whether there is time to begin something more.

    ``clock`` gives epoch seconds, ``sleep`` waits for some.
    """

    settings: HookSettings
    store: HookStore
    api: HookApi
    subjects: Subjects
    send: SendJobs
    secret: Callable[[], Secret]
    time_left: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def upkeep(self) -> Upkeep:
        """For one job."""
        refusals = EventRefusals(self.refused())
        return Upkeep(self.api, self.store, self.settings, self.secret(), refusals, self.clock)

    def refused(self) -> dict[str, str]:
        """Event keys that this version of the server refused."""
        noted = self.store.noted(REFUSED)
        same = noted.pop(OF_VERSION, "") == self.store.noted(OVERVIEW).get("version", "")
        return noted if same else {}

    def keep_refused(self, refusals: EventRefusals) -> None:
        """Keep what a job learned of them."""
        if refusals.refused != self.refused():
            version = self.store.noted(OVERVIEW).get("version", "")
            self.store.note(REFUSED, {**refusals.refused, OF_VERSION: version})
