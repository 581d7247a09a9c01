"""Callers of the local AWS for its tests: an operator's resources and functions with a role of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.aws import Moto

FUNCTION, ROLE = "Worker", "WorkerRole"
_numbers = itertools.count(1)


def queue(moto: Moto, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    name = f"queue-{next(_numbers)}"
    url = moto.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:eu-west-1:123456789012:{name}"


def table(moto: Moto) -> tuple[str, str]:
    """Name and ARN of a new table with the key ``k``."""
    name = f"table-{next(_numbers)}"
    answer = moto.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name, answer["TableDescription"]["TableArn"]


def secret(moto: Moto, value: str = "s3cret") -> tuple[str, str]:
    """Name and ARN of a new secret."""
    name = f"secret-{next(_numbers)}"
    return name, moto.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]


def allow(action: str | list[str], resource: str | list[str]) -> dict[str, Any]:
    """A statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@contextmanager
def admitted(moto: Moto, *statements: dict[str, Any], pid: int = 0, **more: Any) -> Iterator[str]:
    """The key of an execution environment with these statements."""
    key = f"ASIA{next(_numbers):016d}"
    moto.admit(key, **{"function": FUNCTION, "role": ROLE, **more}, statements=list(statements), pid=pid)
    yield key
    moto.dismiss(key)


@pytest.fixture(autouse=True)
def nothing_planned(moto: Moto) -> Iterator[None]:
    moto.forget_calls()
    yield
    moto.clear_faults()
