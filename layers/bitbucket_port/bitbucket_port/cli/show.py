"""How it goes: a bar on a terminal, a line now and then in a pipeline's log."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0
LONG_WAIT_SECONDS = 30.0
_STEPS = {
    "list": "Reading Bitbucket",
    "port": "Comparing with Port",
    "heal": "Mending",
    "sweep": "Looking for what is missing",
    "unclaimed": "Deleting what nothing makes",
    "children": "Following what moved",
}


def step_of(message: str) -> str:
    """What a job is part of, for people; empty for what is not worth telling."""
    return _STEPS.get(str(json.loads(message).get("job")), "")


class Bars:
    """A bar for each step. For use in ``with``."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def began(self, what: str) -> None:
        """See ``resync.Shows``."""
        with self._lock:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks.clear()
        self.say(f"[bold]{escape(what.capitalize())}[/bold]")

    def ordered(self, messages: Sequence[str]) -> None:
        """See ``resync.Shows``."""
        with self._lock:
            for step in filter(None, map(step_of, messages)):
                if step not in self._tasks:
                    self._tasks[step] = self._progress.add_task(step, total=0)
                task = self._progress.tasks[self._progress.task_ids.index(self._tasks[step])]
                self._progress.update(task.id, total=(task.total or 0) + 1)

    def done(self, message: str) -> None:
        """See ``engine.Watching``."""
        with self._lock:
            task = self._tasks.get(step_of(message))
            if task is not None:
                self._progress.advance(task)

    def waits(self, reason: str, seconds: float) -> None:
        """See ``engine.Watching``."""
        self.say(f"[yellow]goes on in {seconds:.0f} s:[/yellow] {escape(reason)}")

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(text, highlight=False)


class Lines:
    """A plain line when a run begins, every ten seconds while something is done, and for long waits."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._counts: dict[str, tuple[int, int]] = {}
        self._told_at = 0.0
        self._waits_told: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._tell()

    def began(self, what: str) -> None:
        """See ``resync.Shows``."""
        with self._lock:
            if self._counts:
                self._tell()
            self._counts.clear()
            self._told_at = self._clock()
            self._print(what)

    def ordered(self, messages: Sequence[str]) -> None:
        """See ``resync.Shows``."""
        with self._lock:
            for step in filter(None, map(step_of, messages)):
                done, total = self._counts.get(step, (0, 0))
                self._counts[step] = (done, total + 1)

    def done(self, message: str) -> None:
        """See ``engine.Watching``."""
        with self._lock:
            step = step_of(message)
            if step in self._counts:
                done, total = self._counts[step]
                self._counts[step] = (done + 1, total)
            if self._clock() - self._told_at >= LINE_SECONDS:
                self._tell()

    def waits(self, reason: str, seconds: float) -> None:
        """See ``engine.Watching``; the same reason is told again only when it lasts."""
        with self._lock:
            now = self._clock()
            if now - self._waits_told.get(reason, -LONG_WAIT_SECONDS) >= LONG_WAIT_SECONDS:
                self._waits_told[reason] = now
                self._print(f"goes on in {seconds:.0f} s: {reason}")

    def _tell(self) -> None:
        self._told_at = self._clock()
        told = [f"{step.lower()} {done}/{total}" for step, (done, total) in self._counts.items()]
        if told:
            self._print(", ".join(told))

    def _print(self, text: str) -> None:
        self._console.print(f"bitbucket-port: {text}", markup=False, highlight=False, soft_wrap=True)


def shown_on(console: Console) -> Bars | Lines:
    """What fits where it is shown."""
    return Bars(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)
