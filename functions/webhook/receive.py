"""Receives webhooks with every kind of event: the one URL for webhooks made by hand."""

from bitbucket_port.lambda_receive import handle


def handler(event: dict[str, object], _context: object) -> dict[str, object]:
    """Lambda's entry point; takes and returns API Gateway payload 2.0."""
    return handle(event)
