"""One clock for the whole machine: functions, queues, schedules and stand-ins agree on the time of day.

It runs ``scale`` times as fast as the machine's own, and can be put forward. All processes read it from one small file,
so that putting it forward is seen everywhere at once. The file also tells which processes sleep until when, so that
whoever puts the clock forward knows that nobody is at work.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATE = struct.Struct("=QdddQ")  # Edition, monotonic seconds, epoch seconds at that moment, scale, edition again.
_SLEEPER = struct.Struct("=dQ")  # Simulated epoch seconds at which it wakes, its process (0: nobody).
_SLEEPERS = 512
_real_monotonic, _real_sleep, _real_time = time.monotonic, time.sleep, time.time


class Clock:
    """Simulated time.

    ``path`` is the file that processes share; it is made by the first and opened by the others. ``scale`` (simulated
    seconds in a real one) counts only for the first.
    """

    def __init__(self, path: Path, *, scale: float = 1.0) -> None:
        self.path = path
        made = not path.exists()
        with path.open("x+b" if made else "r+b") as file:
            if made:
                file.write(_STATE.pack(1, _real_monotonic(), _real_time(), scale, 1))
                file.write(bytes(_SLEEPER.size * _SLEEPERS))
                file.flush()
            self._memory = mmap.mmap(file.fileno(), _STATE.size + _SLEEPER.size * _SLEEPERS)

    @property
    def scale(self) -> float:
        """Simulated seconds in a real one."""
        return self._read()[2]

    def now(self) -> float:
        """Epoch seconds, simulated."""
        began, epoch, scale = self._read()
        return epoch + (_real_monotonic() - began) * scale

    def monotonic(self) -> float:
        """The same: simulated time never goes back."""
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Wait for that much simulated time; returns early when the clock is put forward past its end."""
        end = self.now() + seconds
        with self._announced(end):
            while (left := end - self.now()) > 0:
                _real_sleep(min(self.real(left), 0.02))

    def sleepers(self) -> dict[int, float]:
        """Process → the moment until which its main thread sleeps, for those that do not wake by themselves before."""
        now = self.now()
        slots = _SLEEPER.iter_unpack(self._memory[_STATE.size :])
        return {process: wakes for wakes, process in slots if process and wakes > now}

    def real(self, seconds: float) -> float:
        """Real seconds that so many simulated ones take."""
        return seconds / self.scale

    def advance(self, seconds: float) -> None:
        """Put the clock forward. One process only may do this. Raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back by {-seconds} s")
        self._write(self.now() + seconds, self.scale)

    def run_at(self, scale: float) -> None:
        """Run at another speed from now on. One process only may do this."""
        self._write(self.now(), scale)

    @contextmanager
    def _announced(self, end: float) -> Iterator[None]:
        """Have others know that this process does nothing until then; other threads say nothing about it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        entry = (end, os.getpid())
        place = self._enter(entry)
        try:
            yield
        finally:
            # It may belong to somebody else by now.
            if place is not None and _SLEEPER.unpack_from(self._memory, place) == entry:
                _SLEEPER.pack_into(self._memory, place, 0.0, 0)

    def _enter(self, entry: tuple[float, int]) -> int | None:
        """Take a free place, or that of somebody who should be awake or was killed; None when all are taken."""
        with self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now = self.now()
            for place in map(self._slot, range(_SLEEPERS)):
                wakes, process = _SLEEPER.unpack_from(self._memory, place)
                if not process or wakes < now:
                    _SLEEPER.pack_into(self._memory, place, *entry)
                    return place
        return None

    @staticmethod
    def _slot(number: int) -> int:
        return _STATE.size + number * _SLEEPER.size

    def _read(self) -> tuple[float, float, float]:
        while True:
            first, began, epoch, scale, last = _STATE.unpack_from(self._memory)
            if first == last:  # Else another process is just writing.
                return began, epoch, scale

    def _write(self, epoch: float, scale: float) -> None:
        edition = _STATE.unpack_from(self._memory)[0] + 1
        struct.pack_into("=Q", self._memory, 0, edition)
        struct.pack_into("=ddd", self._memory, 8, _real_monotonic(), epoch, scale)
        struct.pack_into("=Q", self._memory, _STATE.size - 8, edition)


def rule_this_process(clock: Clock) -> None:
    """Have ``time.time``, ``time.monotonic`` and ``time.sleep`` of this process tell simulated time.

    The clocks in nanoseconds as well. To be called before anything imports these functions by name. Waiting for sockets
    and locks stays real.
    """
    time.time, time.monotonic = clock.now, clock.monotonic
    time.time_ns = time.monotonic_ns = lambda: int(clock.now() * 1e9)  # Logging asks for these since Python 3.13.
    time.sleep = clock.sleep  # type: ignore[assignment]  # It takes whatever time.sleep takes.
