"""What the functions behind a queue share: one message at a time, and when to try again."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from bitbucket_port.errors import BitbucketPortError, PermanentError, TransientError
from bitbucket_port.objects import JsonObject

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

FIRST_WAIT = 5
LONGEST_BACKOFF = 600
PATIENCE = 20
"""Receives with the pauses that failures ask for. Later ones grow as well, lest short pauses use up the receives."""
LONGEST_WAIT = 43_000
"""Seconds: a message can be made invisible for 12 hours from when it was received."""

logger = Logger()


Failed = Callable[[str, int, Exception], None]
"""Told of a message that is kept: its id, how often it was received, and why it failed. Raises nothing."""


def handle_messages(
    event: JsonObject, sqs: SQSClient, handle: Callable[[str], None], failed: Failed | None = None
) -> JsonObject:
    """Hand each message's text to ``handle``; the answer tells SQS which ones to keep (ReportBatchItemFailures).

    A TransientError keeps the message, invisible for as long as makes sense. A PermanentError is logged with its
    reason, and the message is done. Anything else is a fault in this code: the message is kept and tried again, since
    the next release may mend it.
    """
    failures: list[JsonObject] = []
    for record in event["Records"]:
        error = _failure(record, sqs, handle)
        if error is not None:
            failures.append({"itemIdentifier": record["messageId"]})
            if failed:  # Last of all: the message is hidden already, whatever becomes of the note.
                failed(record["messageId"], receives_of(record), error)
    return {"batchItemFailures": failures}


def _failure(record: JsonObject, sqs: SQSClient, handle: Callable[[str], None]) -> Exception | None:
    """Why the message is to be kept; None when it is done."""
    about = {"message_id": record["messageId"], "receives": receives_of(record)}
    try:
        handle(record["body"])
    except TransientError as error:
        wait = wait_seconds(error.retry_after, receives_of(record))
        logger.warning("tried again in %d s: %s", wait, error, extra={**about, "error": type(error).__name__})
        _hide(record, sqs, wait)
        return error
    except PermanentError as error:
        # The reason is the message: where it was raised tells an operator nothing.
        logger.error(  # noqa: TRY400
            "given up: %s", error, extra={**about, "error": type(error).__name__}
        )
        return None
    except BitbucketPortError as error:
        logger.exception("tried again", extra=about)
        _hide(record, sqs, wait_seconds(None, receives_of(record)))
        return error
    except Exception as error:
        # A fault of ours must cost no event: it is reported, and the message kept for a release that mends it.
        logger.exception("unexpected failure, tried again", extra=about)
        _hide(record, sqs, wait_seconds(None, receives_of(record)))
        return error
    return None


def wait_seconds(retry_after: float | None, receives: int) -> int:
    """Seconds until the next try: what the failure says, else 5, 10, 20 … 600 with each receive."""
    if retry_after is None:
        return _backoff(receives)
    wait = max(1, min(LONGEST_WAIT, math.ceil(retry_after)))
    return wait if receives <= PATIENCE else max(wait, _backoff(receives - PATIENCE))


def _backoff(receives: int) -> int:
    return int(min(LONGEST_BACKOFF, FIRST_WAIT * 2 ** min(receives - 1, 10)))


def _hide(record: JsonObject, sqs: SQSClient, seconds: int) -> None:
    """Lambda itself does not slow down on reported failures: the message's own visibility does."""
    queue = record["eventSourceARN"].rpartition(":")[2]
    urls: list[Any] = [
        url for name, url in os.environ.items() if name.endswith("_QUEUE_URL") and url.rpartition("/")[2] == queue
    ]
    if not urls:
        logger.error("no variable names the queue %s: the message returns after its visibility timeout", queue)
        return
    sqs.change_message_visibility(QueueUrl=urls[0], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds)


def receives_of(record: JsonObject) -> int:
    """How often a message was received, this time included."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
