"""The page on which one sees the machine at work: catalog, deliveries and queues, live."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from local.page.feed import Feed
from local.page.server import Server
from local.page.view import View
from local.page.watched import Json, WatchedClock, WatchedPort, WatchedStack
from local.resyncs import Watched

__all__ = ["Page"]


class Page:
    """A page over running stacks. ``port`` is None where the catalog is in the real Port; ``resyncs`` are those of each
    stack, to be watched and begun, or none at all. ``machine`` tells programs where everything is (``page.stacks``).
    """

    def __init__(
        self,
        stacks: Sequence[WatchedStack],
        port: WatchedPort | None,
        clock: WatchedClock,
        resyncs: Sequence[Watched] = (),
        machine: Callable[[], Json] | None = None,
    ) -> None:
        self._machine = machine
        self._view = View(stacks, port, clock, resyncs)
        self._feed = Feed(self._view.read)
        self._server: Server | None = None

    def start(self, port: int = 3001) -> str:
        """Serve on 127.0.0.1 (``port`` 0: any free one); returns the address. Raises OSError where it is taken."""
        self._server = Server(port, self._feed, self._view.start_resync, self._machine)
        self._feed.start()
        return self._server.start()

    def stop(self) -> None:
        """Stop serving; open pages say that the machine has stopped. Harmless when it never started."""
        if self._server is not None:
            self._feed.stop()
            self._server.stop()
            self._server = None
