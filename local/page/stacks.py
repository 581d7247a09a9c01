"""The machine for programs, ``bitbucket-port status --local``: its stacks, and where their AWS is."""

from __future__ import annotations

from collections.abc import Sequence

from local.aws import CREDENTIALS, Moto
from local.page.watched import Json
from local.stack import Stack

FUNCTION = "ResyncWorker"
"""Whose variables are told: it knows everything that is to know of a stack, and no secret but by name."""


def described(stacks: Sequence[Stack], moto: Moto) -> Json:
    """``now`` (epoch seconds of the machine), ``aws`` (variables for AWS's own tools), and of each of ``stacks``:

    ``name``, ``environment`` (variables of its function) and ``queues`` (logical id → URL).
    """
    return {
        "now": moto.clock.now(),
        "aws": {**CREDENTIALS, "AWS_DEFAULT_REGION": CREDENTIALS["AWS_REGION"], "AWS_ENDPOINT_URL": moto.url},
        "stacks": [_stack(stack) for stack in stacks],
    }


def _stack(stack: Stack) -> Json:
    return {
        "name": stack.name,
        "environment": dict(stack.functions[FUNCTION].environment),
        "queues": {name: stack.queue_url(name) for name in stack.template.resources("AWS::SQS::Queue")},
    }
