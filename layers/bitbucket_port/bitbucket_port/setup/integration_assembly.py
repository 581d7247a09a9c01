"""The integration in Port and the look at its buttons, put together for a function of the stack."""

from __future__ import annotations

import time
from collections.abc import Callable

from bitbucket_port.mapping.active import ActiveMapping
from bitbucket_port.port.integration import PortIntegration
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.poll import Poll
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.integration import Integration
from bitbucket_port.setup.port_mapping import PortMapping


def poll_of(runtime: Runtime, *, clock: Callable[[], float] = time.time) -> Poll:
    """The look at Port's buttons."""
    settings = runtime.settings
    return Poll(
        port=PortIntegration(runtime.port, settings.integration_identifier),
        notes=runtime.ledger,
        store=DynamoDBRunStore(runtime.dynamodb, settings.ledger_table, clock=clock),
        mapping=_mapping(runtime),
        app_type=settings.integration_type,
        clock=clock,
    )


def integration_of(runtime: Runtime, *, clock: Callable[[], float] = time.time) -> Integration:
    """The part of set-up about the integration and its mapping."""
    settings = runtime.settings
    return Integration(
        PortIntegration(runtime.port, settings.integration_identifier),
        product=settings.product,
        preset=settings.mapping_preset,
        source=settings.mapping_source,
        requests=poll_of(runtime, clock=clock),
        mapping=_mapping(runtime),
    )


def _mapping(runtime: Runtime) -> PortMapping | None:
    settings = runtime.settings
    if settings.mapping_source != "port":
        return None
    return PortMapping(ActiveMapping(runtime.ledger), product=settings.product, preset=settings.mapping_preset)
