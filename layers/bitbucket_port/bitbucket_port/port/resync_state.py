"""Port's own view of a resync: the integration's page shows when it began, how it ended, and when the next is due.

Facts: ``PATCH /v1/integration/{identifier}/resync-state`` is how Port's own integrations report; it is in no public
document (with ``intervalInMinuets`` spelled like this), so a failure is a warning and nothing depends on it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Literal, Protocol

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.objects import JsonObject

Ended = Literal["completed", "failed", "aborted"]
_logger = logging.getLogger(__name__)


class Told(Protocol):
    """Port, as far as this goes (``PortClient``)."""

    def tell_resync_state(self, state: JsonObject) -> None:
        """Change what Port shows as the integration's last resync."""


def tell_began(port: Told, *, at: float, next_at: float | None, interval_minutes: int) -> bool:
    """Show a resync that began ``at`` (epoch seconds); False, and a warning in the log, when Port did not take it.

    ``next_at``: when the next one is due, None when none is scheduled (``interval_minutes`` 0). Raises nothing.
    """
    state = {"status": "running", "lastResyncStart": _moment(at), "lastResyncEnd": None}
    return _tell(port, {**state, **_schedule(next_at, interval_minutes)})


def tell_ended(port: Told, status: Ended, *, at: float, next_at: float | None, interval_minutes: int) -> bool:
    """Show how a resync ended ``at`` (epoch seconds); as ``tell_began`` otherwise."""
    return _tell(port, {"status": status, "lastResyncEnd": _moment(at), **_schedule(next_at, interval_minutes)})


def _tell(port: Told, state: JsonObject) -> bool:
    try:
        port.tell_resync_state(state)
    except BitbucketPortError as error:
        _logger.warning("Port did not take the state of the resync (%s); only its page is concerned: %s", state, error)
        return False
    return True


def _schedule(next_at: float | None, interval_minutes: int) -> JsonObject:
    return {
        "nextResync": None if next_at is None else _moment(next_at),
        "intervalInMinuets": interval_minutes or None,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
