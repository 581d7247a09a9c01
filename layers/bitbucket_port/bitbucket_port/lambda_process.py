"""The ``process`` functions: a delivery from a family's queue, applied to the catalog."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.delivery_notes import DeliveryNotes
from bitbucket_port.errors import TransientError
from bitbucket_port.lambda_queue import handle_messages, logger
from bitbucket_port.objects import JsonObject
from bitbucket_port.runtime import Runtime
from bitbucket_port.webhooks.delivery import Delivery


@cache
def runtime() -> Runtime:
    """One per execution environment. Raises SettingsError when the function's environment cannot work."""
    return Runtime()


def follow_mapping(made: Runtime) -> None:
    """Use the mapping that is active now, and log what is wrong with it. Raises TransientError."""
    if made.follow_mapping():
        for problem in made.engine.mapping.problems:
            logger.error("mapping: %s", problem)


@cache
def notes() -> DeliveryNotes:
    """What people are told of messages."""
    made = runtime()
    return DeliveryNotes(made.ledger, made.dynamodb, made.settings.ledger_table, log=logger)


if "LEDGER_TABLE" in os.environ:
    try:
        follow_mapping(runtime())  # While the function initialises it has a full processor.
    except TransientError as error:
        logger.warning("the mapping is read with the first message: %s", error)


def handle(event: JsonObject, context: Any) -> JsonObject:
    """One invocation: SQS event in, the messages to keep out."""
    made = runtime()
    made.begin(context.get_remaining_time_in_millis())

    def apply(body: str) -> None:
        # Not removed at the end: a failure is logged by whoever called this, and belongs to the same delivery.
        logger.remove_keys(["delivery_id", "event_key"])
        follow_mapping(made)
        delivery = Delivery.from_message(body)
        logger.append_keys(delivery_id=delivery.id, event_key=delivery.event_key)
        for outcome in made.live.handle(delivery):
            report(outcome)
        notes().delivered(delivery)

    return handle_messages(event, made.sqs, apply, notes().failed)


def report(outcome: Outcome) -> None:
    """One log line for one object; problems make it a warning."""
    log = logger.warning if outcome.problems else logger.info
    log("%s %s", outcome.key, outcome.result, extra=outcome.log_fields())
