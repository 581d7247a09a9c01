"""What each service answers when it refuses before it has looked at the request itself.

Sources: Amazon SQS API Reference, "Common error types" and "SendMessage"; Amazon DynamoDB Developer Guide, "Error
handling"; AWS Secrets Manager API Reference, "Common errors" and "GetSecretValue". SQS names its errors twice: a
client that knows the older query protocol's names reads them from ``x-amzn-query-error``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from local.account import ACCOUNT
from local.aws.permissions import Verdict

_CORAL = "com.amazon.coral.service#"
_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_CONTENT_TYPE = {"sqs": "application/x-amz-json-1.0", "dynamodb": "application/x-amz-json-1.0"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def denied(service: str, who: str, action: str, resource: str, verdict: Verdict) -> Refusal:
    """The role may not do this; ``who`` is the role's and the session's name with a slash between them."""
    if service == "sqs":
        action = action.lower()  # SQS writes it so.
    why = (
        "with an explicit deny in an identity-based policy"
        if verdict == "denied"
        else f"because no identity-based policy allows the {action} action"
    )
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{who} is not authorized to perform: {action} "
        f"on resource: {resource} {why}"
    )
    if service == "sqs":
        return _answer(service, 403, _CORAL + "AccessDeniedException", message, query="AccessDenied;Sender")
    return _answer(service, 400, (_CORAL if service == "dynamodb" else "") + "AccessDeniedException", message)


def unknown_caller(service: str) -> Refusal:
    """Nobody is known by that access key."""
    message = "The security token included in the request is invalid."
    if service == "sqs":
        name = _CORAL + "UnrecognizedClientException"
        return _answer(service, 403, name, message, query="InvalidClientTokenId;Sender")
    return _answer(service, 400, (_CORAL if service == "dynamodb" else "") + "UnrecognizedClientException", message)


def throttled(service: str) -> Refusal:
    """Too many requests."""
    if service == "sqs":
        message = "The request was denied due to request throttling."
        return _answer(service, 400, "com.amazonaws.sqs#RequestThrottled", message, query="RequestThrottled;Sender")
    if service == "dynamodb":
        message = (
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API."
        )
        return _answer(service, 400, _DYNAMODB + "ProvisionedThroughputExceededException", message)
    return _answer(service, 400, "ThrottlingException", "Rate exceeded")


def failed(service: str) -> Refusal:
    """Something inside the service broke."""
    if service == "sqs":
        message = "Service is temporarily unavailable."
        return _answer(service, 503, _CORAL + "ServiceUnavailable", message, query="ServiceUnavailable;Receiver")
    if service == "dynamodb":
        return _answer(service, 500, _DYNAMODB + "InternalServerError", "Internal server error")
    return _answer(service, 500, "InternalServiceError", "An error occurred on the server side.")


def not_offered(what: str) -> Refusal:
    """This machine does not carry that out; no service of AWS answers so."""
    return _answer("", 501, "NotImplemented", f"{what} is not offered by this machine")


def _answer(service: str, status: int, name: str, message: str, *, query: str = "") -> Refusal:
    # DynamoDB's common errors carry a capital M; SDKs read both.
    key = "Message" if name.startswith(_CORAL) and service == "dynamodb" else "message"
    headers = [("Content-Type", _CONTENT_TYPE.get(service, "application/x-amz-json-1.1"))]
    if query:
        headers.append(("x-amzn-query-error", query))
    return Refusal(status, tuple(headers), json.dumps({"__type": name, key: message}).encode())
