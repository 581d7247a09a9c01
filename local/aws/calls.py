"""One call that left a function: who made it, what it asked for and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal[
    "ok", "denied", "failed", "throttled", "refused-by-service", "killed before", "killed after", "unanswered"
]
"""``refused-by-service``: the service itself said no, for example to a condition. ``failed``: 5xx. ``unanswered``: not
answered yet, or the caller was gone."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call.

    ``number`` counts from 1 within its recorder. ``at`` is when it arrived, in simulated epoch seconds. ``function``
    and ``role`` are names, ``environment`` is the execution environment's access key. ``service`` is ``sqs``,
    ``dynamodb``, ``secretsmanager``, ``port`` or ``bitbucket``. ``action`` is the operation asked for, as
    ``sqs:SendMessageBatch`` or ``POST /v1/blueprints/{}/entities``; ``resources`` are ARNs, or the path as sent.
    ``needs`` are the pairs of IAM action and resource that the call needs to be allowed (none outside AWS).
    ``by_service`` marks what Lambda itself does in the function's name: polling its queue, deleting messages.
    """

    number: int
    at: float
    function: str
    role: str
    environment: str
    service: str
    action: str
    resources: tuple[str, ...]
    outcome: Outcome
    by_service: bool = False
    needs: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it crosses to another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Call:
        """What ``to_json`` made."""
        return cls(
            **{
                **document,
                "resources": tuple(document["resources"]),
                "needs": tuple((action, resource) for action, resource in document["needs"]),
            }
        )
