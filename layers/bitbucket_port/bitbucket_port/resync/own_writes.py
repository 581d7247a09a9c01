"""Requests for a resync that Port makes because of our own writes, told apart from those that people make.

Port makes one after every PATCH of the integration, at once or a moment later. So each of our writes stands for one
request: the one that Port shows right after it, or the first that it makes within a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, get_args

from bitbucket_port.port.integration import Sign

Write = Literal["registration", "change", "resync began", "resync ended"]
"""What we write. Each has a note of its own, so that two functions never overwrite each other's."""
LATE_SECONDS = 10.0
"""How long after our write Port may still make the request for it."""
SKEW_SECONDS = 5.0
"""By how much our clock may be ahead of Port's."""


class Notes(Protocol):
    """The ledger's small facts (``catalog.ledger.Ledger``)."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """Keep facts under a name."""

    def noted(self, name: str) -> Mapping[str, str]:
        """The facts under a name; empty when there are none."""


class OwnWrites:
    """Remembers our writes. Every method raises TransientError when the ledger cannot be reached."""

    def __init__(self, notes: Notes, clock: Callable[[], float]) -> None:
        self._notes = notes
        self._clock = clock

    def expect(self, write: Write, newest: Sign | None) -> None:
        """Note a write before it is made: a request for a resync follows. ``newest`` is the newest one so far.

        Unless what we tell of resyncs was followed by none before: Port may make none for it, and a person who presses
        the button right after a run shall not be taken for us.
        """
        same: tuple[Write, ...] = ("resync began", "resync ended") if write.startswith("resync") else ()
        self._keep(write, self._clock(), "", quiet=any(self._made_none(one, newest) for one in same))

    def made_at(self, write: Write, at: float, stamp: str) -> None:
        """Note when Port carried the write out (epoch seconds, Port's clock) and which request it showed for it."""
        self._keep(write, at, stamp, quiet=not stamp and bool(self._noted(write).get("quiet")))

    def made(self, sign: Sign) -> bool:
        """Whether one of our writes made this request."""
        # Each is asked, for one request may cover up that of another write.
        made = [self._made(write, sign) for write in get_args(Write)]
        return any(made)

    def _made(self, write: Write, sign: Sign) -> bool:
        noted = self._noted(write)
        if not noted:
            return False
        at = float(noted["at"])
        if noted["stamp"]:
            return noted["stamp"] == sign.stamp
        moment = self._clock() if sign.at is None else sign.at
        if not at - SKEW_SECONDS <= moment <= at + LATE_SECONDS:
            return False
        # Either way it stands for this request now, and for no other one.
        self._keep(write, at, sign.stamp if not noted.get("quiet") else f"perhaps {sign.stamp}", quiet=False)
        return not noted.get("quiet")

    def _made_none(self, write: Write, newest: Sign | None) -> bool:
        """Whether the last write of this sort was certainly followed by no request."""
        noted = self._noted(write)
        if not noted or noted["stamp"] or self._clock() <= float(noted["at"]) + LATE_SECONDS:
            return False
        return newest is not None and (newest.at or 0.0) < float(noted["at"]) - SKEW_SECONDS

    def _noted(self, write: Write) -> Mapping[str, str]:
        return self._notes.noted(f"own write#{write}")

    def _keep(self, write: Write, at: float, stamp: str, *, quiet: bool) -> None:
        values = {"at": repr(at), "stamp": stamp, "quiet": "yes" if quiet else ""}
        self._notes.note(f"own write#{write}", values)
