"""The first resync of a stack, where no schedule begins it: whoever deploys wants to see a catalog."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.start import Intervals, Starter
from bitbucket_port.setup.findings import Finding

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

ABOUT = "First resync"


def begin_first_run(runtime: Runtime) -> list[Finding]:
    """Begin it if there never was one; with a schedule its next tick does. Raises TransientError."""
    settings = runtime.settings
    if settings.webhook_only or settings.scheduled_resync_interval:
        return []
    runtime.follow_mapping()
    tick = Starter(
        store=DynamoDBRunStore(runtime.dynamodb, settings.ledger_table),
        send=runtime.send_job,
        mapping_hash=runtime.engine.mapping.hash,
        kinds=frozenset(runtime.engine.kinds()),
        intervals=Intervals(0, 0),
        clock=time.time,
    ).first()
    return [Finding(ABOUT, "changed", "it began.")] if tick.did == "began" else []
