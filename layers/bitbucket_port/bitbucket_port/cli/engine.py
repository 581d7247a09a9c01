"""Carries the jobs of a run out with several threads, until all are done or something ends it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bitbucket_port.cli.queue import JobQueue, Message
from bitbucket_port.cli.workplace import JOB_SECONDS, Workplace
from bitbucket_port.errors import (
    BitbucketPortError,
    CredentialsRefusedError,
    PermanentError,
    SettingsError,
    TransientError,
)
from bitbucket_port.resync.worker import MOST_RECEIVES

FIRST_WAIT = 5.0
LONGEST_BACKOFF = 60.0
MOST_FAULTS = 3
_LOOK_SECONDS = 0.2
_logger = logging.getLogger("bitbucket_port.cli")

Why = Literal["done", "time limit", "interrupted", "given up"]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why no job is worked on any more; ``reason`` for people."""

    why: Why
    reason: str = ""


class Watching(Protocol):
    """Whoever is shown how it goes; called by any thread."""

    def done(self, message: str) -> None:
        """A job was done."""

    def waits(self, reason: str, seconds: float) -> None:
        """A job has to wait."""


class Engine:
    """Threads, one workplace each. For one use."""

    def __init__(
        self,
        queue: JobQueue,
        workplaces: Sequence[Workplace],
        watching: Watching,
        *,
        seconds: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds``: the time limit."""
        self._queue = queue
        self._workplaces = workplaces
        self._watching = watching
        self._monotonic = monotonic
        self._until = None if seconds is None else monotonic() + seconds
        self._ending: Ending | None = None
        self._lock = threading.Lock()

    def run(self) -> Ending:
        """Work until the queue is over, the time is up, somebody interrupts, or nothing can work any more."""
        threads = [
            threading.Thread(target=self._work, args=(place,), name=f"worker-{number}", daemon=True)
            for number, place in enumerate(self._workplaces, 1)
        ]
        for thread in threads:
            thread.start()
        try:
            self._wait(threads)
        except KeyboardInterrupt:
            self._end(Ending("interrupted", "interrupted"))
            self._wait(threads)
        return self._ending or Ending("done")

    def _wait(self, threads: Sequence[threading.Thread]) -> None:
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                self._check_time()
                if self._ending is not None:
                    self._hurry()  # Again: it may just have begun another job.

    def _check_time(self) -> None:
        if self._until is not None and self._monotonic() >= self._until:
            self._end(Ending("time limit", "the time limit was reached"))

    def _end(self, ending: Ending) -> None:
        with self._lock:
            if self._ending is not None:
                return
            self._ending = ending
        self._queue.stop()
        self._hurry()

    def _hurry(self) -> None:
        for place in self._workplaces:
            place.hurry()

    # --- one thread --------------------------------------------------------------------------------------------------

    def _work(self, place: Workplace) -> None:
        while (message := self._queue.take()) is not None:
            self._check_time()
            if self._ending is None:
                self._handle(place, message)
            else:
                self._queue.again(message, 0.0)

    def _handle(self, place: Workplace, message: Message) -> None:
        left = JOB_SECONDS if self._until is None else min(JOB_SECONDS, self._until - self._monotonic())
        try:
            place.handle(message.text, message.receives, seconds=left)
        except (CredentialsRefusedError, SettingsError) as error:
            self._end(Ending("given up", str(error)))  # Nobody can mend that while this process runs.
            self._queue.done(message)
        except PermanentError:
            _logger.exception("a message is no job")
            self._queue.done(message)
        except BitbucketPortError as error:
            retry_after = error.retry_after if isinstance(error, TransientError) else None
            wait = backoff(message.receives) if retry_after is None else max(retry_after, 0.1)
            if self._ending is None:
                self._watching.waits(str(error), wait)
            self._queue.again(message, wait)
        except Exception:
            # A fault of ours must not end everything: it is shown, and in the end its job is reported as failed.
            _logger.exception("unexpected failure")
            message.faults += 1
            if message.faults >= MOST_FAULTS:
                message.receives = MOST_RECEIVES
            if message.faults > MOST_FAULTS:
                self._end(Ending("given up", "a fault in this program; --verbose shows it"))
            self._queue.again(message, 0.0)
        else:
            self._queue.done(message)
            self._watching.done(message.text)


def backoff(receives: int) -> float:
    """Seconds before the next try of what failed without saying when it will work: 5, 10, 20, 40, then 60."""
    return float(min(LONGEST_BACKOFF, FIRST_WAIT * 2 ** min(receives - 1, 10)))
