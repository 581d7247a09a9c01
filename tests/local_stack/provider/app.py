"""A provider of custom resources that does as the properties of its resource tell it."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

TIMES = {"raised": 0}


def handler(event: Any, context: Any) -> None:
    """Answers a request of CloudFormation's, or does not."""
    del context
    wanted = event["ResourceProperties"]
    print(json.dumps({"asked": event["RequestType"], "says": os.environ["GREETING"]}), flush=True)
    do = wanted.get("On" + event["RequestType"], "answer")
    if do == "raise once" and not TIMES["raised"]:
        TIMES["raised"] += 1
        raise RuntimeError("as told")
    if do == "say nothing":
        return
    time.sleep(float(wanted.get("Seconds", "0")))
    answer = {
        "Status": "FAILED" if do == "fail" else "SUCCESS",
        "Reason": "The token was refused.",
        "PhysicalResourceId": wanted.get("PhysicalId", "the one"),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "Data": {"Report": f"{event['RequestType']} of {wanted['Size']}"},
    }
    statuses = [put(event["ResponseURL"], answer, content_type=kind) for kind in wanted.get("ContentTypes", [""])]
    print(json.dumps({"statuses": statuses}), flush=True)


def put(url: str, answer: Any, *, content_type: str) -> int:
    """Answer at this address; returns the status."""
    request = urllib.request.Request(url, json.dumps(answer).encode(), {"Content-Type": content_type}, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
