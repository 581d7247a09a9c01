"""Takes deliveries from the family's queue and applies them to the catalog."""

from typing import Any

from bitbucket_port import lambda_process


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """SQS event in, the messages to keep out."""
    return lambda_process.handle(event, context)
