"""How a stack stands, read from what it keeps: its table and its queues. Neither Bitbucket nor Port is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.bitbucket.allowance import CLOUD, Allowance, Limit
from bitbucket_port.bitbucket.budget_dynamodb import DynamoDBBudgetStore
from bitbucket_port.bitbucket.credentials import Credentials
from bitbucket_port.cli.dead_letters import DeadLetter, dead_letters
from bitbucket_port.cli.stack import secrets_of
from bitbucket_port.delivery_notes import DeliveryNotes, LastDelivery
from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.store import Run
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.store import Report, ReportStore
from bitbucket_port.webhooks.event_keys import Family

DEAD = "DeadLetters"
REPORTS_READ = 50
"""Among so many reports the last complete full one is looked for: lists are more frequent."""
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack's things are: a function's variables, queues (logical id → URL), and its clock."""

    name: str
    environment: Mapping[str, str] = field(repr=False)
    queues: Mapping[str, str]
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Queue:
    """How full a queue is: ``waiting`` to be taken, and ``taken``: being worked on, or hidden until the next try."""

    name: str
    waiting: int
    taken: int


@dataclass(frozen=True, slots=True)
class Budget:
    """One credential's requests to Bitbucket; ``limit`` is None where none is known. ``blocked``: epoch seconds."""

    limit: Limit | None
    spent: int
    blocked: float


@dataclass(slots=True)
class StackStatus:
    """One stack at ``now`` (epoch seconds).

    ``complete`` is the report of the last full run that was complete, ``last`` that of the last full one. ``unread``
    says what could not be read, and why: nothing is known of that then.
    """

    name: str
    product: Product
    where: str
    now: float
    deliveries: dict[Family, LastDelivery] = field(default_factory=dict)
    run: Run | None = None
    complete: JsonObject | None = None
    last: JsonObject | None = None
    queues: list[Queue] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    webhooks: list[Finding] = field(default_factory=list)
    set_up: Report | None = None
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def dead(self) -> int:
        """How many messages are dead letters."""
        return sum(queue.waiting + queue.taken for queue in self.queues if queue.name.endswith(DEAD))


def read(place: Place, webhooks: Callable[[Runtime], list[Finding]] | None = None) -> StackStatus:
    """Read everything; what cannot be read keeps nothing else from being read.

    ``webhooks`` tells how those stand by what is recorded of them. Raises SettingsError for variables that cannot work.
    """
    return _Reader(place, webhooks or recorded_webhooks).status()


def recorded_webhooks(runtime: Runtime) -> list[Finding]:
    """The stack's webhooks, as they were when they were looked after last."""
    from bitbucket_port.hooks.assembly import webhooks_of

    return webhooks_of(runtime).findings()


class _Reader:
    def __init__(self, place: Place, webhooks: Callable[[Runtime], list[Finding]]) -> None:
        runtime = self._runtime = Runtime(place.environment)
        runtime.begin(60_000)
        self._place = place
        self._webhooks = webhooks
        self._table = runtime.settings.ledger_table
        self._sqs: Any = boto3.client("sqs")
        self._notes = DeliveryNotes(runtime.ledger, runtime.dynamodb, self._table, clock=place.clock)
        settings = runtime.settings
        where = settings.workspace if settings.product == "cloud" else settings.bitbucket_url
        self._status = StackStatus(place.name, settings.product, where, place.clock())

    def status(self) -> StackStatus:
        status = self._status
        status.deliveries = self._read("last deliveries", self._notes.last_deliveries, {})
        self._read("resyncs", self._resyncs, None)
        status.queues = self._read("queues", self._queues, [])
        status.letters = self._read("dead letters", self._letters, [])
        status.budgets = self._read("request budget", self._budgets, [])
        status.webhooks = self._read("webhooks", lambda: self._webhooks(self._runtime), [])
        status.set_up = self._read("set-up", ReportStore(self._runtime.ledger).last, None)
        return status

    def _read(self, what: str, ask: Callable[[], _Read], nothing: _Read) -> _Read:
        try:
            return ask()
        except BitbucketPortError as error:
            self._status.unread[what] = str(error)
        except ClientError as error:
            said = error.response.get("Error", {})
            self._status.unread[what] = f"{said.get('Code', 'error')}: {said.get('Message', '')}"
        except BotoCoreError as error:
            self._status.unread[what] = str(error)
        return nothing

    def _resyncs(self) -> None:
        store = DynamoDBRunStore(self._runtime.dynamodb, self._table, clock=self._place.clock)
        self._status.run = store.state().run
        full = [report for report in store.last_reports(REPORTS_READ) if report["kind"] == "full"]
        self._status.last = full[0] if full else None
        self._status.complete = next((report for report in full if report["status"] == "complete"), None)

    def _queues(self) -> list[Queue]:
        found = []
        for name, url in sorted(self._place.queues.items()):
            told = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS))["Attributes"]
            visible, delayed, taken = (int(told[one]) for one in _DEPTHS)
            found.append(Queue(name, visible + delayed, taken))
        return found

    def _letters(self) -> list[DeadLetter]:
        full = [queue.name for queue in self._status.queues if queue.name.endswith(DEAD) and queue.waiting]
        return dead_letters(self._sqs, {name: self._place.queues[name] for name in full}, self._notes.last_failures)

    def _budgets(self) -> list[Budget]:
        settings = self._runtime.settings
        if settings.webhook_only:
            return []
        token = secrets_of(self._place.environment)["BITBUCKET_TOKEN"]
        names = Credentials(
            lambda: token, product=settings.product, username=settings.bitbucket_username
        ).budget_names()
        store = DynamoDBBudgetStore(self._runtime.dynamodb, self._table)
        return [self._budget(store.read(name).allowance) for name in names]

    def _budget(self, allowance: Allowance) -> Budget:
        start = CLOUD if self._runtime.settings.product == "cloud" else None
        now = self._status.now
        return Budget(allowance.limit(start), allowance.spent_at(now), allowance.blocked)
