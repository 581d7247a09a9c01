"""What DynamoDB's failures mean, and a partition read to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BUSY = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
    "InternalServerError",
}


@contextmanager
def classified() -> Iterator[None]:
    """Throttling, network and server errors of DynamoDB are transient; anything else is a fault of ours and rises."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or "Throttl" in code or code in _BUSY:
            raise TransientError(f"DynamoDB answered {code}") from error
        raise
    except BotoCoreError as error:
        raise TransientError(f"DynamoDB cannot be reached: {type(error).__name__}") from error


def partition_items(
    client: DynamoDBClient, table: str, partition: str, *, prefix: str = "", backwards: bool = False, limit: int = 0
) -> Iterator[dict[str, Any]]:
    """The items of a partition (``PK``) in the order of ``SK``, read consistently; raises as ``classified`` does.

    ``prefix``: only those whose ``SK`` begins with it. ``limit`` is how many are read at a time.
    """
    condition, values = "PK = :partition", {":partition": {"S": partition}}
    if prefix:
        condition += " AND begins_with(SK, :prefix)"
        values[":prefix"] = {"S": prefix}
    options: dict[str, Any] = {"Limit": limit} if limit else {}
    while True:
        with classified():
            answer = client.query(
                TableName=table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=cast("Any", values),
                ConsistentRead=True,
                ScanIndexForward=not backwards,
                **options,
            )
        yield from cast("list[dict[str, Any]]", answer["Items"])
        if not answer.get("LastEvaluatedKey"):
            return
        options["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
