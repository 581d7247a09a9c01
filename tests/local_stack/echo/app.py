"""A function that does as it is told, by its event or by each of the messages it is given."""

from __future__ import annotations

import json
import os
import time
from typing import Any

print(json.dumps({"cold": True}), flush=True)


def handler(event: Any, context: Any) -> Any:
    """Answers with what it was asked; a message that says so fails, alone or with its whole batch."""
    if "Records" in event:
        return _batch(event["Records"])
    if event.get("do") == "sleep":
        time.sleep(event["seconds"])
    if event.get("do") == "fail":
        raise RuntimeError("as told")
    if event.get("do") == "ask":
        return _ask(event)
    if "requestContext" in event:
        return {"route": event["routeKey"], "api": event["requestContext"]["apiId"]}
    print(json.dumps({"event": event}), flush=True)
    return {
        "environment": dict(os.environ),
        "milliseconds": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
        "name": context.function_name,
    }


def _batch(records: list[Any]) -> Any:
    bodies = [json.loads(record["body"]) for record in records]
    print(json.dumps({"batch": bodies, "at": time.time()}), flush=True)
    for body in bodies:
        time.sleep(body.get("seconds", 0))
    if any(body.get("do") == "raise" for body in bodies):
        raise RuntimeError("as told")
    if any(body.get("do") == "name another" for body in bodies):
        return {"batchItemFailures": [{"itemIdentifier": "nobody sent this"}]}
    failed = [
        record["messageId"] for record, body in zip(records, bodies, strict=True) if body.get("do") == "give back"
    ]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _ask(event: Any) -> Any:
    import boto3
    from botocore.exceptions import ClientError

    try:
        getattr(boto3.client(event["service"]), event["operation"])(**event["with"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"
