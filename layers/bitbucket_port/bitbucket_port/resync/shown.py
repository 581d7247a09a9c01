"""Which identifiers a long list showed, remembered in eight bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import groupby


class Shown:
    """Identifiers, of which one can only ask whether they were shown; fill it first, then ask.

    Their hashes are kept. Python's, of 64 bits and different in every process: that one which was not shown has the
    hash of another is less likely than 1 in 10^13 with a million of them, and another one's luck in the next run.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._in_order = True

    def add(self, identifiers: Iterable[str]) -> None:
        """These were shown."""
        self._hashes.extend(map(hash, identifiers))
        self._in_order = False

    def __contains__(self, identifier: str) -> bool:
        self._order()
        place = bisect_left(self._hashes, wanted := hash(identifier))
        return place < len(self._hashes) and self._hashes[place] == wanted

    def __len__(self) -> int:
        """How many different ones there were."""
        self._order()
        return len(self._hashes)

    def _order(self) -> None:
        if not self._in_order:
            self._hashes = array("q", (one for one, _ in groupby(sorted(self._hashes))))
            self._in_order = True
