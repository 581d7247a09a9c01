"""The integration in Port, registered so that it shows on the Data sources page, and its mapping taken over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bitbucket_port import __version__
from bitbucket_port.errors import PermanentError
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.port.integration import PortIntegration, Sign
from bitbucket_port.resync.own_writes import Write
from bitbucket_port.resync.poll import belongs_to_another, poll_of
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.port_mapping import PortMapping, look, port_mapping_of

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

ABOUT = "Integration"
MAPPING = "Mapping"
_MOST_EDITS = 3
"""How often a mapping is read again that somebody edits while we take it over."""


class Requests(Protocol):
    """Requests for a resync in Port (``resync.poll.Poll``)."""

    def write(self, write: Write, change: Callable[[], object]) -> object:
        """Make a change in Port that may make it request a resync."""

    def current(self) -> Sign | None:
        """What Port shows now."""


class Integration:
    """One integration. ``requests`` and ``mapping`` are None where there is no ledger: then no mapping is taken over.

    ``source``: whose mapping counts, Port's or the packaged ``preset``. Methods raise TransientError when Port or the
    ledger cannot be reached.
    """

    def __init__(
        self,
        port: PortIntegration,
        *,
        product: Product,
        preset: str,
        source: str,
        requests: Requests | None = None,
        mapping: PortMapping | None = None,
        version: str = __version__,
    ) -> None:
        self._port = port
        self._product = product
        self._preset = preset
        self._source = source
        self._requests = requests
        self._mapping = mapping
        self._version = version
        self._app_type = f"bitbucket-{product}"

    def look(self) -> list[Finding]:
        """Whether it is registered, and how its mapping stands; writes nothing."""
        found = self._port.read()
        if found is None:
            text = f"{self._port.identifier!r} is not registered in Port yet: set-up does that."
            return [Finding(ABOUT, "ok", text), *self._packaged()]
        if belongs_to_another(found, self._app_type):
            return [self._foreign(found)]
        shown = Finding(ABOUT, "ok", f"{self._port.identifier!r} is registered in Port.")
        if self._source != "port":
            return [shown, *self._packaged()]
        config = found.get("config")
        return [shown, *(look(config, product=self._product) if config else self._packaged())]

    def register(self) -> list[Finding]:
        """Make the integration with the mapping in use, or change in it what differs, and nothing if nothing does.

        A mapping that is there stays as it is.
        """
        found = self._port.read()
        if found is None:
            return [self._registered()]
        if belongs_to_another(found, self._app_type):
            return [self._foreign(found)]
        wanted: JsonObject = {"installationAppType": self._app_type, "version": self._version}
        differs = {name: value for name, value in wanted.items() if found.get(name) != value}
        if not found.get("config"):
            differs["config"] = self._config()
        if not differs:
            return [Finding(ABOUT, "ok", f"{self._port.identifier!r} is registered in Port.")]
        self._write("change", lambda: self._port.change(differs))
        return [Finding(ABOUT, "changed", f"set for {self._port.identifier!r} in Port: {', '.join(differs)}.")]

    def take_mapping(self) -> list[Finding]:
        """Make Port's mapping the active one; without an answer of Port the last one stays active."""
        if self._source != "port" or self._mapping is None or self._requests is None:
            return self._packaged()
        findings: list[Finding] = []
        for _ in range(_MOST_EDITS):
            sign = self._requests.current()
            found = (sign.integration if sign else None) or self._port.read()
            if sign is None or found is None:
                text = "the integration is not registered in Port: the last mapping stays in use, or the packaged one."
                return [Finding(MAPPING, "warning", text, "The next set-up registers it.")]
            if belongs_to_another(found, self._app_type):
                return self._packaged()
            taken = self._mapping.take(found.get("config"), request=sign.stamp)
            findings = list(taken.findings)
            again = self._requests.current() if taken.changed else sign
            if again is None or again.stamp == sign.stamp:
                break
        return findings

    def _registered(self) -> Finding:
        config = self._config()

        def register() -> None:
            self._port.register(app_type=self._app_type, version=self._version, config=config)

        try:
            self._write("registration", register)
        except PermanentError as error:
            text = f"{self._port.identifier!r} was not registered: {error}. Only its page in Port is missing."
            fix = "The packaged mapping is in use; set MappingSource to package to say that this is meant."
            return Finding(ABOUT, "warning", text, fix)
        return Finding(ABOUT, "changed", f"{self._port.identifier!r} was registered in Port, with a mapping.")

    def _config(self) -> JsonObject:
        """The mapping to put there: the one in use, for an integration that was there before and was deleted."""
        return self._mapping.in_use() if self._mapping else load(self._product, self._preset)

    def _write(self, write: Write, change: Callable[[], object]) -> None:
        if self._requests is None:
            change()
        else:
            self._requests.write(write, change)

    def _packaged(self) -> list[Finding]:
        why = "" if self._source == "port" else " (MappingSource: package)"
        return [Finding(MAPPING, "ok", f"the packaged mapping {self._preset!r} is in use{why}.")]

    def _foreign(self, found: JsonObject) -> Finding:
        text = f"{self._port.identifier!r} is an integration of the type {found.get('installationAppType')!r} in Port."
        return Finding(ABOUT, "warning", text, "Set IntegrationIdentifier to a name that nothing else uses.")


def integration_of(runtime: Runtime) -> Integration:
    """The part of set-up about the integration and its mapping, for a function's stack."""
    settings = runtime.settings
    return Integration(
        PortIntegration(runtime.port, settings.integration_identifier),
        product=settings.product,
        preset=settings.mapping_preset,
        source=settings.mapping_source,
        requests=poll_of(runtime),
        mapping=port_mapping_of(runtime),
    )
