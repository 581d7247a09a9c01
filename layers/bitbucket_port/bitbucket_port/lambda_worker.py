"""The ``resync_worker`` function: one job from the jobs queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from bitbucket_port.catalog.held import Timing
from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.hooks.assembly import webhooks_of
from bitbucket_port.lambda_process import follow_mapping, notes, runtime
from bitbucket_port.lambda_queue import handle_messages, logger, receives_of
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.resync_state import Ended, tell_began, tell_ended
from bitbucket_port.resync.assembly import Parts, run_worker
from bitbucket_port.resync.children import ChildrenWorker
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.jobs import parse_any
from bitbucket_port.resync.own_writes import Write
from bitbucket_port.resync.poll import poll_of
from bitbucket_port.resync.stack_jobs import HookJob, SetUpJob, StackJob
from bitbucket_port.resync.store import Run, Status
from bitbucket_port.resync.worker import ChildrenOnly, JobsWorker
from bitbucket_port.setup.assembly import set_up_of
from bitbucket_port.setup.examples import examples_of

LEASE_SECONDS = 330.0
SHARE_OF_TIME = 0.8


class Told:
    """Port's own page of the integration shows full resyncs; what any run found new gets its webhooks at once."""

    def began(self, run: Run) -> None:
        """See ``worker.Told``."""
        made = runtime()
        minutes = made.settings.scheduled_resync_interval
        if run.kind == "full":
            began = partial(
                tell_began, made.port, at=run.started, next_at=_next(run, minutes), interval_minutes=int(minutes)
            )
            self._tell("resync began", began)

    def ended(self, run: Run, status: Status, report: JsonObject) -> None:
        """See ``worker.Told``."""
        made = runtime()
        minutes = made.settings.scheduled_resync_interval
        if run.kind == "full":
            ended = partial(
                tell_ended,
                made.port,
                _ENDED[status],
                at=float(report["ended"]),
                next_at=_next(run, minutes),
                interval_minutes=int(minutes),
            )
            self._tell("resync ended", ended)
        if has_new_places(report):
            self._order_webhooks()

    def _order_webhooks(self) -> None:
        """Data Center announces no created project, and a repository with a webhook of its own is known to nobody."""
        try:
            webhooks_of(runtime()).plan(force=False)
        except BitbucketPortError as error:
            logger.warning("what is new gets its webhooks with the next full resync: %s", error)

    def _tell(self, write: Write, tell: Callable[[], bool]) -> None:
        """Where the tick looks for requested resyncs, Port is told only when that can be told from such a request."""
        made = runtime()
        if not made.settings.port_poll_interval:
            tell()
            return
        try:
            poll_of(made).write(write, tell)
        except BitbucketPortError as error:
            logger.warning("Port was not told that the %s: %s", write, error)


def has_new_places(report: JsonObject) -> bool:
    """Whether a run's report tells of a project or repository that was not in the catalog before."""
    return any(report["kinds"].get(kind, {}).get("created") for kind in ("project", "repository"))


_ENDED: dict[Status, Ended] = {
    "complete": "completed",
    "partial": "completed",
    "failed": "failed",
    "superseded": "aborted",
    "dead": "failed",
}


def worker() -> JobsWorker:
    """One per execution environment and mapping. Making it may read a secret; the message waits when that fails."""
    return _worker_with(runtime().engine)


@lru_cache(maxsize=1)
def _worker_with(engine: MappingEngine) -> JobsWorker:
    made = runtime()
    timing = Timing(lease=LEASE_SECONDS)
    if made.reader is None:
        applier = made.applier(timing)
        children = ChildrenWorker(ledger=made.ledger, applier=applier, time_left=made.time_left)
        return ChildrenOnly(children, made.send_jobs, logger)
    return run_worker(
        Parts(
            store=DynamoDBRunStore(made.dynamodb, made.settings.ledger_table),
            ledger=made.ledger,
            engine=engine,
            bitbucket=made.reader,
            port=made.port,
            applier=lambda followers: made.applier(timing, followers),
            source=made.source.of,
            send=made.send_jobs,
            time_left=made.time_left,
            spent=made.spent,
            log=logger,
            told=Told(),
            follows_up=True,
            show=examples_of(made),
        )
    )


def handle(event: JsonObject, context: Any) -> JsonObject:
    """One invocation: SQS event in, the messages to keep out.

    A job uses 80 % of the time and goes on as a new message; what failed is tried again with the same one.
    """
    made = runtime()
    made.begin(int(context.get_remaining_time_in_millis() * SHARE_OF_TIME))
    failures: list[JsonObject] = []
    for record in event["Records"]:
        work = partial(_work, receives_of(record))
        failures += handle_messages({"Records": [record]}, made.sqs, work, notes().failed)["batchItemFailures"]
    return {"batchItemFailures": failures}


def _work(receives: int, message: str) -> None:
    job = parse_any(message)
    follow_mapping(runtime())
    # What a live event ordered is live work: it belongs to no run, and may use what a run leaves.
    runtime().leaves_reserve = bool(job.run) or isinstance(job, StackJob)
    if isinstance(job, HookJob):
        webhooks_of(runtime()).look_after(job, receives=receives)
        return
    if isinstance(job, SetUpJob):
        _set_up()
        return
    worker().handle(message, receives)


def _set_up() -> None:
    """What fails is in set-up's report, and tried again with the next run."""
    for finding in set_up_of(runtime()).carry_out("scheduled"):
        log = logger.warning if finding.outcome in ("warning", "failed") else logger.info
        log("set-up: %s", finding)


def _next(run: Run, minutes: float) -> float | None:
    return run.started + minutes * 60 if minutes else None
