"""Port's own buttons: whether somebody there asked for a resync, or edited the mapping.

Port shows the newest request for a resync. There is one after every PATCH of the integration, so our own writes make
some, too: each is remembered, and starts nothing. What they cover up is looked at first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.mapping.active import Active
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.integration import PortIntegration, Sign, epoch_of, sign_of
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.own_writes import Notes, OwnWrites, Write
from bitbucket_port.resync.store import Request, RunStore
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.port_mapping import PortMapping, port_mapping_of

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

ABOUT = "Port's buttons"
AGAIN_SECONDS = 3600.0
"""When to look again whether Port shows requests, after it did not."""
_SEEN = "port request"
_Any = TypeVar("_Any")
_logger = logging.getLogger(__name__)


class Poll:
    """Looks at Port for what people want there. ``mapping``: None where the packaged mapping counts, whatever Port has.

    Methods raise as ``PortIntegration`` and the ledger do.
    """

    def __init__(
        self,
        *,
        port: PortIntegration,
        notes: Notes,
        store: RunStore,
        mapping: PortMapping | None,
        app_type: str,
        clock: Callable[[], float],
    ) -> None:
        self._port = port
        self._notes = notes
        self._own = OwnWrites(notes, clock)
        self._store = store
        self._mapping = mapping
        self._app_type = app_type
        self._clock = clock

    def look(self) -> list[Finding]:
        """Take an edited mapping over, and ask for a run when somebody pressed the button; says what it did.

        One request to Port when nothing happened. An edited mapping needs no request for a run: the next tick sees that
        it is another one than the last run's.
        """
        return self._looked()[0]

    def write(self, write: Write, change: Callable[[], _Any]) -> _Any:
        """Make a change in Port that may make it request a resync; returns its result.

        What people asked for before is taken care of first, for the newest request covers the others up. The write is
        remembered before it is made: whoever dies in between starts no run.
        """
        findings, before = self._looked()
        for finding in findings:
            _logger.info("%s", finding)
        self._own.expect(write, before)
        made = change()
        at = (epoch_of(made.get("updatedAt")) if isinstance(made, dict) else None) or self._clock()
        try:
            after = self.current()
        except BitbucketPortError as error:
            _logger.warning("which request for a resync our own change made is not known: %s", error)
            after = None
        is_new = after is not None and after.stamp != (before.stamp if before else "")
        self._own.made_at(write, at, after.stamp if after and is_new else "")
        return made

    def _looked(self) -> tuple[list[Finding], Sign | None]:
        seen = self._notes.noted(_SEEN)
        sign = self._sign(seen, remember=True)
        if sign is None:
            text = "the integration is not registered in Port yet: its page has no buttons to press."
            return [Finding(ABOUT, "warning", text, "The next set-up registers it.")], None
        active = self._mapping.active() if self._mapping else Active()
        if sign.stamp == seen.get("stamp", "") and (active.hash or not self._mapping):
            return [], sign
        integration = self._integration(sign)
        if integration is not None and belongs_to_another(integration, self._app_type):
            return [], sign
        findings, changed = self._taken(integration, sign)
        if changed and not self._store.state().number:
            self._store.request(Request("full", "the mapping in Port", self._clock()))
        if not changed and sign.stamp != active.request and self._is_asked_for(sign):
            self._store.request(Request("full", "asked for in Port", self._clock()))
            findings.append(Finding(ABOUT, "changed", "somebody asked for a resync in Port: one begins."))
        self._notes.note(_SEEN, {**self._notes.noted(_SEEN), "stamp": sign.stamp})
        return findings, sign

    def current(self) -> Sign | None:
        """What Port shows now; None when the integration is not registered."""
        return self._sign(self._notes.noted(_SEEN))

    def _sign(self, seen: Mapping[str, str], *, remember: bool = False) -> Sign | None:
        """What Port shows; by the integration itself where Port does not show requests."""
        if float(seen.get("hidden_until", "0")) <= self._clock():
            shown = self._port.requested()
            if shown is not None:
                return shown
        integration = self._port.read()
        if integration is None:
            return None
        if remember and float(seen.get("hidden_until", "0")) <= self._clock():
            self._notes.note(_SEEN, {**seen, "hidden_until": repr(self._clock() + AGAIN_SECONDS)})
        return sign_of(integration)

    def _integration(self, sign: Sign) -> JsonObject | None:
        """The integration, where its mapping counts."""
        if sign.integration is not None or self._mapping is None:
            return sign.integration
        return self._port.read()

    def _taken(self, integration: JsonObject | None, sign: Sign) -> tuple[list[Finding], bool]:
        """Take Port's mapping over, if it is another one than the active one was made of."""
        if self._mapping is None or integration is None or self._mapping.is_source(integration.get("config")):
            return [], False
        taken = self._mapping.take(integration.get("config"), request=sign.stamp)
        return list(taken.findings), taken.changed

    def _is_asked_for(self, sign: Sign) -> bool:
        """Whether a person asked for this, and no run has begun since then."""
        if not sign.stamp or sign.told_by_resync_state or self._own.made(sign):
            return False
        return sign.at is None or sign.at > self._store.state().last_full


def poll_of(runtime: Runtime) -> Poll:
    """The look at Port for a function's stack."""
    settings = runtime.settings
    return Poll(
        port=PortIntegration(runtime.port, settings.integration_identifier),
        notes=runtime.ledger,
        store=DynamoDBRunStore(runtime.dynamodb, settings.ledger_table),
        mapping=port_mapping_of(runtime),
        app_type=settings.integration_type,
        clock=time.time,
    )


def belongs_to_another(integration: JsonObject, app_type: str) -> bool:
    """Whether the integration is of another tool, which somebody gave the same identifier."""
    written = str(integration.get("installationAppType") or "")
    return written != "" and written.casefold() != app_type.casefold()
