"""What the page looks at, as narrowly as it needs it: the stacks, Port's catalog and the machine's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

Json = dict[str, Any]


class WatchedRequest(Protocol):
    """One request to a stack's API, as its front door saw it.

    ``at`` is when it arrived (epoch seconds, simulated), ``milliseconds`` how long its answer took; ``delivery_id`` and
    ``event_key`` are what its headers say (empty: nothing), which nobody
    has verified.
    """

    @property
    def at(self) -> float: ...
    @property
    def delivery_id(self) -> str: ...
    @property
    def event_key(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def milliseconds(self) -> float: ...


class WatchedStack(Protocol):
    """A deployed stack. Queues are named by their logical ids in the template."""

    @property
    def name(self) -> str: ...
    @property
    def product(self) -> Literal["cloud", "server"]: ...
    @property
    def url(self) -> str: ...
    @property
    def logs_folder(self) -> Path:
        """Holds one ``<LogicalId>.log`` per function."""
        ...

    @property
    def received(self) -> Iterable[WatchedRequest]: ...
    def depths(self) -> Mapping[str, int]:
        """Messages in each queue, the invisible ones included."""
        ...

    def dead_letters(self) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """The messages of each dead-letter queue: ``id``, ``body``, ``sent`` (epoch seconds) and ``receives``."""
        ...


class WatchedPort(Protocol):
    """The catalog, where it is on this machine."""

    def blueprints(self) -> Sequence[Json]: ...
    def entities(self, blueprint: str) -> Mapping[str, Json]: ...


class WatchedClock(Protocol):
    """The machine's time."""

    @property
    def scale(self) -> float: ...
    def now(self) -> float: ...
