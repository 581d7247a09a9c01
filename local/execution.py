"""Execution environments: processes in which Lambda's runtime client runs one function's handler."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from local.clock import Clock
from local.fork_server import ForkServer, Kind
from local.runtime_api import Answer, Invocation, RuntimeApi

INIT_SECONDS = 10.0
"""What Lambda gives a function to get ready. Real seconds: imports are work and no faster than the machine."""
_LOOK_AGAIN = 0.25
_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class FunctionError(Exception):
    """The handler raised, its process died or its time ran out; the text says which, without what the handler said."""


class TimedOutError(FunctionError):
    """The invocation took longer than the function may; its environment was killed."""


class InitTimedOutError(FunctionError):
    """The environment was not ready in time; it was killed."""


@dataclass(frozen=True)
class ExecutionEnvironment:
    """What others need to know of one: the access key it signs its requests with, its process, its function."""

    key: str
    pid: int
    function: str


@dataclass(frozen=True)
class Configuration:
    """What all environments of a function have in common. ``layers`` are folders like ``/opt``; ``memory`` is in MB."""

    name: str
    folder: Path
    layers: Sequence[Path]
    runtime: Path
    handler: str
    memory: int
    region: str
    account: str
    log_group: str

    @property
    def arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def kind(self, clock: Clock) -> Kind:
        """What its processes are copied from. A later layer covers an earlier one, as in ``/opt``."""
        return Kind(clock.path, tuple(layer / "python" for layer in reversed(self.layers)), self.runtime)


@dataclass(frozen=True)
class Platform:
    """What an environment lives in: the clock, the function's log, and who wants to know of its beginning and end."""

    clock: Clock
    log: IO[str]
    on_start: Callable[[ExecutionEnvironment], None]
    on_end: Callable[[ExecutionEnvironment], None]

    def write(self, line: str) -> None:
        """A line of the platform's own in the log."""
        self.log.write(line + "\n")
        self.log.flush()


class Environment:
    """One process, copied from ``server``, which may begin its work when ``get_ready`` is called."""

    def __init__(
        self, configuration: Configuration, variables: Mapping[str, str], platform: Platform, server: ForkServer
    ) -> None:
        self._configuration, self._platform = configuration, platform
        self._api = RuntimeApi()
        self._init_milliseconds: float | None = None
        self.deadline: float | None = None
        key = "ASIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
        try:
            self._process = server.start({**variables, **self._own_variables(key)}, platform.log)
        except BaseException:
            self._api.close()
            raise
        self.described = ExecutionEnvironment(key, self._process.pid, configuration.name)
        self._watcher = threading.Thread(target=self._watch, daemon=True, name=f"{configuration.name}-watch")
        self._watcher.start()

    # --- its life ----------------------------------------------------------------------------------------------------

    def _own_variables(self, key: str) -> dict[str, str]:
        """What Lambda sets (Developer Guide, "Defined runtime environment variables").

        LD_LIBRARY_PATH and the daemon of X-Ray are left out: there is nothing of theirs here.
        """
        configuration = self._configuration
        today = datetime.fromtimestamp(self._platform.clock.now(), UTC).strftime("%Y/%m/%d")
        return {
            "_HANDLER": configuration.handler,
            "AWS_REGION": configuration.region,
            "AWS_DEFAULT_REGION": configuration.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": configuration.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{today}/[$LATEST]{uuid.uuid4().hex}",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_SESSION_TOKEN": secrets.token_hex(32),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LAMBDA_TASK_ROOT": str(configuration.folder),
            "LAMBDA_RUNTIME_DIR": str(configuration.runtime),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(configuration.runtime),
            "TZ": ":UTC",
        }

    def get_ready(self, seconds: float) -> None:
        """Announce it, have it import the handler and wait until it asks for an event, so many real seconds at most.

        Raises FunctionError when it does not get there, InitTimedOutError when it takes too long; it is gone then.
        """
        began = time.perf_counter()
        try:
            self._platform.on_start(self.described)
            self._process.begin()
            ready = self._api.initialized(seconds)
        except BaseException:
            self.stop()
            raise
        if ready is True:
            self._init_milliseconds = (time.perf_counter() - began) * 1000
            return
        in_time = not self.alive or isinstance(ready, Answer)
        self.stop()
        if in_time:
            reason = ready.error_type if isinstance(ready, Answer) else self._end()
            raise FunctionError(f"the function did not start: {reason}")
        self._platform.write(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: timeout")
        raise InitTimedOutError(f"the function was not ready after {seconds:.0f} s")

    def _watch(self) -> None:
        """Tell everybody of the end as soon as it comes."""
        self._process.wait()
        self._api.close()
        self._process.close()
        self._platform.on_end(self.described)

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Kill it, with whatever it started; returns when everybody knows."""
        self._process.kill()
        self._watcher.join()

    # --- its work ----------------------------------------------------------------------------------------------------

    def invoke(self, payload: bytes, timeout: float) -> Any:
        """The handler's result, within so many simulated seconds. Raises FunctionError, TimedOutError."""
        clock = self._platform.clock
        began = clock.now()
        request_id = str(uuid.uuid4())
        trace = f"Root=1-{int(began):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
        invocation = Invocation(request_id, payload, began + timeout, self._configuration.arn, trace)
        self._platform.write(f"START RequestId: {request_id} Version: $LATEST")
        self.deadline = invocation.deadline
        status = "error"
        try:
            self._api.hand_over(invocation)
            answer = self._wait(invocation, timeout)
            status = "" if not answer.error_type else status
        except TimedOutError:
            status = "timeout"
            raise
        finally:
            self.deadline = None
            self._report(request_id, (clock.now() - began) * 1000, status)
        if answer.error_type:
            self._after_error(answer.error_type)
            raise FunctionError(f"the handler raised {answer.error_type}")
        return json.loads(answer.payload)

    def _wait(self, invocation: Invocation, timeout: float) -> Answer:
        clock = self._platform.clock
        while True:
            left = invocation.deadline - clock.now()
            # Looking again, as the clock may be put forward meanwhile.
            answer = self._api.answer(min(max(0.0, clock.real(left)), _LOOK_AGAIN))
            if answer:
                return answer
            if not self.alive:
                self._platform.write(f"RequestId: {invocation.request_id} Error: {self._end()}")
                raise FunctionError(f"the function died: {self._end()}")
            if left <= 0:
                now = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
                self._platform.write(f"{now}Z {invocation.request_id} Task timed out after {timeout:.2f} seconds\n")
                self.stop()
                raise TimedOutError(f"the function was stopped after {timeout:.0f} s")

    def _after_error(self, error_type: str) -> None:
        # Lambda refuses such a response to the runtime's face, which does not survive that.
        if error_type == "Function.ResponseSizeTooLarge":
            self.stop()

    def _end(self) -> str:
        """How the process ended, as Lambda puts it."""
        code = self._process.wait()
        how = f"signal: {signal.strsignal(-code)}".lower() if code < 0 else f"exit status {code}"
        return f"Runtime exited with error: {how}" if code else "Runtime exited without providing a reason"

    def _report(self, request_id: str, milliseconds: float, status: str) -> None:
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
            f"Memory Size: {self._configuration.memory} MB",
        ]
        if self._init_milliseconds is not None:
            parts.append(f"Init Duration: {self._init_milliseconds:.2f} ms")
            self._init_milliseconds = None
        if status:
            parts.append(f"Status: {status}")
        self._platform.write(f"END RequestId: {request_id}\n" + "\t".join(parts))
