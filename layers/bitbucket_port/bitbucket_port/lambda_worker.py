"""The ``resync_worker`` function: one job from the jobs queue."""

from __future__ import annotations

from typing import Any

from bitbucket_port.lambda_process import report, runtime
from bitbucket_port.lambda_queue import handle_messages, logger
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.jobs import ChildrenJob

LEASE_SECONDS = 330.0
SHARE_OF_TIME = 0.8


def handle(event: JsonObject, context: Any) -> JsonObject:
    """One invocation: SQS event in, the messages to keep out.

    A job uses 80 % of the time and goes on as a new message; what failed is tried again with the same one.
    """
    made = runtime()
    made.begin(int(context.get_remaining_time_in_millis() * SHARE_OF_TIME))

    def run(body: str) -> None:
        job = ChildrenJob.from_message(body)
        progress = made.children(lease_seconds=LEASE_SECONDS).run(job)
        for outcome in progress.outcomes:
            report(outcome)
        for problem in progress.problems:
            logger.warning("%s below %s: %s", job.action, job.container, problem)
        if progress.failed:
            raise progress.failed
        if not progress.finished:
            made.send_job(job.continued().to_message(), delay=progress.delay)

    return handle_messages(event, made.sqs, run)
