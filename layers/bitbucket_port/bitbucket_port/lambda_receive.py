"""The five ``receive`` functions: API Gateway's event in, HTTP answer out, one log line and one count each.

Imports stay light: this is what a cold start makes Bitbucket wait for.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, cast

import boto3
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from bitbucket_port.errors import SettingsError
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.webhooks.event_keys import Family
from bitbucket_port.webhooks.receive import Answer, Outcome, Queues, Request, WebhookSecrets, receive
from bitbucket_port.webhooks.secrets import RotatingSecrets
from bitbucket_port.webhooks.sqs import SqsQueues

QUEUE_VARIABLES: dict[Family, str] = {
    "project": "PROJECT_QUEUE_URL",
    "repository": "REPOSITORY_QUEUE_URL",
    "push": "PUSH_QUEUE_URL",
    "pull-request": "PULL_REQUEST_QUEUE_URL",
}
VARIABLES = ("BITBUCKET_PRODUCT", "WEBHOOK_SECRET_ARN", *QUEUE_VARIABLES.values())

METRIC_OF_OUTCOME: dict[Outcome, str] = {
    "stored": "DeliveriesStored",
    "ignored": "DeliveriesIgnored",
    "ping": "ConnectionTests",
    "refused": "DeliveriesRefused",
    "malformed": "DeliveriesMalformed",
    "unavailable": "DeliveriesNotStored",
}

# Bitbucket waits 10 s: give up early enough to answer 503.
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})

METRIC_NAMESPACE = "BitbucketPort"

_logger = Logger()


class Receiver:
    """Answers API Gateway events (HTTP API, payload format 2.0)."""

    def __init__(self, product: Product, secrets: WebhookSecrets, queues: Queues) -> None:
        self._product = product
        self._secrets = secrets
        self._queues = queues

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Receiver:
        """A receiver over SQS and Secrets Manager.

        Raises SettingsError naming every variable that is missing or wrong.
        """
        missing = [name for name in VARIABLES if not environment.get(name)]
        if missing:
            raise SettingsError(f"this function's environment lacks {', '.join(missing)}; deploy the stack again")
        product = environment["BITBUCKET_PRODUCT"]
        if product not in ("cloud", "server"):
            raise SettingsError(f"BITBUCKET_PRODUCT is {product!r}; it must be cloud or server")
        secrets = RotatingSecrets(boto3.client("secretsmanager", config=_CONFIG), environment["WEBHOOK_SECRET_ARN"])
        urls = {family: environment[name] for family, name in QUEUE_VARIABLES.items()}
        return cls(cast("Product", product), secrets, SqsQueues(boto3.client("sqs", config=_CONFIG), urls))

    def handle(self, event: JsonObject) -> JsonObject:
        """The answer to one event, in API Gateway's shape."""
        answer = receive(
            _request(event), secrets=self._secrets, queues=self._queues, product=self._product, now=time.time
        )
        _report(answer)
        return {
            "statusCode": answer.status,
            "headers": {"content-type": "application/json"},
            "body": json.dumps(answer.body),
        }


# Made while the function initialises, where Lambda gives it a full processor. An incomplete environment is left to the
# first request, which then fails with its reason; a failing import would hide it.
_receiver = Receiver.from_environment(os.environ) if all(os.environ.get(name) for name in VARIABLES) else None


def handle(event: JsonObject) -> JsonObject:
    """Answers one API Gateway event with the environment's secret and queues; raises SettingsError if incomplete."""
    global _receiver  # noqa: PLW0603 - one per execution environment, like the clients it holds
    if _receiver is None:
        _receiver = Receiver.from_environment(os.environ)
    return _receiver.handle(event)


def _request(event: JsonObject) -> Request:
    headers = event.get("headers") or {}
    return Request(
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=event.get("body"),
        is_base64=bool(event.get("isBase64Encoded")),
    )


def _report(answer: Answer) -> None:
    fields: dict[str, Any] = {
        "outcome": answer.outcome,
        "status": answer.status,
        "event_key": answer.event_key,
        "delivery_id": answer.delivery_id,
        "family": answer.family,
        "reason": answer.reason,
    }
    said = {name: value for name, value in fields.items() if value is not None}
    log = _logger.info if answer.status < 300 else _logger.error if answer.status >= 500 else _logger.warning
    log("webhook %s", answer.outcome, extra=said)
    # One at a time and not one shared collection: on one machine several requests are answered by one process at once.
    with single_metric(
        name=METRIC_OF_OUTCOME[answer.outcome], unit=MetricUnit.Count, value=1, namespace=METRIC_NAMESPACE
    ) as metric:
        metric.add_dimension(name="service", value=_logger.service)
