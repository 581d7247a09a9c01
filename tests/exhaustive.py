"""Whether everything is tried, or a part that stands for the rest: all of it takes hours.

With the variable EXHAUSTIVE=1 (and EVERY_KILL, WHOLE_SIZE) tests try what they otherwise take samples of. Which sample
is always the same, and no kind of thing is left out altogether.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

EXHAUSTIVE = os.environ.get("EXHAUSTIVE") == "1"
_Any = TypeVar("_Any")


def some_of(things: Sequence[_Any], *, every: int, beginning: int = 0) -> list[_Any]:
    """Each ``every``-th of them from ``beginning`` on (counted around), at least one where there are any; or all."""
    step = 1 if EXHAUSTIVE else every
    return list(things[beginning % step :: step]) or list(things[:1])
