"""How many invocations may run at once, in the account and in one function."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable


class Concurrency:
    """An account's concurrent executions, shared by all its functions.

    What a function reserves is its own, no more and no less; everybody else shares the rest (AWS Lambda Developer
    Guide, "Configuring reserved concurrency"). 1000 is an account's usual quota; new accounts may have 10. ``function``
    is whatever tells one function from all others.
    """

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._reserved: dict[Hashable, int] = {}
        self._running: Counter[Hashable] = Counter()

    def reserve(self, function: Hashable, executions: int) -> None:
        """Set some apart for one function. Raises ValueError for more than there are."""
        with self._lock:
            others = sum(count for name, count in self._reserved.items() if name != function)
            if executions < 0 or others + executions > self.limit:
                raise ValueError(f"{function} cannot reserve {executions} of {self.limit - others} executions")
            self._reserved[function] = executions

    def release(self, function: Hashable) -> None:
        """Give back what a function reserved."""
        with self._lock:
            self._reserved.pop(function, None)

    def enter(self, function: Hashable) -> bool:
        """Begin an execution; False when there is none left for this function."""
        with self._lock:
            if function in self._reserved:
                free = self._reserved[function] - self._running[function]
            else:
                shared = sum(count for name, count in self._running.items() if name not in self._reserved)
                free = self.limit - sum(self._reserved.values()) - shared
            if free <= 0:
                return False
            self._running[function] += 1
            return True

    def leave(self, function: Hashable) -> None:
        """End an execution."""
        with self._lock:
            self._running[function] -= 1
            if not self._running[function]:
                del self._running[function]

    @property
    def running(self) -> int:
        """Executions at this moment."""
        with self._lock:
            return self._running.total()
