"""A few raw objects of each kind for Port, which shows them beside the mapping when somebody edits it.

Facts: ``POST /v1/integration/{identifier}/kinds/{kind}/examples`` is how Port's own integrations send them, at most
five of a kind; it is in no public document, so a failure is a warning and nothing depends on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.http import path_of
from bitbucket_port.objects import JsonObject, Kind
from bitbucket_port.port.api import PortApi
from bitbucket_port.setup.masking import mask

if TYPE_CHECKING:
    from bitbucket_port.resync.listing import Show
    from bitbucket_port.resync.run import Turn
    from bitbucket_port.runtime import Runtime

MOST = 5
_logger = logging.getLogger(__name__)


def examples_of(runtime: Runtime) -> Show | None:
    """Those of a stack; None when SendRawDataExamples is off."""
    settings = runtime.settings
    if not settings.send_raw_data_examples:
        return None
    return Examples(runtime.port, settings.integration_identifier, secrets=runtime.credentials).show


class Examples:
    """Shows the first objects of each kind that a full run lists, masked.

    Of a kind and run at most MOST are sent, whoever lists it and however often: each is claimed in the run's store
    before it is sent. ``secrets`` are texts that are masked wherever they occur.
    """

    def __init__(self, port: PortApi, identifier: str, *, secrets: Callable[[], Collection[str]] = tuple) -> None:
        self._port = port
        self._identifier = identifier
        self._secrets = secrets
        self._run = ""
        self._claimed: dict[Kind, int] = {}
        self._failed = False

    def show(self, turn: Turn, kind: Kind, objects: Sequence[JsonObject]) -> None:
        """Send some of these objects, if there are not enough yet. Raises nothing: a failure is one warning a run."""
        if turn.run.kind != "full" or not objects:
            return
        if self._run != turn.run.id:
            self._run, self._claimed, self._failed = turn.run.id, {}, False
        if self._failed:
            return
        try:
            count = self._claim(turn, kind, len(objects))
            if count:
                self._send(kind, objects[:count])
        except BitbucketPortError as error:
            self._failed = True
            _logger.warning("Port did not take examples of %s; only its mapping editor is concerned: %s", kind, error)

    def _claim(self, turn: Turn, kind: Kind, wanted: int) -> int:
        """How many of so many may be sent by us."""

        def free() -> Iterator[bool]:
            while self._claimed.get(kind, 0) < MOST:
                self._claimed[kind] = self._claimed.get(kind, 0) + 1
                if turn.store.claim(turn.run.id, f"example {self._claimed[kind]} of {kind}"):
                    yield True

        return sum(islice(free(), wanted))

    def _send(self, kind: Kind, objects: Sequence[JsonObject]) -> None:
        secrets = self._secrets()
        path = path_of("v1", "integration", self._identifier, "kinds", kind, "examples")
        self._port.call("POST", path, json={"examples": [mask(one, secrets=secrets) for one in objects]}, retry=False)
