"""Runs one function's handler in a process of its own: a JSON line in, a JSON line out, until the input ends."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """What a handler may ask of Lambda's context object."""

    def __init__(self, request_id: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = "$LATEST"
        self.memory_limit_in_mb = "512"
        self.invoked_function_arn = f"arn:aws:lambda:local:123456789012:function:{self.function_name}"
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would stop the invocation."""
        return max(0, int((self._deadline - time.time()) * 1000))


def main() -> None:
    """``function_host.py <answers' file descriptor> <module.handler>``."""
    answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    module, _, name = sys.argv[2].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    answers.write('"ready"\n')
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            result = handler(request["event"], Context(request["id"], request["deadline"]))
            answer = {"result": json.loads(json.dumps(result))}
        except Exception as error:  # noqa: BLE001 - as Lambda does: the caller is told, the log gets the trace
            traceback.print_exc()
            answer = {"error": type(error).__name__}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
