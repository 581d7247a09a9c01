"""What DynamoDB's failures mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.errors import TransientError

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
