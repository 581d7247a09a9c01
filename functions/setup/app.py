"""Sets the stack up when it is created or changed, tidies up when it is deleted, and does either by hand."""

from typing import Any

from bitbucket_port import lambda_setup


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A request of CloudFormation or an invocation by hand in, the report out."""
    return lambda_setup.handle(event, context)
