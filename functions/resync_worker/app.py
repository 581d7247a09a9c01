"""Works off the jobs queue: what hangs below an object that moved or is gone."""

from typing import Any

from bitbucket_port import lambda_worker


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS event in, the messages to keep out."""
    return lambda_worker.handle(event, context)
