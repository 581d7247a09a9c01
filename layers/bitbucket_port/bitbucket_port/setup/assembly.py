"""Puts set-up together for a function of a stack."""

from __future__ import annotations

from bitbucket_port.hooks.assembly import webhooks_of
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.blueprints import blueprints_of
from bitbucket_port.setup.checks import Checks
from bitbucket_port.setup.identity import IdentityStore
from bitbucket_port.setup.integration import integration_of
from bitbucket_port.setup.life import Life
from bitbucket_port.setup.run import SetUp
from bitbucket_port.setup.store import ReportStore


def set_up_of(runtime: Runtime) -> SetUp:
    """Set-up over the runtime's clients, within the time it has."""
    webhooks, reports = webhooks_of(runtime), ReportStore(runtime.ledger)

    def known_version() -> str:
        last = reports.last()
        return last.version if last else ""

    def engine() -> MappingEngine:
        runtime.follow_mapping()  # Set-up itself may have made another mapping the active one.
        return runtime.engine

    return SetUp(
        settings=runtime.settings,
        checks=Checks(
            settings=runtime.settings,
            port_client=runtime.port,
            bitbucket_reader=runtime.reader,
            engine=engine,
            tokens=runtime.access_tokens,
            test_webhook=webhooks.test_reachability,
            known_version=known_version,
            trusted=runtime.trusted,
        ),
        blueprints=blueprints_of(runtime),
        integration=integration_of(runtime),
        webhooks=webhooks,
        reports=reports,
        life=Life(runtime.ledger),
        time_left=runtime.time_left,
    )


def identity_of(runtime: Runtime) -> IdentityStore:
    """Which Bitbucket the stack is of."""
    reader = runtime.reader
    return IdentityStore(runtime.ledger, lambda: reader.source() if reader is not None else "")
