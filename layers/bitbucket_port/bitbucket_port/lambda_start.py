"""The ``resync_start`` function: once a minute, or when somebody asks for a resync by hand."""

from __future__ import annotations

import time
from typing import Any

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.lambda_process import runtime
from bitbucket_port.lambda_queue import logger
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.start import Intervals, Starter, Tick
from bitbucket_port.resync.store import Request, RunKind


def handle(event: JsonObject, context: Any) -> JsonObject:
    """Begin what is due; an event with ``resync`` (``full`` or ``list``) asks for a run first.

    Returns what was done and the run's id. Trouble that may pass is left to the next tick, a minute away, unless it was
    asked for by hand. Raises PermanentError for an event that asks for anything else.
    """
    del context
    wanted = _wanted(event)
    made = runtime()
    if made.settings.webhook_only:
        return {"did": "nothing", "reason": "Bitbucket may not be asked (BitbucketApi: none)"}
    store = DynamoDBRunStore(made.dynamodb, made.settings.ledger_table)
    starter = Starter(
        store=store,
        send=made.send_job,
        mapping_hash=made.engine.mapping.hash,
        kinds=frozenset(made.engine.kinds()),
        intervals=Intervals(made.settings.scheduled_resync_interval, made.settings.list_interval),
        clock=time.time,
    )
    try:
        if wanted:
            store.request(Request(wanted, str(event.get("reason") or "asked for"), time.time()))
        tick = starter.tick()
    except TransientError as error:
        if wanted:
            raise
        logger.warning("this tick did nothing: %s", error)
        return {"did": "nothing", "reason": str(error)}
    return _answer(tick)


def _answer(tick: Tick) -> JsonObject:
    answer: JsonObject = {"did": tick.did}
    if tick.run:
        answer |= {"run": tick.run.id, "kind": tick.run.kind, "reason": tick.run.reason}
    if tick.did not in ("nothing", "goes on"):
        logger.info("resync %s", tick.did, extra=answer)
    return answer


def _wanted(event: JsonObject) -> RunKind | None:
    """The run that an event asks for; None for a tick."""
    if isinstance(event, dict) and "resync" not in event:
        return None
    wanted = event["resync"] if isinstance(event, dict) else None
    if wanted == "full":
        return "full"
    if wanted == "list":
        return "list"
    asked = str(wanted if isinstance(event, dict) else event)[:50]
    raise PermanentError(f'there is no resync {asked!r}: ask with {{"resync": "full"}} or {{"resync": "list"}}')
