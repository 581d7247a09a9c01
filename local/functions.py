"""The stack's functions as processes: each invocation has one to itself, as in Lambda."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

HOST = Path(__file__).with_name("function_host.py")
COLD_START_SECONDS = 30.0


class FunctionError(Exception):
    """The handler raised, its process died or its time ran out; the text says which."""


class ThrottledError(FunctionError):
    """All processes this function may have are busy."""


class _Process:
    """One execution environment."""

    def __init__(self, folder: Path, layers: Path, handler: str, environment: Mapping[str, str], log: IO[str]) -> None:
        read_end, write_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(HOST), str(write_end), handler],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            pass_fds=(write_end,),
            process_group=0,  # Ctrl-C is for the command that started us; this process ends with its input.
            env={**environment, "PYTHONPATH": f"{folder}{os.pathsep}{layers}"},
        )
        os.close(write_end)
        self._answers = os.fdopen(read_end)
        self._read(COLD_START_SECONDS, "did not start")

    def invoke(self, event: Any, timeout: float) -> Any:
        """The handler's result; raises FunctionError."""
        request = {"event": event, "id": str(uuid.uuid4()), "deadline": time.time() + timeout}
        if self._process.stdin is None:
            raise FunctionError("the function's process takes no input")
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise FunctionError("the function's process died") from error
        answer = self._read(timeout, f"was stopped after {timeout:.0f} s")
        if "error" in answer:
            raise FunctionError(f"the handler raised {answer['error']}")
        return answer["result"]

    def _read(self, timeout: float, otherwise: str) -> Any:
        ready, _, _ = select.select([self._answers], [], [], timeout)
        line = self._answers.readline() if ready else ""
        if not line:
            self.stop()
            raise FunctionError(f"the function {'died' if ready else otherwise}")
        return json.loads(line)

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._answers.close()


class Function:
    """One function of the stack; processes are started when they are needed and kept for the next invocation.

    ``environment`` holds its variables; ``invocations`` counts.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: Path,
        layers: Path,
        handler: str,
        environment: Mapping[str, str],
        timeout: float,
        log: Path,
        concurrency: int = 8,
    ) -> None:
        self.name = name
        self._folder, self._layers, self._handler = folder, layers, handler
        self.environment, self._timeout = environment, timeout
        self._log = log.open("a", encoding="utf-8")
        self._slots = threading.BoundedSemaphore(concurrency)
        self._idle: list[_Process] = []
        self._all: list[_Process] = []
        self._lock = threading.Lock()
        self.invocations = 0

    def invoke(self, event: Any) -> Any:
        """The handler's result. Raises ThrottledError when it is too busy, FunctionError when it failed."""
        if not self._slots.acquire(timeout=self._timeout):
            raise ThrottledError(f"{self.name} is too busy")
        try:
            process = self._take()
            try:
                return process.invoke(event, self._timeout)
            finally:
                with self._lock:
                    self.invocations += 1
                    if process.alive:
                        self._idle.append(process)
        finally:
            self._slots.release()

    def warm(self) -> None:
        """Start one process ahead of the first invocation."""
        process = self._take()
        with self._lock:
            self._idle.append(process)

    def cool(self) -> None:
        """End the idle processes: the next invocation is a cold start, as after a while without any."""
        with self._lock:
            for process in self._idle:
                process.stop()
                self._all.remove(process)
            self._idle.clear()

    def _take(self) -> _Process:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        process = _Process(self._folder, self._layers, self._handler, self.environment, self._log)
        with self._lock:
            self._all.append(process)
        return process

    def stop(self) -> None:
        """End all its processes."""
        with self._lock:
            for process in self._all:
                if process.alive:
                    process.stop()
            self._all.clear()
            self._idle.clear()
        self._log.close()
