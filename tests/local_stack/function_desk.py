"""Functions of a few lines, run as the stack runs its own."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from local.clock import Clock
from local.concurrency import Concurrency
from local.functions import ExecutionEnvironment, Function


class Desk:
    """Makes functions whose code is ``code`` (a module with ``handler``), all under one clock in one account."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = Clock(folder / "clock")
        self.concurrency = Concurrency()
        self.started: list[ExecutionEnvironment] = []
        self.ended: list[ExecutionEnvironment] = []
        self._made: list[Function] = []

    def function(
        self,
        code: str,
        name: str = "Tried",
        *,
        layers: Sequence[Path] = (),
        handler: str = "app.handler",
        timeout: float = 30,
        reserved: int | None = None,
        on_start: Callable[[ExecutionEnvironment], None] | None = None,
        on_end: Callable[[ExecutionEnvironment], None] | None = None,
        **environment: str,
    ) -> Function:
        task_root = self._folder / name
        task_root.mkdir()
        (task_root / "app.py").write_text(textwrap.dedent(code), encoding="utf-8")
        made = Function(
            name,
            folder=task_root,
            layers=layers,
            handler=handler,
            environment=environment,
            timeout=timeout,
            memory=256,
            log=self._folder / f"{name}.log",
            clock=self.clock,
            concurrency=self.concurrency,
            reserved=reserved,
            on_start=on_start or self.started.append,
            on_end=on_end or self.ended.append,
        )
        self._made.append(made)
        return made

    def log(self, name: str = "Tried") -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        for function in self._made:
            function.stop()


class Running:
    """An invocation in a thread of its own."""

    def __init__(self, function: Function, event: Any = None) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self._function, self._event = function, event
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function.invoke(self._event)
        except Exception as error:  # noqa: BLE001 - the test asks for it
            self.error = error

    def finished(self) -> Running:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self


def eventually(promise: Callable[[], Any]) -> Any:
    """What ``promise`` returns as soon as it is true; fails when that takes unreasonably long."""
    for _ in range(600):
        if found := promise():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come true")
