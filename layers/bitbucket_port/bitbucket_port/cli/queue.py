"""The jobs of a run, waiting in this process: what SQS is to the functions."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Message:
    """A job as text; ``receives`` counts this time too. ``faults``: how often our own code failed with it."""

    due: float
    number: int
    text: str = field(compare=False)
    receives: int = field(default=0, compare=False)
    faults: int = field(default=0, compare=False)


class JobQueue:
    """A queue with delays, for any number of threads. It is over when nothing waits and nobody works.

    ``clock`` gives epoch seconds. ``skip`` is called with the seconds until the next message is due while nobody works;
    without it that time is waited for.
    """

    def __init__(self, clock: Callable[[], float], *, skip: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._skip = skip
        self._changed = threading.Condition()
        self._waiting: list[Message] = []
        self._working = 0
        self._number = 0
        self._stopped = False

    def send(self, texts: Sequence[str], delay: int = 0) -> None:
        """Put messages on the queue, to be received after so many seconds."""
        with self._changed:
            for text in texts:
                self._put(Message(self._clock() + delay, 0, text))

    def take(self) -> Message | None:
        """The next message, waited for; None when the queue is over or stopped."""
        with self._changed:
            while not self._stopped:
                wait = self._waiting[0].due - self._clock() if self._waiting else None
                if wait is None and not self._working:
                    self._changed.notify_all()
                    return None
                if wait is not None and wait <= 0:
                    message = heapq.heappop(self._waiting)
                    message.receives += 1
                    self._working += 1
                    return message
                if wait is not None and self._skip and not self._working:
                    self._skip(wait)
                else:
                    self._changed.wait(wait)
            return None

    def done(self, message: Message) -> None:
        """The message was dealt with."""
        del message
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def again(self, message: Message, after: float) -> None:
        """Have the message received once more, so many seconds from now."""
        with self._changed:
            self._working -= 1
            message.due = self._clock() + after
            self._put(message)

    def stop(self) -> None:
        """Hand nothing out any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _put(self, message: Message) -> None:
        self._number += 1
        message.number = self._number
        heapq.heappush(self._waiting, message)
        self._changed.notify_all()
