"""The stack's functions: each invocation has an execution environment to itself, as in Lambda."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from local import fork_server
from local import layers as built
from local.account import ACCOUNT, REGION
from local.clock import Clock
from local.concurrency import Concurrency
from local.execution import (
    INIT_SECONDS,
    Configuration,
    Environment,
    ExecutionEnvironment,
    FunctionError,
    InitTimedOutError,
    Platform,
    TimedOutError,
)

__all__ = [
    "ExecutionEnvironment",
    "Function",
    "FunctionError",
    "RequestTooLargeError",
    "ThrottledError",
    "TimedOutError",
]

LARGEST_EVENT = 6 * 1024 * 1024
"""Bytes of an event that is waited for (AWS Lambda Developer Guide, "Lambda quotas")."""
KEPT = 8
"""Environments of one function that are kept although they have nothing to do."""
_starts = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))
"""How many environments may be starting on this machine: more would only make each of them slower."""


class ThrottledError(FunctionError):
    """The account, or what is reserved for the function, has no execution left."""


class RequestTooLargeError(FunctionError):
    """The event is larger than Lambda takes."""


def _nobody(_environment: ExecutionEnvironment) -> None:
    """For functions of whose environments nobody needs to know."""


class Function:
    """One function. Environments are started when they are needed and kept for the next invocation.

    ``folder`` is what would be ``/var/task``, ``layers`` what would be unpacked in ``/opt``. ``timeout`` is in
    simulated seconds, ``memory`` in MB. ``on_start`` is told of an environment before its code runs, ``on_end`` when
    its process is gone. ``environment`` holds the function's variables and may be changed: the next cold start reads
    it; what Lambda itself sets is added there. ``invocations`` and ``cold_starts`` count.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: Path,
        layers: Sequence[Path],
        handler: str,
        environment: MutableMapping[str, str],
        timeout: float,
        memory: int,
        log: Path,
        clock: Clock,
        concurrency: Concurrency,
        reserved: int | None = None,
        log_group: str = "",
        on_start: Callable[[ExecutionEnvironment], None] = _nobody,
        on_end: Callable[[ExecutionEnvironment], None] = _nobody,
    ) -> None:
        self.name = name
        self.environment, self.timeout = environment, timeout
        group = log_group or f"/aws/lambda/{name}"
        self._configuration = Configuration(
            name, folder.resolve(), layers, built.runtime(), handler, memory, REGION, ACCOUNT, group
        )
        self._log = log.open("a", encoding="utf-8")
        self._platform = Platform(clock, self._log, on_start, on_end)
        self._concurrency = concurrency
        if reserved is not None:
            concurrency.reserve(self, reserved)
        self._changed = threading.Condition()
        self._idle: list[Environment] = []
        self._outdated: set[Environment] = set()
        self._all: list[Environment] = []
        self._busy = 0
        self._stopped = False
        self._servers: dict[fork_server.Kind, fork_server.ForkServer] = {}
        self.invocations = 0
        self.cold_starts = 0

    @property
    def layers(self) -> Sequence[Path]:
        """Folders like ``/opt``; may be replaced, and the next cold start has the new ones."""
        return self._configuration.layers

    @layers.setter
    def layers(self, layers: Sequence[Path]) -> None:
        self._configuration = replace(self._configuration, layers=layers)

    def invoke(self, event: Any) -> Any:
        """The handler's result.

        Raises ThrottledError at once when nothing is left to run it with, TimedOutError, RequestTooLargeError, and
        FunctionError for anything else that went wrong.
        """
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(payload) > LARGEST_EVENT:
            raise RequestTooLargeError(f"{self.name} cannot take an event of {len(payload)} bytes")
        if not self._concurrency.enter(self):
            raise ThrottledError(f"{self.name} has no execution left")
        self._count(1)
        try:
            environment = self._take()
            try:
                return environment.invoke(payload, self.timeout)
            finally:
                self._give_back(environment)
        finally:
            self._concurrency.leave(self)
            self._count(-1)

    def configure(self, variables: MutableMapping[str, str]) -> None:
        """Have other environment variables: every invocation that begins from now on has them."""
        with self._changed:
            self.environment = variables
            self._outdated = set(self._all)
        self.cool()

    def deadlines(self) -> dict[int, float]:
        """Process → when it will be stopped (simulated epoch), for those that run an invocation now."""
        with self._changed:
            return {one.described.pid: one.deadline for one in self._all if one.deadline is not None}

    @property
    def busy(self) -> int:
        """Invocations at this moment, those that wait for a cold start included."""
        return self._busy

    def environments(self) -> list[ExecutionEnvironment]:
        """Those that live at this moment."""
        with self._changed:
            return [environment.described for environment in self._all if environment.alive]

    def warm(self) -> None:
        """Have an environment ready ahead of the first invocation."""
        environment = self._take()
        with self._changed:
            self._idle.append(environment)
            self._changed.notify()

    def cool(self) -> None:
        """End the idle environments: the next invocation is a cold start, as after a while without any."""
        with self._changed:
            idle, self._idle = self._idle, []
        self._end(idle)

    def stop(self) -> None:
        """End all environments, whatever they are doing, and the log when the last invocation has written to it."""
        with self._changed:
            self._stopped = True
            ending, self._idle = list(self._all), []
        self._end(ending)
        self._concurrency.release(self)
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0)
            servers, self._servers = self._servers, {}
        for kind, server in servers.items():
            fork_server.give_back(kind, server)
        self._log.close()

    def _count(self, change: int) -> None:
        with self._changed:
            self._busy += change
            self._changed.notify_all()

    def _end(self, environments: Iterable[Environment]) -> None:
        for environment in environments:
            environment.stop()
        with self._changed:
            self._all = [one for one in self._all if one.alive]

    def _take(self) -> Environment:
        """An environment for one invocation: one that has nothing to do, else a new one."""
        with self._changed:
            while not self._stopped:
                while self._idle:
                    if (environment := self._idle.pop()).alive:
                        return environment
                if _starts.acquire(blocking=False):
                    break
                # Whichever comes first: a turn to start one, or one that is done with its work.
                self._changed.wait(0.05)
            else:
                raise FunctionError(f"{self.name} is stopped")
        try:
            return self._start(INIT_SECONDS)
        except InitTimedOutError:
            # As in Lambda: a second try has all the time of the invocation.
            return self._start(max(INIT_SECONDS, self._platform.clock.real(self.timeout)))
        finally:
            _starts.release()

    def _start(self, seconds: float) -> Environment:
        """A new environment that is ready for an event."""
        try:
            environment = Environment(self._configuration, self.environment, self._platform, self._server())
        except fork_server.ServerGoneError as error:
            raise FunctionError("the function did not start: the process it is copied from was killed") from error
        with self._changed:
            self._all.append(environment)
            self.cold_starts += 1
            stopped = self._stopped
        if stopped:
            self._end([environment])
            raise FunctionError(f"{self.name} is stopped")
        environment.get_ready(seconds)
        return environment

    def _server(self) -> fork_server.ForkServer:
        """What environments are copied from, the same until the end unless layers are replaced or it is killed."""
        kind = self._configuration.kind(self._platform.clock)
        with self._changed:
            if self._stopped:
                raise FunctionError(f"{self.name} is stopped")
            server = self._servers.get(kind)
            if server is None or not server.alive:
                if server is not None:
                    fork_server.give_back(kind, server)
                server = self._servers[kind] = fork_server.borrow(kind)
            return server

    def _give_back(self, environment: Environment) -> None:
        with self._changed:
            self.invocations += 1
            fresh = environment.alive and environment not in self._outdated
            if keep := fresh and len(self._idle) < KEPT and not self._stopped:
                self._idle.append(environment)
                self._changed.notify()
        if not keep:
            self._end([environment])
