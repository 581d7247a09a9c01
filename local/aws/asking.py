"""What a request to AWS asks for: the operation, and which IAM actions on which resources it takes.

Facts: Service Authorization Reference (SQS has no action for batches: ``SendMessageBatch`` takes ``sqs:SendMessage``);
Amazon DynamoDB Developer Guide, "Using IAM with transactions" (a transaction takes the permissions of its parts).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.account import ACCOUNT

SERVICES = {"AmazonSQS": "sqs", "DynamoDB_20120810": "dynamodb", "secretsmanager": "secretsmanager"}
"""What ``X-Amz-Target`` begins with → the service."""
_TRANSACTION_PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}


class NotKnownError(Exception):
    """An operation that this machine does not offer to functions; the text names it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``action`` is the operation as ``service:Operation``, ``needs`` what a role has to be allowed for it."""

    service: str
    action: str
    needs: tuple[tuple[str, str], ...]

    @property
    def resources(self) -> tuple[str, ...]:
        """Every resource once, in order."""
        return tuple(dict.fromkeys(resource for _, resource in self.needs))


FindSecret = Callable[[str, str], str | None]
"""Region and what a request names a secret by (ARN, name, or ARN without its random end) → the ARN."""


def asked(target: str, region: str, body: bytes, find_secret: FindSecret) -> Asked:
    """What a request in one of AWS's JSON protocols asks for.

    ``target`` is its ``X-Amz-Target``. Raises NotKnownError for other services and operations, ValueError for a body
    that is not a JSON object.
    """
    prefix, _, operation = target.rpartition(".")
    service = SERVICES.get(prefix)
    if service is None:
        raise NotKnownError(target or "a request without X-Amz-Target")
    parameters = json.loads(body or b"{}")
    if not isinstance(parameters, dict):
        raise ValueError("the request's body is not a JSON object")  # noqa: TRY004 - the sender's mistake, not ours
    if service == "sqs":
        needs = _sqs(operation, region, parameters)
    elif service == "dynamodb":
        needs = _dynamodb(operation, region, parameters)
    else:
        needs = _secretsmanager(operation, region, parameters, find_secret)
    return Asked(service, f"{service}:{operation}", tuple(dict.fromkeys(needs)))


def queue_arn(region: str, url_or_name: str) -> str:
    """The ARN of a queue from its URL or name."""
    return f"arn:aws:sqs:{region}:{ACCOUNT}:{url_or_name.rstrip('/').rpartition('/')[2]}"


def _sqs(operation: str, region: str, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    named = parameters.get("QueueUrl") or parameters.get("QueueName")
    if not isinstance(named, str):
        raise NotKnownError(f"sqs:{operation} without a queue")
    return [(f"sqs:{operation.removesuffix('Batch')}", queue_arn(region, named))]


def _dynamodb(operation: str, region: str, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"

    if operation in ("BatchGetItem", "BatchWriteItem"):
        return [(f"dynamodb:{operation}", table(name)) for name in parameters.get("RequestItems", {})]
    if operation in ("TransactGetItems", "TransactWriteItems"):
        parts = [part for item in parameters.get("TransactItems", ()) for part in item.items()]
        return [(_TRANSACTION_PARTS[kind], table(part["TableName"])) for kind, part in parts]
    if "TableName" not in parameters:
        raise NotKnownError(f"dynamodb:{operation} without a table")
    arn = table(parameters["TableName"])
    if "IndexName" in parameters:
        arn = f"{arn}/index/{parameters['IndexName']}"
    return [(f"dynamodb:{operation}", arn)]


def _secretsmanager(
    operation: str, region: str, parameters: dict[str, Any], find_secret: FindSecret
) -> list[tuple[str, str]]:
    named = parameters.get("SecretId") or parameters.get("Name")
    if not isinstance(named, str):
        raise NotKnownError(f"secretsmanager:{operation} without a secret")
    arn = find_secret(region, named)
    if arn is None:  # IAM judges before the service looks whether there is such a secret.
        arn = named if named.startswith("arn:") else f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{named}"
    return [(f"secretsmanager:{operation}", arn)]
