"""Where jobs are done: what one thread needs of its own, made anew for each of them, over what all of them share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bitbucket_port import __version__
from bitbucket_port.bitbucket.budget import Budgets
from bitbucket_port.bitbucket.connect import connect
from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.facts import facts_of
from bitbucket_port.catalog.held import Timing
from bitbucket_port.catalog.settle import WriteOptions
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.cli.adopting import ShownAdopter
from bitbucket_port.cli.comparing import Changes, ComparingWriter, ReadOnlyPort
from bitbucket_port.cli.queue import JobQueue
from bitbucket_port.cli.settings import CommandSettings
from bitbucket_port.cli.snapshot import Snapshot, SnapshotPort
from bitbucket_port.cli.turns import Turns
from bitbucket_port.http import Deadline
from bitbucket_port.live import SourceName
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Mapping
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.resync_state import Ended, tell_began, tell_ended
from bitbucket_port.reading import BitbucketReader, RefusedCredentials
from bitbucket_port.resync.assembly import Parts, run_worker
from bitbucket_port.resync.drift import Shapes
from bitbucket_port.resync.listing import Show
from bitbucket_port.resync.run import RunFollowers
from bitbucket_port.resync.store import Run, RunStore, Status
from bitbucket_port.setup.examples import Examples

JOB_SECONDS = 240.0
"""After this a job goes on as another, as in a function: no lease is ever outlived."""
LEASE_SECONDS = 330.0
_ENDED: dict[Status, Ended] = {
    "complete": "completed",
    "partial": "completed",
    "failed": "failed",
    "superseded": "aborted",
    "dead": "failed",
}
_log = logging.getLogger("bitbucket_port.resync")


class Workplace(Protocol):
    """One thread's means to carry jobs out."""

    def enter(self) -> None:
        """Be let in by Port; raises CredentialsRefusedError when these credentials will never do."""

    def handle(self, message: str, receives: int, *, seconds: float) -> None:
        """Carry out one job in at most so many seconds; raises as ``RunWorker.handle`` does."""

    def hurry(self) -> None:
        """Send no further request; asked by another thread."""


@dataclass(frozen=True)
class Shared:
    """What all threads of a run without a stack share.

    ``changes``: a dry run, what would be done is noted there.
    """

    settings: CommandSettings
    mapping: Mapping
    ledger: SQLiteLedger
    store: RunStore
    snapshot: Snapshot
    queue: JobQueue
    budgets: Budgets
    turns: Turns
    deletes: bool = False
    changes: Changes | None = None
    clock: Callable[[], float] = time.time


class LocalWorkplace:
    """A workplace without AWS."""

    def __init__(self, shared: Shared) -> None:
        settings, common = shared.settings, shared.settings.common
        self._turns = turns = shared.turns
        self._deadline = Deadline.after(0)
        self._port = port_of(settings, read_only=shared.changes is not None, turns=turns)
        self._port.snapshot = shared.snapshot
        self._bitbucket = connect(
            common.product,
            common.bitbucket_url,
            lambda: settings.bitbucket_token,
            deadline=self._deadline,
            workspace=common.workspace,
            username=common.bitbucket_username,
            verify=settings.verify,
            budgets=shared.budgets.of,
            turn=turns,
            sleep=turns.sleep,
        )
        engine = MappingEngine(shared.mapping, now=shared.clock)
        source = SourceName(
            product=common.product,
            workspace=common.workspace,
            base_url=common.bitbucket_url,
            ledger=shared.ledger,
            ask=lambda: reader.source(),  # noqa: PLW0108 - made below
        )
        reader = BitbucketReader(
            self._bitbucket,
            source=source.of,
            wants=engine.wants,
            refused=RefusedCredentials(shared.ledger),
            version=lambda: "",
            mapping_hash=lambda: engine.mapping.hash,
            people=self._port.user_emails,
            clock=shared.clock,
        )
        writer = ComparingWriter(self._port, shared.snapshot, deletes=shared.deletes, changes=shared.changes)
        mapping = shared.mapping

        def applier(followers: RunFollowers) -> Applier:
            return Applier(
                ledger=shared.ledger,
                mapper=engine,
                port=writer,
                reader=reader,
                followers=followers,
                options=WriteOptions(
                    mapping.enable_merge, mapping.create_missing, mapping.delete_dependents, Shapes.of(mapping).expected
                ),
                timing=Timing(lease=LEASE_SECONDS),
                clock=shared.clock,
                sleep=turns.sleep,
                facts_of=lambda key, address, obj: facts_of(common.product, key.kind, address, obj),
                adopter=ShownAdopter(shared.ledger, writer),
            )

        self._worker = run_worker(
            Parts(
                store=shared.store,
                ledger=shared.ledger,
                engine=engine,
                bitbucket=reader,
                port=self._port,
                applier=applier,
                source=source.of,
                send=shared.queue.send,
                time_left=lambda: self._deadline.left() > 0,
                spent=lambda: (self._bitbucket.requests, self._port.requests),
                clock=shared.clock,
                log=_log,
                told=None if shared.changes is not None else PortIsTold(self._port),
                compared=True,
                show=self._examples(shared),
            )
        )

    def _examples(self, shared: Shared) -> Show | None:
        common = shared.settings.common
        if shared.changes is not None or not common.send_raw_data_examples:
            return None
        secrets = (*shared.settings.bitbucket_token.split(","), shared.settings.port_client_secret)
        return Examples(self._port, common.integration_identifier, secrets=lambda: secrets).show

    def enter(self) -> None:
        """See Workplace."""
        with self._turns.computing:
            self._port.enter()

    def handle(self, message: str, receives: int, *, seconds: float) -> None:
        """See Workplace."""
        self._until(Deadline.after(seconds))
        with self._turns.computing:
            self._worker.handle(message, receives)

    def hurry(self) -> None:
        """See Workplace."""
        self._until(Deadline.after(0))

    def _until(self, deadline: Deadline) -> None:
        self._deadline = self._port.deadline = self._bitbucket.deadline = deadline


class PortIsTold:
    """Port's own page of the integration shows the resync; nobody knows when the next one is."""

    def __init__(self, port: PortClient) -> None:
        self._port = port

    def began(self, run: Run) -> None:
        """See ``worker.Told``."""
        tell_began(self._port, at=run.started, next_at=None, interval_minutes=0)

    def ended(self, run: Run, status: Status, report: JsonObject) -> None:
        """See ``worker.Told``."""
        del run
        tell_ended(self._port, _ENDED[status], at=float(report["ended"]), next_at=None, interval_minutes=0)


def port_of(settings: CommandSettings, *, read_only: bool, turns: Turns | None = None) -> SnapshotPort:
    """Port as this integration, asked in ``turns`` where several threads do."""
    common = settings.common
    options: dict[str, Any] = {
        "client_id": common.port_client_id,
        "client_secret": lambda: settings.port_client_secret,
        "integration_type": common.integration_type,
        "integration_identifier": common.integration_identifier,
        "version": __version__,
        "deadline": Deadline.after(JOB_SECONDS),
        "verify": settings.verify,
        **({"turn": turns, "sleep": turns.sleep} if turns else {}),
    }
    return (ReadOnlyPort if read_only else SnapshotPort)(common.port_base_url, **options)
