"""The ``resync_start`` function: once a minute, or when somebody asks for a resync by hand."""

from __future__ import annotations

import time
from typing import Any

from bitbucket_port.errors import BitbucketPortError, PermanentError, TransientError
from bitbucket_port.lambda_process import follow_mapping, runtime
from bitbucket_port.lambda_queue import logger
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.poll import poll_of
from bitbucket_port.resync.stack_jobs import SetUpJob
from bitbucket_port.resync.start import TICK_SECONDS, Intervals, Starter, Tick
from bitbucket_port.resync.store import Request, RunKind, RunStore
from bitbucket_port.runtime import Runtime

MILLISECONDS_TO_BEGIN = 8_000
"""Left for beginning a run when Port does not answer."""
MOST_MILLISECONDS_FOR_PORT = 19_000
"""Some of it is spare (``Runtime.begin``). Port answers in a second, or it is down."""
_LOOKED = "port poll"


def handle(event: JsonObject, context: Any) -> JsonObject:
    """Begin what is due or wanted in Port; an event with ``resync`` (``full`` or ``list``) asks for a run first.

    Returns what was done and the run's id. Trouble that may pass is left to the next tick, a minute away, unless it was
    asked for by hand. Raises PermanentError for an event that asks for anything else.
    """
    wanted = _wanted(event)
    made = runtime()
    if made.settings.webhook_only:
        return {"did": "nothing", "reason": "Bitbucket may not be asked (BitbucketApi: none)"}
    store = DynamoDBRunStore(made.dynamodb, made.settings.ledger_table)
    try:
        if wanted:
            store.request(Request(wanted, str(event.get("reason") or "asked for"), time.time()))
        _look_at_port(made, context)
        follow_mapping(made)
        tick = starter_of(made, store).tick()
        _set_up_again(made, tick)
    except TransientError as error:
        if wanted:
            raise
        logger.warning("this tick did nothing: %s", error)
        return {"did": "nothing", "reason": str(error)}
    return _answer(tick)


def starter_of(made: Runtime, store: RunStore) -> Starter:
    """What begins the runs of a stack, with the mapping in use now."""
    settings = made.settings
    return Starter(
        store=store,
        send=made.send_job,
        mapping_hash=made.engine.mapping.hash,
        kinds=frozenset(made.engine.kinds()),
        intervals=Intervals(settings.scheduled_resync_interval, settings.list_interval),
        clock=time.time,
        follows_mapping=settings.mapping_source == "port" and bool(settings.port_poll_interval),
    )


def _look_at_port(made: Runtime, context: Any) -> None:
    """Take over what people want in Port. Port being down is no reason to begin no run."""
    if not made.settings.port_poll_interval:
        return
    try:
        if not _is_due(made, made.settings.port_poll_interval):
            return
        left = context.get_remaining_time_in_millis() if context is not None else 0
        made.begin(min(left - MILLISECONDS_TO_BEGIN, MOST_MILLISECONDS_FOR_PORT))
        for finding in poll_of(made).look():
            log = logger.warning if finding.outcome == "warning" else logger.info
            log("%s", finding)
    except BitbucketPortError as error:
        logger.warning("nobody knows whether something was asked for in Port; the next tick looks again: %s", error)
    except Exception:  # noqa: BLE001 - it is logged
        # A fault of ours, or a secret that is gone: what is due by the clock begins all the same.
        logger.exception("unexpected failure when looking at Port")


def _is_due(made: Runtime, minutes: float) -> bool:
    """Whether it is time to look at Port again; half a tick early rather than half a tick late."""
    now = time.time()
    if minutes <= 1:
        return True
    if now - float(made.ledger.noted(_LOOKED).get("at", "0")) < minutes * 60 - TICK_SECONDS / 2:
        return False
    made.ledger.note(_LOOKED, {"at": repr(now)})
    return True


def _set_up_again(made: Runtime, tick: Tick) -> None:
    """With each full run set-up looks at everything again, so that what was changed by hand is mended."""
    settings = made.settings
    wanted = settings.live_events or settings.initialize_port_resources or settings.mapping_source == "port"
    if not wanted or tick.did != "began" or tick.run is None or tick.run.kind != "full":
        return
    try:
        made.send_job(SetUpJob(tick.run.started).to_message())
    except TransientError as error:
        logger.warning("set-up is not looked at with this run, but with the next one: %s", error)


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
