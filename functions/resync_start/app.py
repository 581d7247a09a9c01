"""Begins the resync that is due, or the one that somebody asks for."""

from typing import Any

from bitbucket_port import lambda_start


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A tick of the schedule or an invocation by hand in, what was done about it out."""
    return lambda_start.handle(event, context)
