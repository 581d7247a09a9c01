"""What becomes of messages, kept for people: the last delivery of each family, and why a message failed last.

Nothing is decided by these notes, and none of them may cost a message: one that cannot be kept is logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitbucket_port.catalog import item_version
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.dynamodb import classified
from bitbucket_port.webhooks.delivery import Delivery
from bitbucket_port.webhooks.event_keys import FAMILIES, Family, family_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOTED_EVERY = 60.0
"""Seconds between two notes of a family's last delivery by one execution environment: each is a write."""
NOTED_FROM = 3
"""The receive of a message from which on its failure is kept: most get through before, and then nobody asks."""
KEPT_SECONDS = 30 * 24 * 3600
"""A dead letter is kept for 14 days from when it was sent, and is tried for some days before."""
LONGEST_REASON = 500
_READ_AT_ONCE = 100
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LastDelivery:
    """A delivery that was applied; ``received`` and ``applied`` are epoch seconds."""

    family: Family
    id: str
    event_key: str
    received: float
    applied: float


@dataclass(frozen=True, slots=True)
class LastFailure:
    """How the last try of a message ended; ``at`` in epoch seconds, ``receives`` counts the tries."""

    reason: str
    at: float
    receives: int


class DeliveryNotes:
    """The notes in one ledger's table, of which writing raises nothing and reading TransientError."""

    def __init__(
        self,
        ledger: Ledger,
        client: DynamoDBClient,
        table: str,
        *,
        clock: Callable[[], float] = time.time,
        log: Any = _logger,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._table = table
        self._clock = clock
        self._log = log
        self._noted: dict[str, float] = {}

    # --- writing -----------------------------------------------------------------------------------------------------

    def delivered(self, delivery: Delivery) -> None:
        """Note a delivery that was applied, unless one of its family was noted less than a minute ago."""
        family, now = family_of(delivery.product, delivery.event_key), self._clock()
        if family is None or now - self._noted.get(family, -NOTED_EVERY) < NOTED_EVERY:
            return
        values = {
            "id": delivery.id,
            "event_key": delivery.event_key,
            "received": repr(delivery.received),
            "applied": repr(now),
        }
        self._noted[family] = now
        try:
            self._ledger.note(_delivery(family), values)
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery itself was applied
            self._log.warning("the last %s delivery could not be noted: %s", family, error)

    def failed(self, message_id: str, receives: int, error: Exception) -> None:
        """Keep why a message failed, once it failed a few times; the last failure is the one that counts."""
        if receives < NOTED_FROM:
            return
        values: dict[str, Any] = {
            ":reason": {"S": _reason(error)},
            ":at": {"N": repr(self._clock())},
            ":receives": {"N": str(receives)},
            ":expires": {"N": str(int(self._clock()) + KEPT_SECONDS)},
            ":v": item_version.attribute(),
        }
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_failure_keys(message_id),
                UpdateExpression="SET reason = :reason, #at = :at, receives = :receives, expires = :expires, v = :v",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues=values,
            )
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the message itself is kept by SQS
            self._log.warning("why message %s failed could not be noted: %s", message_id, trouble)

    # --- reading -----------------------------------------------------------------------------------------------------

    def last_deliveries(self) -> dict[Family, LastDelivery]:
        """The last delivery that was noted of each family; none for a family that had no delivery yet."""
        found: dict[Family, LastDelivery] = {}
        for family in FAMILIES:
            noted = self._ledger.noted(_delivery(family))
            if noted:
                found[family] = _last_delivery(family, noted)
        return found

    def last_failures(self, message_ids: Collection[str]) -> dict[str, LastFailure]:
        """Why these messages failed last, by message id, as far as that was kept."""
        found: dict[str, LastFailure] = {}
        names: Sequence[str] = sorted(set(message_ids))
        for start in range(0, len(names), _READ_AT_ONCE):
            keys = [_failure_keys(name) for name in names[start : start + _READ_AT_ONCE]]
            request: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
            while request:
                with classified():
                    answer = self._client.batch_get_item(RequestItems=request)
                for item in answer["Responses"].get(self._table, []):
                    found[item["PK"]["S"].partition("#")[2]] = _last_failure(item)
                request = answer.get("UnprocessedKeys")
        return found


def _reason(error: Exception) -> str:
    """The error's text, which names no secret (``errors``); the class, too, where nobody meant it for people."""
    text = str(error)
    if type(error).__module__ != "bitbucket_port.errors":
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:LONGEST_REASON] or type(error).__name__


def _last_delivery(family: Family, noted: Mapping[str, str]) -> LastDelivery:
    return LastDelivery(family, noted["id"], noted["event_key"], float(noted["received"]), float(noted["applied"]))


def _last_failure(item: Any) -> LastFailure:
    return LastFailure(item["reason"]["S"], float(item["at"]["N"]), int(item["receives"]["N"]))


def _delivery(family: Family) -> str:
    return f"delivery#{family}"


def _failure_keys(message_id: str) -> dict[str, Any]:
    return {"PK": {"S": f"failure#{message_id}"}, "SK": {"S": "-"}}
