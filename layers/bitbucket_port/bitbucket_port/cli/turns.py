"""Whose turn it is among the threads of the command: one computes, some have a request under way, the others wait.

Python runs one thread at a time in any case. Left to itself it changes between them at every step of the database,
which takes half as long again as the work itself. So a thread keeps its turn until it has to wait for something.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """For the threads of one run; ``requests`` may be under way at once."""

    def __init__(self, requests: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._requests = threading.BoundedSemaphore(requests)
        self._sleep = sleep
        self.computing = threading.Lock()
        """Held by a thread that computes."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others compute meanwhile; for a thread that computes, and only waits inside."""
        self.computing.release()
        try:
            yield
        finally:
            self.computing.acquire()

    def __enter__(self) -> None:
        """Have a request under way, when it is its turn, and let others compute meanwhile."""
        self.computing.release()
        self._requests.acquire()

    def __exit__(self, *_: object) -> None:
        self._requests.release()
        self.computing.acquire()

    def sleep(self, seconds: float) -> None:
        """Wait, and let others compute meanwhile."""
        with self.aside():
            self._sleep(seconds)
