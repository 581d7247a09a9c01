"""Event source mappings: messages from a queue to a function in batches, with partial failures.

Facts: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS". Lambda polls with the function's own role. Whatever
was not handled is not deleted, and comes back when its visibility ends: after an error, a throttled invocation and an
answer that makes no sense alike.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.account import REGION
from local.clock import Clock
from local.functions import FunctionError

LARGEST_RECEIVE = 10
"""Messages that SQS gives at once."""
LONGEST_PAUSE = 60.0
"""Simulated seconds between two tries while the queue cannot be read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mapping:
    """One event source mapping. ``concurrency`` batches are handled at once; with ``partial`` the function's answer
    lists the messages that failed, without it a batch succeeds or fails as a whole.
    """

    queue_url: str
    queue_arn: str
    batch_size: int
    concurrency: int
    partial: bool


class Poller:
    """Works off one queue, whenever it is woken. ``invoke`` runs the function; ``sqs`` is a client with the function's
    role; ``after`` is called when a batch is done, because the function may have sent messages. ``looks`` counts how
    often it asked for messages, ``in_flight`` the batches that are being handled.
    """

    def __init__(
        self,
        name: str,
        sqs: Any,
        mapping: Mapping,
        invoke: Callable[[Any], Any],
        *,
        clock: Clock,
        after: Callable[[], None],
    ) -> None:
        if mapping.batch_size > LARGEST_RECEIVE:
            raise NotImplementedError(f"{name}: batches of {mapping.batch_size} messages need a batching window")
        self.name, self._sqs, self._mapping, self._invoke = name, sqs, mapping, invoke
        self._clock, self._after = clock, after
        self._threads = ThreadPoolExecutor(mapping.concurrency, thread_name_prefix=name)
        self._poll = threading.Thread(target=self._run, name=f"{name}-poll", daemon=True)
        self._changed = threading.Condition()
        self._stopping = False
        self._woken = False
        self._looking = False
        self._introduced = False
        self._pause = 0.0
        self._again_at: float | None = None
        self.in_flight = 0
        self.looks = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to poll."""
        self._poll.start()

    def end(self) -> None:
        """Receive no more; what is being handled goes on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Receive no more and wait for what is being handled."""
        self.end()
        if self._poll.is_alive():
            self._poll.join()
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def queue_url(self) -> str:
        """The queue it works off."""
        return self._mapping.queue_url

    # --- what others ask ---------------------------------------------------------------------------------------------

    def wake(self) -> bool:
        """Ask for messages: there are some. False while its queue cannot be read."""
        with self._changed:
            if self._again_at is not None and self._clock.now() < self._again_at:
                return False
            self._woken = True
            self._changed.notify_all()
            return True

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not (self._woken or self._looking or self.in_flight)

    @property
    def at_rest(self) -> bool:
        """Whether it is not about to begin anything: idle, or with as much in flight as it may have."""
        return not self._looking and not self._can_look()

    def wait_until_idle(self, timeout: float) -> bool:
        """False when it still has something to do after so many real seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.idle, timeout)

    def due(self) -> float | None:
        """When it will try again to read a queue that could not be read (simulated epoch); None for no such thing."""
        with self._changed:
            return self._again_at

    # --- polling -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        size = self._mapping.batch_size
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._can_look())
                if self._stopping:
                    return
                self._woken, self._looking = False, True
                self.looks += 1
                free = self._mapping.concurrency - self.in_flight
            messages = self._receive(min(LARGEST_RECEIVE, free * size))
            batches = [messages[start : start + size] for start in range(0, len(messages), size)]
            with self._changed:
                self.in_flight += len(batches)
                self._looking = False
                self._changed.notify_all()
            for batch in batches:
                self._threads.submit(self._handle, batch)

    def _can_look(self) -> bool:
        return self._woken and self.in_flight < self._mapping.concurrency

    def _receive(self, most: int) -> list[dict[str, Any]]:
        try:
            if not self._introduced:  # As Lambda does, to see how much there is to do.
                self._sqs.get_queue_attributes(QueueUrl=self._mapping.queue_url, AttributeNames=["All"])
                self._introduced = True
            answer = self._sqs.receive_message(
                QueueUrl=self._mapping.queue_url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError) as error:
            with self._changed:
                self._pause = min(LONGEST_PAUSE, self._pause * 2 or 1.0)
                self._again_at = self._clock.now() + self._pause
            if not self._stopping:
                _log.warning("%s: its queue cannot be read: %s", self.name, error)
            return []
        with self._changed:
            self._pause, self._again_at = 0.0, None
        return list(answer.get("Messages", []))

    # --- handling ----------------------------------------------------------------------------------------------------

    def _handle(self, batch: list[dict[str, Any]]) -> None:
        try:
            answer = self._invoke({"Records": [self._record(message) for message in batch]})
            for message in self._handled(batch, answer):
                self._sqs.delete_message(QueueUrl=self._mapping.queue_url, ReceiptHandle=message["ReceiptHandle"])
        except FunctionError as error:
            if not self._stopping:  # Else the function was stopped too.
                _log.warning("%s: %s; what it did not handle returns after its visibility timeout", self.name, error)
        except (ClientError, BotoCoreError) as error:
            _log.warning("%s: a handled message was not deleted and will return: %s", self.name, error)
        finally:
            with self._changed:
                self.in_flight -= 1
                self._changed.notify_all()
            self._after()

    def _handled(self, batch: list[dict[str, Any]], answer: Any) -> list[dict[str, Any]]:
        """The messages to delete. An answer that is no list of failures, or names a message nobody sent, fails all."""
        if not self._mapping.partial:
            return batch
        failures = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
        if not failures:
            return batch if answer is None or isinstance(answer, dict) else []
        try:
            failed = {failure["itemIdentifier"] for failure in failures}
        except (TypeError, KeyError) as error:
            _log.warning("%s: its answer names no failures: %r", self.name, error)
            return []
        if not failed <= {message["MessageId"] for message in batch}:
            _log.warning("%s: its answer names messages that it was not given", self.name)
            return []
        return [message for message in batch if message["MessageId"] not in failed]

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        attributes = message.get("MessageAttributes", {})
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
                for name, value in attributes.items()
            },
            "md5OfBody": hashlib.md5(message["Body"].encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping.queue_arn,
            "awsRegion": REGION,
        }
