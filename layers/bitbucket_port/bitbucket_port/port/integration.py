"""The integration object in Port: it stands on the Data sources page, holds the mapping, and can be asked for a resync.

Facts: ``GET`` and ``PATCH /v1/integration/{identifier}`` and ``PATCH …/config`` are documented, and that a PATCH, even
an empty one, asks for a resync. ``POST /v1/integration`` and ``GET …/resync-request`` are how Port's own integrations
register and learn of such requests; they are in no public document, so whoever uses them needs another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.http import path_of
from bitbucket_port.objects import JsonObject, digest
from bitbucket_port.port.api import PortApi


@dataclass(frozen=True, slots=True)
class Sign:
    """What Port shows of requests for a resync: ``stamp`` differs whenever there is another one.

    ``at``: when that was, by Port's clock in epoch seconds; None when Port does not tell. ``integration``: the whole
    object, where it had to be read to learn this.
    """

    stamp: str
    at: float | None
    integration: JsonObject | None = None

    @property
    def told_by_resync_state(self) -> bool:
        """Whether the integration changed last because somebody told how its resync goes: that asks for nothing."""
        state = (self.integration or {}).get("resyncState")
        moved = state.get("updatedAt") if isinstance(state, dict) else None
        return moved is not None and moved == (self.integration or {}).get("updatedAt")


class PortIntegration:
    """One integration of the organisation, by its identifier.

    Every method raises as ``PortClient.call`` does: TransientError when Port cannot be reached, PermanentError when it
    refuses.
    """

    def __init__(self, port: PortApi, identifier: str) -> None:
        self.identifier = identifier
        self._port = port
        self._path = path_of("v1", "integration", identifier)

    def read(self) -> JsonObject | None:
        """The integration, None when there is none: its ``config`` is the mapping."""
        status, body = self._port.call("GET", self._path, ok=(200, 404))
        return _integration(body) if status == 200 else None

    def register(self, *, app_type: str, version: str, config: JsonObject) -> bool:
        """Make the integration; False when there is one already.

        Raises PermanentError where Port does not offer that any more.
        """
        body = {
            "installationId": self.identifier,
            "installationAppType": app_type,
            "version": version,
            "changelogDestination": {},
            "config": config,
        }
        status, _ = self._port.call("POST", "/v1/integration", json=body, ok=(200, 201, 404, 409))
        if status == 404:
            raise PermanentError("Port answered 404 to the registration of an integration")
        return status != 409

    def change(self, values: JsonObject) -> JsonObject:
        """Change some of its fields; returns the integration. This asks for a resync."""
        _, body = self._port.call("PATCH", self._path, json=values, ok=(200,))
        return _integration(body)

    def requested(self) -> Sign | None:
        """The newest request for a resync; None where Port has no such operation, or no such integration."""
        status, body = self._port.call("GET", f"{self._path}/resync-request", ok=(200, 404))
        if status == 404:
            return None
        request = body.get("request")
        if not isinstance(request, dict) or not request:
            return Sign("", None)
        moment = request.get("updatedAt")
        return Sign(f"{request.get('id', '')}@{moment}", epoch_of(moment))


def sign_of(integration: JsonObject) -> Sign:
    """What the object itself tells of requests: every one moves its ``updatedAt``."""
    moment = integration.get("updatedAt")
    content = digest(integration.get("config") or {})
    return Sign(f"integration@{moment}@{content}", epoch_of(moment), integration)


def epoch_of(moment: Any) -> float | None:
    """Epoch seconds of one of Port's moments (ISO 8601 with ``Z``), None for anything else."""
    if not isinstance(moment, str):
        return None
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return read.timestamp() if read.tzinfo else None


def _integration(body: JsonObject) -> JsonObject:
    found = body.get("integration")
    if not isinstance(found, dict):
        raise TransientError("Port answered without integration")
    return found
