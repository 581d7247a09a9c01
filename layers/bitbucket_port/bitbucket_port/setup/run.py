"""Everything that makes a deployed stack work without anybody clicking anything, in one call that may be repeated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.settings import Settings
from bitbucket_port.setup.findings import Finding, worst
from bitbucket_port.setup.life import Life
from bitbucket_port.setup.store import Occasion, Report, ReportStore

_logger = logging.getLogger("bitbucket_port.setup")
_AGAIN = "The next set-up tries again."


class ChecksPart(Protocol):
    """What is looked at and never changed (``setup.checks.Checks``)."""

    def port(self) -> Finding:
        """Whether Port lets us in."""

    def bitbucket(self) -> Finding:
        """Whether Bitbucket lets us in; ``skipped`` where it is never asked."""

    def other_installations(self) -> list[Finding]:
        """Who else writes the same blueprints. Asks Port."""

    def permissions(self) -> list[Finding]:
        """What the credentials may not do, and what the server is. Asks Bitbucket."""

    def reachability(self) -> list[Finding]:
        """Whether webhooks arrive."""

    def estimate(self) -> list[Finding]:
        """How long a resync takes. Asks Bitbucket."""


class BlueprintsPart(Protocol):
    """Blueprints in Port (``setup.blueprints.Blueprints``)."""

    def look(self) -> list[Finding]:
        """What is missing; writes nothing."""

    def bring(self) -> list[Finding]:
        """Make what is missing."""


class IntegrationPart(Protocol):
    """The integration in Port and its mapping (``setup.integration.Integration``)."""

    def look(self) -> list[Finding]:
        """How they stand; writes nothing."""

    def register(self) -> list[Finding]:
        """Make the integration, or what differs in it."""

    def take_mapping(self) -> list[Finding]:
        """Make Port's mapping the active one."""


class WebhooksPart(Protocol):
    """Webhooks in Bitbucket (``hooks.webhooks.Webhooks``)."""

    def plan(self, *, force: bool) -> list[Finding]:
        """Order the jobs that look after the webhooks (``force``: also those checked lately), or say why none are made
        and how that is done by hand. Asks Bitbucket nothing.
        """

    def inspect(self) -> list[Finding]:
        """How they stand; writes nothing. Asks Bitbucket."""

    def by_hand(self) -> list[Finding]:
        """What somebody has to do who makes them by hand."""

    def remove_all(self, time_left: Callable[[], bool]) -> list[Finding]:
        """Remove ours, and nothing else."""


class SetUp:
    """Looks at everything, and makes what is missing. ``reports`` keeps what came of it; None keeps nothing.

    ``life`` tells whether the stack was removed; None where there is no stack.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        checks: ChecksPart,
        blueprints: BlueprintsPart,
        integration: IntegrationPart,
        webhooks: WebhooksPart,
        reports: ReportStore | None,
        life: Life | None = None,
        time_left: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._checks = checks
        self._blueprints = blueprints
        self._integration = integration
        self._webhooks = webhooks
        self._reports = reports
        self._life = life
        self._time_left = time_left
        self._clock = clock

    def check(self) -> list[Finding]:
        """How everything stands; writes nothing anywhere."""
        port, bitbucket = self._checks.port(), self._checks.bitbucket()
        found = [port, bitbucket]
        if port.outcome == "ok":
            found += self._part("Other installations", self._checks.other_installations)
            if self._settings.initialize_port_resources:
                found += self._part("Blueprints", self._blueprints.look)
            found += self._part("Integration", self._integration.look)
        if bitbucket.outcome == "ok":
            found += self._part("Permissions", self._checks.permissions)
            found += self._part("Estimate", self._checks.estimate)
        found += self._part("Reachability", self._checks.reachability)
        if not self._makes_webhooks:
            found += self._part("Webhooks", self._webhooks.by_hand)
        elif bitbucket.outcome == "ok":
            found += self._part("Webhooks", self._webhooks.inspect)
        return found

    def carry_out(self, occasion: Occasion) -> list[Finding]:
        """Do everything that can be done now; what cannot is a finding, and the next call tries it again.

        A ``failed`` finding says that nothing can work until somebody mends it. On ``create`` nothing was made then.
        Webhooks are made by jobs on the resync queue that this orders. Never raises for what Port or Bitbucket do, but
        TransientError when the ledger cannot be reached.
        """
        if self._life is not None and self._life.is_over():
            return [Finding("Set-up", "skipped", "the stack is being deleted.")]
        port, bitbucket = self._checks.port(), self._checks.bitbucket()
        found = [port, bitbucket]
        if not (occasion == "create" and worst(found) == "failed"):
            if port.outcome == "ok":
                found += self._in_port(occasion)
            found += self._in_bitbucket(occasion, bitbucket)
        self._keep(Report(occasion, self._clock(), tuple(found)))
        return found

    def remove(self) -> list[Finding]:
        """Remove our webhooks, and leave Port's data alone; nothing is set up any more. Never raises for an outage."""
        found = [] if self._life is None else self._part("Set-up", self._life.end)
        return found + self._part("Webhooks", lambda: self._webhooks.remove_all(self._time_left))

    @property
    def _makes_webhooks(self) -> bool:
        settings = self._settings
        return settings.live_events and bool(settings.base_url) and not settings.webhook_only

    def _in_port(self, occasion: Occasion) -> list[Finding]:
        found: list[Finding] = []
        if occasion != "scheduled":
            # Before the integration is registered: afterwards it is ours.
            found += self._part("Other installations", self._checks.other_installations)
        found += self._part("Integration", self._integration.register)
        found += self._part("Mapping", self._integration.take_mapping)
        if self._settings.initialize_port_resources:
            # After the mapping: it says which are needed.
            found += self._part("Blueprints", self._blueprints.bring)
        return found

    def _in_bitbucket(self, occasion: Occasion, access: Finding) -> list[Finding]:
        found: list[Finding] = []
        if access.outcome == "ok":
            found += self._part("Permissions", self._checks.permissions)
        if occasion != "scheduled":
            found += self._part("Reachability", self._checks.reachability)
        if access.outcome != "failed":
            # Also when Bitbucket is down: the jobs wait until it is there again.
            found += self._part("Webhooks", lambda: self._webhooks.plan(force=occasion != "scheduled"))
        if access.outcome == "ok" and occasion != "scheduled":
            found += self._part("Estimate", self._checks.estimate)
        return found

    def _part(self, about: str, part: Callable[[], Iterable[Finding] | None]) -> list[Finding]:
        """What a part finds. One that fails stops no other, and no part but the credentials is worth a rollback."""
        if not self._time_left():
            return [Finding(about, "skipped", "there was no time left for it.", _AGAIN)]
        try:
            return [replace(one, outcome="warning") if one.outcome == "failed" else one for one in part() or ()]
        except BitbucketPortError as error:
            return [Finding(about, "warning", f"{error}.", _AGAIN)]
        except Exception as error:
            # A fault of ours, in whichever part, must neither hold up the others nor undo a deployment.
            _logger.exception("set-up: %s failed", about)
            return [Finding(about, "warning", f"unexpected failure ({type(error).__name__}); see the log.", _AGAIN)]

    def _keep(self, report: Report) -> None:
        if self._reports is None:
            return
        try:
            self._reports.keep(report)
        except BitbucketPortError as error:
            _logger.warning("the report of set-up could not be kept: %s", error)
