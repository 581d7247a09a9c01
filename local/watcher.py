"""Wakes the pollers whose queues hold messages that can be had, so that nobody polls an empty queue for nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from local.aws import Moto
from local.poller import Poller

LOOK_EVERY = 1.0
"""Real seconds after which it looks without being told to: time passes, and not everybody who sends tells."""

_log = logging.getLogger(__name__)


class Watcher:
    """Watches the queues of these pollers."""

    def __init__(self, pollers: Sequence[Poller], *, moto: Moto) -> None:
        self._pollers, self._moto = pollers, moto
        self._told = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping = True
        self._told.set()
        if self._thread.is_alive():
            self._thread.join()

    def tell(self) -> None:
        """Something was probably sent: look soon."""
        self._told.set()

    def look(self) -> bool:
        """Wake every poller whose queue holds a message that can be had; whether there was any to wake."""
        try:
            ready = self._moto.ready([poller.queue_url for poller in self._pollers])
        except ValueError as error:
            # A queue is gone. Whoever polls it will say so, and when it looks again.
            _log.warning("not all queues can be watched: %s", error)
            ready = [poller.queue_url for poller in self._pollers]
        woken = [poller.wake() for poller in self._pollers if poller.queue_url in ready]
        return any(woken)

    def _run(self) -> None:
        while not self._stopping:
            self._told.clear()
            self.look()
            self._told.wait(LOOK_EVERY)
