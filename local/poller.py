"""Event source mappings: messages from a queue to a function, one at a time each, with partial failures."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.functions import Function, FunctionError
from local.template import REGION

BUSY_PAUSE = 0.02
IDLE_PAUSE = 0.3


class Poller:
    """One event source mapping with batch size 1 and ReportBatchItemFailures.

    A message is deleted only when the function answered and did not list it; visibility and redrive are the queue's.
    """

    def __init__(self, sqs: Any, *, queue_url: str, queue_arn: str, function: Function, concurrency: int) -> None:
        self._sqs = sqs
        self._url, self._arn, self._function = queue_url, queue_arn, function
        self._concurrency = concurrency
        self._slots = threading.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=function.name)
        self._stopping = threading.Event()
        self._nudge = threading.Event()
        self._poll = threading.Thread(target=self._run, daemon=True)
        self._lock = threading.Lock()
        self.in_flight = 0

    def start(self) -> None:
        """Begin to poll."""
        self._poll.start()

    def nudge(self) -> None:
        """Look at once: something was probably sent."""
        self._nudge.set()

    def stop(self) -> None:
        """Stop polling and wait for what is being handled."""
        self._stopping.set()
        self._nudge.set()
        self._poll.join()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            free = 0
            while free < min(10, self._concurrency) and self._slots.acquire(blocking=free == 0, timeout=None):
                free += 1
            messages = self._receive(free)
            for _ in range(free - len(messages)):
                self._slots.release()
            for message in messages:
                with self._lock:
                    self.in_flight += 1
                self._threads.submit(self._handle, message)
            if not messages:
                self._nudge.wait(IDLE_PAUSE)
                self._nudge.clear()

    def _receive(self, free: int) -> list[dict[str, Any]]:
        if self._stopping.is_set():
            return []
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=free, WaitTimeSeconds=0, MessageSystemAttributeNames=["All"]
        )
        return list(answer.get("Messages", []))

    def _handle(self, message: dict[str, Any]) -> None:
        try:
            result = self._function.invoke({"Records": [self._record(message)]})
            failed = {failure["itemIdentifier"] for failure in (result or {}).get("batchItemFailures", [])}
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        except FunctionError as error:
            print(f"{self._function.name}: {error}; the message returns after its visibility timeout", flush=True)
        finally:
            with self._lock:
                self.in_flight -= 1
            self._slots.release()
            self._nudge.set()

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(message["Body"].encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": REGION,
        }
